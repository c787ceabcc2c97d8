"""Which run is better in one number, as far as chance does not explain the difference."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from darkroom.comparison.entries import Entry, numbers_of
from darkroom.evaluation.record import Number
from darkroom.evaluation.wording import COSTS, about, main_of, reading_order

SURE = 2  # standard errors of a difference that chance seldom makes
ALIKE = 1.1  # factor by which what was timed must differ, since machines are not steady
RESTLESS = 2.0  # the same for a spread over a handful of points, which is itself uncertain


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
    def known(self) -> tuple[str, ...]:
        """The runs that have a place; the best value first."""
        return tuple(name for name in self.order if self.places[name] is not None)

    @property
    def leaders(self) -> tuple[str, ...]:
        """The runs that no other is better than; the best value first."""
        return tuple(name for name in self.order if self.places[name] == 1)

    @property
    def decides(self) -> bool:
        """Whether it tells any two runs apart."""
        return any(place is not None and place > 1 for place in self.places.values())


def told_apart(a: Number, b: Number) -> bool | None:
    """Whether a is better than b beyond chance; None if they cannot be told apart."""
    errors = (a.error, b.error)
    gain = a.value - b.value if a.better == "higher" else b.value - a.value
    if a.better == "neither" or None in errors or not math.isfinite(gain):
        return None
    chance = SURE * math.hypot(*(error for error in errors if error is not None))
    return None if math.isnan(chance) or abs(gain) <= chance else gain > 0


def judged_by(entries: Sequence[Entry], aspect: str) -> str | None:
    """The number that an aspect of runs is judged by: the first that most of them have."""
    found = {
        main_of(judged.numbers, aspect, judged.protocol.instrument.name)
        for judged in (entry.evaluation for entry in entries)
    }
    counts = {name: len(numbers_of(entries, name)) for name in found if name is not None}
    common = [name for name in counts if 2 * counts[name] > max(counts.values())]
    return min(common, key=lambda name: (reading_order(name), name), default=None)


def by_number(entries: Sequence[Entry], ranked: bool) -> dict[str, Ranking]:
    """Every number of quality, diversity and latents.

    Args:
        entries: The runs.
        ranked: Whether they were measured alike, so that there are places.
    """
    names = dict.fromkeys(
        name
        for group in ("numbers", "latents")
        for entry in entries
        for name in getattr(entry.evaluation, group)
    )
    alike = ranked and not likelihoods_differ(entries)
    return {
        name: _of_numbers(name, entries, alike if about(name) == "likelihood" else ranked)
        for name in names
    }


def by_cost(entries: Sequence[Entry], ranked: bool) -> dict[str, Ranking]:
    """Every cost. What was measured by a clock differs from 10% on, and a count at once.

    The unsteadiness of quality depends on the images, so it is ranked as the qualities are.
    """
    known = dict.fromkeys(name for entry in entries for name in entry.evaluation.cost)
    return {
        name: _of_costs(name, entries, ranked or name != "stability")
        for name in {**dict.fromkeys(COSTS), **known}
        if name in known
    }


def by_copies(entries: Sequence[Entry], ranked: bool) -> Ranking:
    """Who copies least. Two runs differ where their intervals do not touch."""
    intervals = {
        entry.name: audit.interval
        for entry in entries
        if (audit := entry.evaluation.originality) is not None
        and all(map(math.isfinite, audit.interval))
    }

    def beats(other: str, run: str) -> bool:
        return intervals[other][1] < intervals[run][0]

    worst = math.inf, math.inf
    order = sorted(_names(entries), key=lambda run: intervals.get(run, worst)[::-1])
    places = _places(entries, intervals if ranked else (), beats)
    return Ranking("copied", places, tuple(order))


def likelihoods_differ(entries: Iterable[Entry]) -> bool:
    """Whether latent models state different likelihoods, whose numbers differ in kind."""
    return len({entry.evaluation.notes for entry in entries if has_likelihood(entry)}) > 1


def has_likelihood(entry: Entry) -> bool:
    """Whether it has a number that depends on what likelihood its model states."""
    return any(about(name) == "likelihood" for name in entry.evaluation.latents)


def _of_numbers(name: str, entries: Sequence[Entry], ranked: bool) -> Ranking:
    numbers = numbers_of(entries, name)
    badness = {run: _badness(number) for run, number in numbers.items()}
    order = sorted(_names(entries), key=lambda run: badness.get(run, math.inf))
    comparable = [
        run
        for run, number in numbers.items()
        if ranked and number.better != "neither" and math.isfinite(number.value)
    ]

    def beats(other: str, run: str) -> bool:
        return told_apart(numbers[other], numbers[run]) is True

    return Ranking(name, _places(entries, comparable, beats), tuple(order))


def _of_costs(name: str, entries: Sequence[Entry], ranked: bool) -> Ranking:
    better = COSTS[name].better if name in COSTS else "neither"
    values = {
        entry.name: entry.evaluation.cost[name]
        for entry in entries
        if math.isfinite(entry.evaluation.cost.get(name, math.nan))
    }
    timed = name.endswith(("_seconds", "_per_second", "_mib"))
    slack = RESTLESS if name == "stability" else ALIKE if timed else 1

    def beats(other: str, run: str) -> bool:
        if better == "higher":
            return values[other] > values[run] * slack
        return values[other] * slack < values[run]

    sign = -1 if better == "higher" else 1
    order = sorted(_names(entries), key=lambda run: sign * values.get(run, sign * math.inf))
    places = _places(entries, values if ranked and better != "neither" else (), beats)
    return Ranking(name, places, tuple(order))


def _places(
    entries: Sequence[Entry], comparable: Iterable[str], beats: Callable[[str, str], bool]
) -> dict[str, int | None]:
    """A place for each run that is comparable: 1 + how many of these beat it."""
    runs = list(comparable)
    places: dict[str, int | None] = dict.fromkeys(_names(entries))
    return places | {run: 1 + sum(beats(other, run) for other in runs) for run in runs}


def _names(entries: Iterable[Entry]) -> list[str]:
    return [entry.name for entry in entries]


def _badness(number: Number) -> float:
    if not math.isfinite(number.value):
        return math.inf
    return -number.value if number.better == "higher" else number.value
