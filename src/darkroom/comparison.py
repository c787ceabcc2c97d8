"""Runs side by side: which numbers may be ranked, and what they say together."""

import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from darkroom.evaluation.record import Evaluation, Number, Protocol

SURE = 2  # standard errors of a difference that chance seldom makes
FEW = 3  # names that a sentence can hold
ALIKE = 1.1  # factor by which what was timed must differ, since machines are not steady
RESTLESS = 2.0  # the same for a spread over a handful of points, which is itself uncertain


@dataclass(frozen=True)
class Family:
    """A kind of number, whatever features it was measured with.

    Attributes:
        label: What people call it.
        aspect: What it is about: quality, diversity, likelihood; empty where it only describes.
        meaning: One sentence for somebody who has never heard of it.
    """

    label: str
    aspect: str
    meaning: str


# the first of an aspect that all runs have is the one that it is judged by
FAMILIES: Mapping[str, Family] = {
    "kid": Family(
        "KID",
        "quality",
        "How far the samples are from real images as a whole; does not depend on their number.",
    ),
    "fd_infinity": Family(
        "FD∞",
        "quality",
        "The Fréchet distance that infinitely many samples would have: free of its bias.",
    ),
    "fd": Family(
        "Fréchet distance",
        "quality",
        "How far means and covariances of the features are apart; fewer samples make it larger.",
    ),
    "precision": Family(
        "Precision", "quality", "Share of the samples that lie where real images lie."
    ),
    "density": Family(
        "Density",
        "quality",
        "How densely real images lie around the samples; about 1 for real images.",
    ),
    "recall": Family("Recall", "diversity", "Share of the real images that lie where samples lie."),
    "coverage": Family(
        "Coverage", "diversity", "Share of the real images that have a sample close by."
    ),
    "classes_reached": Family(
        "Classes reached", "diversity", "How many classes the samples show at all."
    ),
    "class_kl": Family(
        "Class divergence",
        "diversity",
        "How much the classes of the samples differ in number from those of real images, in nats.",
    ),
    "class_tv": Family(
        "Misplaced classes",
        "diversity",
        "Share of the samples that would have to change class to be distributed as real images.",
    ),
    "bits_per_dim": Family(
        "Bits per dimension",
        "likelihood",
        "What an unseen image costs to describe, in bits for each colour of a pixel.",
    ),
    "negative_elbo": Family(
        "Negative ELBO",
        "likelihood",
        "What an unseen image costs to describe at most, in nats: the bound that was trained on.",
    ),
    "iw_bound": Family(
        "Importance-weighted bound",
        "likelihood",
        "The same by a bound that is the tighter the more samples it takes, in nats.",
    ),
    "distortion": Family(
        "Distortion", "likelihood", "What of an unseen image the latents do not say, in nats."
    ),
    "rate": Family("Rate", "likelihood", "What the latents say about an unseen image, in nats."),
    "active_units": Family(
        "Active units", "", "How many latent dimensions say anything about the image."
    ),
    "mutual_information_gap": Family(
        "Mutual information gap",
        "",
        "How far each thing that is known of the images has a latent dimension to itself.",
    ),
    "reconstruction_psnr": Family(
        "PSNR of reconstructions", "", "How exact unseen images come back, in decibels."
    ),
    "reconstruction_ssim": Family(
        "SSIM of reconstructions", "", "How alike unseen images come back; 1 is the same."
    ),
    "reconstruction_distance": Family(
        "Distance of reconstructions",
        "",
        "How far unseen images are from what comes back; 1 is as far as any two images.",
    ),
    "share": Family("Share", "", "Share of the samples that are of this class."),
}
ASPECTS = ("quality", "diversity")
SAYS = {  # a difference in an aspect, as a verb with its object
    "quality": ("gives the better images", "gives the best images"),
    "diversity": ("gives the greater variety", "gives the greatest variety"),
    "stability": (
        "trained more steadily, by the spread of its quality",
        "trained most steadily, by the spread of its quality",
    ),
    "training": ("was trained sooner", "was trained soonest"),
    "sampling": ("draws faster", "draws fastest"),
}


