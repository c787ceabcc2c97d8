"""What a run may be chosen for, and the number that it is judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from darkroom.comparison.entries import Entry, numbers_of
from darkroom.comparison.ranking import Ranking
from darkroom.evaluation.wording import COSTS, label_of, shown

QUALITIES = ("quality", "diversity")  # are judged by numbers of images
BY_COST = {
    "stability": "stability",
    "training": "training_seconds",
    "sampling": "sampling_images_per_second",
}


@dataclass(frozen=True)
class Aspect:
    """What runs may be chosen for.

    Attributes:
        name: quality, diversity, originality, stability, training or sampling.
        ranking: The number that it is judged by.
        figures: That number as people say it, of each run that has a place.
        label: What the number is called; empty where that needs no saying.
    """

    name: str
    ranking: Ranking
    figures: Mapping[str, str]
    label: str = ""


def aspects(
    entries: Sequence[Entry],
    qualities: Mapping[str, Ranking],
    costs: Mapping[str, Ranking],
    copies: Ranking,
) -> list[Aspect]:
    """What is known of the runs, quality first.

    Args:
        entries: The runs.
        qualities: The rankings that quality and diversity are judged by.
        costs: The rankings of all costs.
        copies: The ranking of who copies least.
    """
    rankings = dict(qualities)
    if any(entry.evaluation.originality for entry in entries):
        rankings["originality"] = copies
    rankings |= {aspect: costs[cost] for aspect, cost in BY_COST.items() if cost in costs}
    by_name = {entry.name: entry for entry in entries}
    return [
        Aspect(
            aspect,
            ranking,
            {run: _figure(aspect, ranking.name, by_name[run]) for run in ranking.known},
            label_of(ranking.name) if aspect in QUALITIES else "",
        )
        for aspect, ranking in rankings.items()
    ]


def _figure(aspect: str, name: str, entry: Entry) -> str:
    judged = entry.evaluation
    if aspect in QUALITIES:
        return shown(numbers_of([entry], name)[entry.name])
    if aspect == "originality":
        assert judged.originality is not None, "a ranked run has an audit"
        return f"{judged.originality.copied:.1%}"
    if aspect == "stability":
        return f"{judged.cost[name]:.0%}"
    return COSTS[name].shown(judged.cost[name])
