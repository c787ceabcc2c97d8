"""Runs side by side, compared in all that was measured."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from darkroom.comparison.aspects import QUALITIES, aspects
from darkroom.comparison.conclusion import cautions, choices, sentence
from darkroom.comparison.entries import Entry, Refusal, refusals
from darkroom.comparison.ranking import Ranking, by_copies, by_cost, by_number, judged_by


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        entries: The runs.
        refusals: Why quality and diversity are not ranked; empty if they are.
        main: The numbers that quality and diversity are judged by.
        rankings: Every number of quality, diversity and latents, by name.
        costs: Every cost, by name.
        originals: Who copies least.
        conclusion: What the numbers say, one sentence for each aspect; quality first.
        choices: What one may want, and the runs to take then; only where numbers tell runs apart.
        cautions: What a reader has to know before relying on a ranking.
    """

    entries: tuple[Entry, ...]
    refusals: tuple[Refusal, ...]
    main: Mapping[str, str]
    rankings: Mapping[str, Ranking]
    costs: Mapping[str, Ranking]
    originals: Ranking
    conclusion: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    cautions: tuple[str, ...]

    @property
    def ranked(self) -> bool:
        """Whether quality and diversity may be ranked."""
        return not self.refusals

    @property
    def order(self) -> tuple[str, ...]:
        """The runs by the number that quality is judged by; as they came where none is ranked."""
        if not self.ranked or "quality" not in self.main:
            return tuple(entry.name for entry in self.entries)
        return self.rankings[self.main["quality"]].order

    @property
    def by_name(self) -> Mapping[str, Entry]:
        return {entry.name: entry for entry in self.entries}


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
    refused = refusals(given)
    main = {aspect: name for aspect in QUALITIES if (name := judged_by(given, aspect))}
    rankings = by_number(given, ranked=not refused)
    costs = by_cost(given, ranked=not refused)
    originals = by_copies(given, ranked=not refused)
    qualities = {aspect: rankings[name] for aspect, name in main.items()}
    found = aspects(given, qualities, costs, originals)
    said = filter(None, map(sentence, found))  # of one run, nothing is said
    return Comparison(
        entries=given,
        refusals=refused,
        main=main,
        rankings=rankings,
        costs=costs,
        originals=originals,
        conclusion=tuple(said),
        choices=choices(given, found),
        cautions=tuple(cautions(given, rankings, main)),
    )