@dataclass(frozen=True)
class Cost:
    """A number of `Evaluation.cost`.

    Attributes:
        label: What people call it.
        better: Which way is better.
        shown: The number with its unit, for people.
    """

    label: str
    better: str
    shown: Callable[[float], str]


def rounded(value: float, error: float | None = None) -> str:
    """A number to as many digits as are known, or to three."""
    if not math.isfinite(value):
        return "—" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if error and math.isfinite(error):
        decimals = 1 - math.floor(math.log10(error))
        if 0 <= decimals <= 6:
            return f"{value:,.{decimals}f}"
        if decimals < 0:
            return f"{round(value, decimals):,.0f}"
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        whole = 0 if value == 0 else 2 - math.floor(math.log10(abs(value)))
        text = f"{value:,.{max(0, whole)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e")


def counted(value: float) -> str:
    """A large number in thousands, millions or billions: 20k, 1.2M."""
    if not math.isfinite(value):
        return rounded(value)
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{float(f'{value:.3g}') / size:g}{suffix}"
    return f"{value:.3g}"


def lasted(seconds: float) -> str:
    """A time in seconds, as people say it."""
    if not math.isfinite(seconds):
        return rounded(seconds)
    if seconds < 120:
        return f"{seconds:.3g} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


COSTS: Mapping[str, Cost] = {
    "training_seconds": Cost("Training time", "lower", lasted),
    "training_images": Cost("Images seen in training", "lower", counted),
    "training_images_per_second": Cost(
        "Training speed", "higher", lambda value: f"{counted(value)} images/s"
    ),
    "training_peak_memory_mib": Cost(
        "Peak memory in training", "lower", lambda value: f"{value:,.0f} MiB"
    ),
    "parameters": Cost("Parameters of what draws", "lower", counted),
    "trained_parameters": Cost("Parameters trained", "lower", counted),
    "flops_per_sample": Cost("FLOPs for a sample", "lower", counted),
    "flops_per_training_image": Cost("FLOPs for a training image", "lower", counted),
    "sampling_images_per_second": Cost(
        "Sampling speed", "higher", lambda value: f"{counted(value)} images/s"
    ),
    "stability": Cost("Unsteadiness of the quality", "lower", rounded),
}


def family_of(name: str) -> str:
    """What kind of number a name means: kid of kid_lite0; fd of fid; the name if it is unknown."""
    if name == "fid" or name.startswith("fid_"):  # the one with Inception features has its own name
        name = f"fd{name.removeprefix('fid')}"
    if name.endswith("_bits_per_dim"):  # the bound comes first, as in iw_bound_50_bits_per_dim
        return "bits_per_dim"
    known = [family for family in FAMILIES if name == family or name.startswith(f"{family}_")]
    return max(known, key=len, default=name)


def label_of(name: str) -> str:
    """What people call a number: KID (lite0), FID."""
    family = family_of(name)
    if family not in FAMILIES:
        return name.replace("_", " ")
    if name.startswith("fid"):
        return {"fid": "FID", "fid_infinity": "FID∞"}.get(name, name)
    if bound := name.removesuffix("bits_per_dim").rstrip("_") if family == "bits_per_dim" else "":
        return f"{FAMILIES[family].label} ({label_of(bound)})"
    features = name.removeprefix(family).removeprefix("_").replace("_", " ")
    return FAMILIES[family].label + (f" ({features})" if features else "")


def shown(number: Number) -> str:
    """A number with its error."""
    error = number.error if number.error is not None and math.isfinite(number.error) else None
    value = rounded(number.value, error)
    if error is None or not math.isfinite(number.value):
        return value
    return f"{value} ± {rounded(error, error)}"


def told_apart(a: Number, b: Number) -> bool | None:
    """Whether a is better than b beyond chance; None if they cannot be told apart."""
    errors = (a.error, b.error)
    gain = a.value - b.value if a.better == "higher" else b.value - a.value
    if a.better == "neither" or None in errors or not math.isfinite(gain):
        return None
    chance = SURE * math.hypot(*(error for error in errors if error is not None))
    return None if math.isnan(chance) or abs(gain) <= chance else gain > 0


