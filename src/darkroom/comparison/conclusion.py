"""What rankings say: sentences, advice, and what to know before relying on either."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from darkroom.comparison.aspects import Aspect
from darkroom.comparison.entries import Entry
from darkroom.comparison.ranking import Ranking, has_likelihood, likelihoods_differ
from darkroom.evaluation.wording import FEW, about, counted, label_of, listed

SAYS = {  # a difference in an aspect, as a verb with its object: of two runs, of more
    "quality": ("gives the better images", "gives the best images"),
    "diversity": ("gives the greater variety", "gives the greatest variety"),
    "stability": (
        "trained more steadily, by the spread of its quality",
        "trained most steadily, by the spread of its quality",
    ),
    "training": ("was trained sooner", "was trained soonest"),
    "sampling": ("draws faster", "draws fastest"),
}
WANTS = {  # who chooses for an aspect wants this
    "quality": "the best images",
    "diversity": "the most variety",
    "originality": "the fewest copies",
    "stability": "a training that one can rely on",
    "training": "results soon",
    "sampling": "to draw many images quickly",
}
CALLED = {"training": "training time", "sampling": "sampling speed"}  # others by their names


def sentence(aspect: Aspect) -> str:
    """What the numbers say of an aspect; nothing where fewer than two runs have one."""
    if len(aspect.ranking.known) < 2:
        return ""
    if aspect.name == "originality":
        return _of_copies(aspect)
    return _of_leaders(aspect) if aspect.ranking.decides else _of_equals(aspect)


def choices(entries: Sequence[Entry], aspects: Iterable[Aspect]) -> dict[str, tuple[str, ...]]:
    """What one may want, and the runs to take then; only where the numbers tell runs apart."""
    sound = {entry.name for entry in entries if not _ruin(entry)}
    most = max(FEW, len(entries) // 2)  # more are no advice
    takes = {
        WANTS[aspect.name]: tuple(run for run in aspect.ranking.leaders if run in sound)
        for aspect in aspects
        if aspect.ranking.decides
    }
    return {want: runs for want, runs in takes.items() if 0 < len(runs) <= most}


def cautions(
    entries: Sequence[Entry], rankings: Mapping[str, Ranking], main: Mapping[str, str]
) -> list[str]:
    """What a reader has to know before relying on rankings of quality and diversity.

    Args:
        entries: The runs.
        rankings: Every number of quality, diversity and latents, by name.
        main: The numbers that quality and diversity are judged by.
    """
    said = list(_disagreements(rankings, main))
    said += [f"{entry.name} is lost: {listed(_ruin(entry))}." for entry in entries if _ruin(entry)]
    lengths = [entry.evaluation.images_seen for entry in entries]
    seen = {length for length in lengths if length is not None}
    if len(seen) > 1:
        span = f"{counted(min(seen))} to {counted(max(seen))}"
        said.append(f"The runs saw different numbers of images: {span}.")
    if likelihoods_differ(entries):
        stated = [
            f"{entry.name}: {next(iter(entry.evaluation.notes), 'none')}"
            for entry in entries
            if has_likelihood(entry)
        ]
        said.append(
            "Likelihoods are not ranked, because the models state different ones: "
            + "; ".join(stated)
        )
    if any(ranking.decides for ranking in rankings.values()):
        said.append(
            "Errors are those of measuring these runs. Another seed would train another model, "
            "and runs of several seeds tell how far that moves the numbers."
        )
    return said


def _disagreements(rankings: Mapping[str, Ranking], main: Mapping[str, str]) -> Iterator[str]:
    """Numbers that put other runs first than the one that an aspect is judged by."""
    for aspect, name in main.items():
        judged = rankings[name]
        others = [
            label_of(other)
            for other, ranking in rankings.items()
            if judged.decides
            and ranking.decides
            and about(other) == aspect
            and not {*ranking.leaders} & {*judged.leaders}
        ]
        if others:
            verb = "puts" if len(others) == 1 else "put"
            yield (
                f"In {aspect}, {listed(others)} {verb} other runs first than {label_of(name)} "
                "does. Look at the samples before you choose."
            )


def _of_leaders(aspect: Aspect) -> str:
    known, leaders, figures = aspect.ranking.known, aspect.ranking.leaders, aspect.figures
    best, second, *_ = known  # the next best, even where others are as good as that
    figure = f"{aspect.label} {figures[best]}".lstrip()
    if len(leaders) > 1:
        lead = f"{listed(leaders)} lead in {CALLED.get(aspect.name, aspect.name)}"
        return f"{lead}: {figure}, and cannot be told apart in that."
    says = SAYS[aspect.name][len(known) > 2]
    return f"{best} {says}: {figure} against {figures[second]} ({second})."


def _of_equals(aspect: Aspect) -> str:
    if not aspect.label:
        return f"In {CALLED.get(aspect.name, aspect.name)} there is no difference to speak of."
    known, figures = aspect.ranking.known, aspect.figures
    between = "and" if len(known) == 2 else "to"
    return (
        f"{listed(known)} cannot be told apart in {aspect.name}: {aspect.label} is "
        f"{figures[known[0]]} {between} {figures[known[-1]]}."
    )


def _of_copies(aspect: Aspect) -> str:
    ranking, figures = aspect.ranking, aspect.figures
    if not ranking.decides:
        return (
            "No run copies measurably more than another; the estimates are "
            f"{listed(sorted(set(figures.values())))}."
        )
    rest = [run for run in ranking.known if run not in ranking.leaders]
    copies = "copies" if len(rest) == 1 else "copy"
    return (
        f"{listed(rest)} {copies} more than {listed(ranking.leaders)}: {figures[rest[0]]} against "
        f"{figures[ranking.leaders[0]]} of the samples."
    )


def _ruin(entry: Entry) -> list[str]:
    """What has ruined a run; empty for one that can be used."""
    return [finding.name for finding in entry.evaluation.findings if finding.severity >= 3]