def main_of(numbers: Mapping[str, Number], aspect: str, instrument: str = "") -> str | None:
    """The number that an aspect is judged by; None if there is none of it.

    Args:
        numbers: By name.
        aspect: quality, diversity or likelihood.
        instrument: Name of the features to prefer.
    """
    finite = [name for name, number in numbers.items() if math.isfinite(number.value)]
    for family, facts in FAMILIES.items():
        if facts.aspect == aspect:
            known = sorted(name for name in finite if family_of(name) == family)
            preferred = [name for name in known if name in ("fid", f"{family}_{instrument}")]
            if known:
                return (preferred or known)[0]
    return None


@dataclass(frozen=True)
class Entry:
    """What takes part in a comparison.

    Attributes:
        name: What it is called.
        evaluation: Its numbers.
        overrides: What was typed for it, by option.
    """

    name: str
    evaluation: Evaluation
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ranking:
    """One number of all runs.

    Attributes:
        name: The number.
        places: For each run 1 + how many are better beyond chance; None without a number, or where
            numbers may not be ranked.
        order: The runs, best value first. What has no value comes last.
    """

    name: str
    places: Mapping[str, int | None]
    order: tuple[str, ...]

    @property
    def leaders(self) -> tuple[str, ...]:
        """The runs that no other is better than; the best value first."""
        return tuple(name for name in self.order if self.places[name] == 1)

    @property
    def decides(self) -> bool:
        """Whether it tells any two runs apart."""
        return any(place is not None and place > 1 for place in self.places.values())


@dataclass(frozen=True)
class Refusal:
    """Why numbers are not ranked.

    Attributes:
        reason: What differs, in words.
        commands: What mends it; empty if nothing can.
    """

    reason: str
    commands: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.reason, *(f"Type: {command}" for command in self.commands)])


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        entries: The runs.
        refusals: Why quality and diversity are not ranked; empty if they are.
    """

    entries: tuple[Entry, ...]
    refusals: tuple[Refusal, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Entry]:
        return {entry.name: entry for entry in self.entries}

    @property
    def ranked(self) -> bool:
        """Whether quality and diversity may be ranked."""
        return not self.refusals

    @cached_property
    def likelihoods_differ(self) -> bool:
        """Whether latent models state different likelihoods, whose numbers differ in kind."""
        return len({entry.evaluation.notes for entry in self.entries if _likelihood(entry)}) > 1

    def numbers(self, name: str) -> dict[str, Number]:
        """One number of every run that has it."""
        found = {
            entry.name: {**entry.evaluation.latents, **entry.evaluation.numbers}.get(name)
            for entry in self.entries
        }
        return {run: number for run, number in found.items() if number is not None}

    @cached_property
    def main(self) -> Mapping[str, str]:
        """The numbers that quality and diversity are judged by: the first that most runs have."""
        chosen = {}
        for aspect in ASPECTS:
            names = {
                name
                for entry in self.entries
                if (name := _main(entry.evaluation, aspect)) is not None
            }
            counts = {name: len(self.numbers(name)) for name in names}
            common = [name for name in names if 2 * counts[name] > max(counts.values())]
            if common:
                families = list(FAMILIES)
                chosen[aspect] = min(common, key=lambda n: (families.index(family_of(n)), n))
        return chosen

    @cached_property
    def rankings(self) -> Mapping[str, Ranking]:
        """Every number of quality, diversity and latents, by name."""
        names = dict.fromkeys(
            name
            for group in ("numbers", "latents")
            for entry in self.entries
            for name in getattr(entry.evaluation, group)
        )
        return {name: self._ranking(name) for name in names}

    def _ranking(self, name: str) -> Ranking:
        numbers = self.numbers(name)
        likelihood = FAMILIES.get(family_of(name), Family("", "", "")).aspect == "likelihood"
        may = self.ranked and not (likelihood and self.likelihoods_differ)
        places: dict[str, int | None] = {}
        for run in self.by_name:
            mine = numbers.get(run)
            ranks = may and mine is not None and math.isfinite(mine.value)
            places[run] = None
            if ranks and mine is not None and mine.better != "neither":
                places[run] = 1 + sum(told_apart(other, mine) is True for other in numbers.values())
        values = {run: _badness(numbers[run]) for run in numbers}
        order = sorted(self.by_name, key=lambda run: values.get(run, math.inf))
        return Ranking(name, places, tuple(order))

    @cached_property
    def costs(self) -> Mapping[str, Ranking]:
        """Every cost. What was measured by a clock differs from 10% on, and a count at once.

        The unsteadiness of quality depends on the images, so it is ranked as the qualities are.
        """
        names = [
            name
            for name in {**COSTS, **{n: 0 for e in self.entries for n in e.evaluation.cost}}
            if any(name in entry.evaluation.cost for entry in self.entries)
        ]
        return {name: self._cost(name) for name in names}

    def _cost(self, name: str) -> Ranking:
        better = COSTS[name].better if name in COSTS else "neither"
        values = {
            entry.name: entry.evaluation.cost[name]
            for entry in self.entries
            if math.isfinite(entry.evaluation.cost.get(name, math.nan))
        }
        timed = name.endswith(("_seconds", "_per_second", "_mib"))
        slack = RESTLESS if name == "stability" else ALIKE if timed else 1
        may = better != "neither" and (self.ranked or name != "stability")
        places: dict[str, int | None] = {}
        for run in self.by_name:
            places[run] = None
            if may and run in values:
                beaten = [
                    other
                    for other in values.values()
                    if (
                        other > values[run] * slack
                        if better == "higher"
                        else other * slack < values[run]
                    )
                ]
                places[run] = 1 + len(beaten)
        sign = -1 if better == "higher" else 1
        order = sorted(self.by_name, key=lambda run: sign * values.get(run, sign * math.inf))
        return Ranking(name, places, tuple(order))

    @cached_property
    def originals(self) -> Ranking:
        """Who copies least. Two runs differ where their intervals do not touch."""
        low_high = {
            entry.name: entry.evaluation.originality.interval
            for entry in self.entries
            if entry.evaluation.originality is not None
            and all(map(math.isfinite, entry.evaluation.originality.interval))
        }
        places: dict[str, int | None] = dict.fromkeys(self.by_name)
        for run, (low, _) in low_high.items():
            if self.ranked:
                places[run] = 1 + sum(high < low for _, high in low_high.values())
        order = sorted(self.by_name, key=lambda run: low_high.get(run, (math.inf, math.inf))[::-1])
        return Ranking("copied", places, tuple(order))

    @property
    def order(self) -> tuple[str, ...]:
        """The runs by the number that quality is judged by; as they came where none is ranked."""
        if not self.ranked or "quality" not in self.main:
            return tuple(self.by_name)
        return self.rankings[self.main["quality"]].order

    @cached_property
    def varied(self) -> Mapping[str, Mapping[str, str]]:
        """The options that differ, each with its value for every run; empty where not typed."""
        options = dict.fromkeys(option for entry in self.entries for option in entry.overrides)
        values = {
            option: {entry.name: entry.overrides.get(option, "") for entry in self.entries}
            for option in options
        }
        return {option: own for option, own in values.items() if len(set(own.values())) > 1}

    @cached_property
    def aspects(self) -> Mapping[str, Ranking]:
        """What a run may be chosen for, each with the number that it is judged by."""
        chosen = {aspect: self.rankings[name] for aspect, name in self.main.items()}
        if any(entry.evaluation.originality for entry in self.entries):
            chosen["originality"] = self.originals
        for aspect, name in (
            ("stability", "stability"),
            ("training", "training_seconds"),
            ("sampling", "sampling_images_per_second"),
        ):
            if name in self.costs:
                chosen[aspect] = self.costs[name]
        return chosen

    @cached_property
    def conclusion(self) -> tuple[str, ...]:
        """What the numbers say, one sentence for each aspect; quality first."""
        said = [
            sentence
            for aspect, ranking in self.aspects.items()
            if (sentence := self._sentence(aspect, ranking))
        ]
        return tuple(said) if len(self.entries) > 1 else ()

    @cached_property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """What one may want, and the runs to take then; only where the numbers tell runs apart."""
        wants = {
            "quality": "the best images",
            "diversity": "the most variety",
            "originality": "the fewest copies",
            "stability": "a training that one can rely on",
            "training": "results soon",
            "sampling": "to draw many images quickly",
        }
        lost = {entry.name for entry in self.entries if _lost(entry)}
        return {
            wants[aspect]: takes
            for aspect, ranking in self.aspects.items()
            if ranking.decides
            and (takes := tuple(run for run in ranking.leaders if run not in lost))
            and len(takes) <= max(FEW, len(self.entries) // 2)  # or it is no advice
        }

    @cached_property
    def cautions(self) -> tuple[str, ...]:
        """What a reader has to know before relying on a ranking."""
        said = []
        for entry in self.entries:
            if _lost(entry):
                said.append(f"{entry.name} is lost: {listed(_lost(entry))}.")
        seen = {entry.evaluation.images_seen for entry in self.entries} - {None}
        if len(seen) > 1:
            fewest, most = (counted(bound(number for number in seen if number)) for bound in
                            (min, max))  # fmt: skip
            said.append(f"The runs saw different numbers of images: {fewest} to {most}.")
        if self.likelihoods_differ:
            said.append(
                "Likelihoods are not ranked, because the models state different ones: "
                + "; ".join(
                    f"{entry.name}: {next(iter(entry.evaluation.notes), 'none')}"
                    for entry in self.entries
                    if _likelihood(entry)
                )
            )
        if self.ranked and any(ranking.decides for ranking in self.rankings.values()):
            said.append(
                "Errors are those of measuring these runs. Another seed would train another model, "
                "and runs of several seeds tell how far that moves the numbers."
            )
        return tuple(said)

    def _sentence(self, aspect: str, ranking: Ranking) -> str:
        known = [run for run in ranking.order if ranking.places[run] is not None]
        if len(known) < 2:
            return ""
        figure = {run: self._figure(aspect, ranking.name, run) for run in known}
        best, last = known[0], known[-1]
        if not ranking.decides:
            if aspect not in ASPECTS:
                return self._same(aspect, known, figure)
            return (
                f"{listed(known)} cannot be told apart in {aspect}: {label_of(ranking.name)} is "
                f"{figure[best]}" + (f" and {figure[last]}." if len(known) == 2 else
                                     f" to {figure[last]}.")
            )  # fmt: skip
        leaders = ranking.leaders
        if aspect == "originality":
            rest = [run for run in known if run not in leaders]
            copies = "copies" if len(rest) == 1 else "copy"
            return (
                f"{listed(rest)} {copies} more than {listed(leaders)}: {figure[rest[0]]} against "
                f"{figure[leaders[0]]} of the samples."
            )
        says = SAYS[aspect][len(known) > 2]
        label = f"{label_of(ranking.name)} " if aspect in ASPECTS else ""
        if len(leaders) > 1:
            tail = "and cannot be told apart in that"
            return f"{listed(leaders)} lead in {_what(aspect)}: {label}{figure[best]}, {tail}."
        second = known[1]  # the next best, even where others are as good as that
        return f"{best} {says}: {label}{figure[best]} against {figure[second]} ({second})."

    def _same(self, aspect: str, known: Sequence[str], figure: Mapping[str, str]) -> str:
        if aspect == "originality":
            return (
                "No run copies measurably more than another; the estimates are "
                f"{listed(sorted(set(figure.values())))}."
            )
        return f"In {_what(aspect)} there is no difference to speak of."

    def _figure(self, aspect: str, name: str, run: str) -> str:
        evaluation = self.by_name[run].evaluation
        if aspect in ASPECTS:
            return shown(self.numbers(name)[run])
        if aspect == "originality":
            audit = evaluation.originality
            assert audit is not None, "a ranked run has an audit"
            return f"{audit.copied:.1%}"
        if aspect == "stability":
            return f"{evaluation.cost[name]:.0%}"
        return COSTS[name].shown(evaluation.cost[name])


def compare(entries: Iterable[Entry]) -> Comparison:
    """Puts runs side by side.

    Raises:
        ValueError: If there is nothing to compare, or two entries have one name.
    """
    given = tuple(entries)
    if not given:
        raise ValueError("There is nothing to compare. Type runs=[<one>,<another>].")
    names = [entry.name for entry in given]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"runs: {', '.join(twice)} is given twice. Name each run once.")
    return Comparison(given, tuple(_refusals(given)))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; of many the first, and how many more."""
    few = list(names) if len(names) <= FEW + 1 else [*names[:FEW], f"{len(names) - FEW} others"]
    return few[0] if len(few) == 1 else f"{', '.join(few[:-1])} and {few[-1]}"


def by_protocol(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The runs in groups that were measured alike."""
    groups: list[list[Entry]] = []
    for entry in entries:
        for group in groups:
            if not entry.evaluation.protocol.differences(group[0].evaluation.protocol):
                group.append(entry)
                break
        else:
            groups.append([entry])
    return groups


def _refusals(entries: Sequence[Entry]) -> Iterable[Refusal]:
    """What keeps numbers from being ranked.

    The standard is the protocol that most runs share, and of equally many the one of more samples.
    """
    groups = by_protocol(entries)
    standard = max(groups, key=lambda group: (len(group), group[0].evaluation.protocol.samples))
    for group in groups:
        if group is not standard:
            yield _refusal(group, standard)


def _refusal(group: Sequence[Entry], standard: Sequence[Entry]) -> Refusal:
    mine, theirs = (part[0].evaluation.protocol for part in (group, standard))
    names, others = (listed([entry.name for entry in part]) for part in (group, standard))
    said = (
        f"The numbers of {names} and {others} were made differently "
        f"({'; '.join(mine.differences(theirs))})."
    )
    if mine.data != theirs.data:
        lack = "They were held against different images, so that nothing can mend it."
        return Refusal(f"{said} {lack}")
    again = [*group, *standard] if mine.versions != theirs.versions else group
    return Refusal(said, tuple(_mend(entry, entry.evaluation.protocol, theirs) for entry in again))


def _mend(entry: Entry, mine: Protocol, standard: Protocol) -> str:
    """The command that judges a run under another protocol."""
    options = {
        "features": (mine.instrument.name, standard.instrument.name),
        "samples": (mine.samples, standard.samples),
        "real": (max(mine.reference, mine.held_out), max(standard.reference, standard.held_out)),
        "first_seed": (mine.first_seed, standard.first_seed),
        "split": (mine.split, standard.split),
    }
    typed = [f"{option}={other}" for option, (own, other) in options.items() if own != other]
    run = shlex.quote(f"run={entry.evaluation.subject}")
    return " ".join(["python evaluate.py", run, *typed])


def _main(evaluation: Evaluation, aspect: str) -> str | None:
    return main_of(evaluation.numbers, aspect, evaluation.protocol.instrument.name)


def _likelihood(entry: Entry) -> bool:
    """Whether it has a number that depends on what likelihood its model states."""
    families = {family_of(name) for name in entry.evaluation.latents}
    return any(FAMILIES[name].aspect == "likelihood" for name in families & FAMILIES.keys())


def _lost(entry: Entry) -> list[str]:
    """What has ruined a run; empty for one that can be used."""
    return [finding.name for finding in entry.evaluation.findings if finding.severity >= 3]


def _badness(number: Number) -> float:
    if not math.isfinite(number.value):
        return math.inf
    return -number.value if number.better == "higher" else number.value


def _what(aspect: str) -> str:
    return {"training": "training time", "sampling": "sampling speed"}.get(aspect, aspect)
