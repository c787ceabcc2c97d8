"""What takes part in a comparison, and whether it was measured alike."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from darkroom import installation
from darkroom.evaluation.record import Evaluation, Number, Protocol
from darkroom.evaluation.wording import listed


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


def numbers_of(entries: Iterable[Entry], name: str) -> dict[str, Number]:
    """One number of every run that has it."""
    found = {
        entry.name: {**entry.evaluation.latents, **entry.evaluation.numbers}.get(name)
        for entry in entries
    }
    return {run: number for run, number in found.items() if number is not None}


def varied(entries: Sequence[Entry]) -> dict[str, dict[str, str]]:
    """The options that differ, each with its value for every run; empty where not typed."""
    options = dict.fromkeys(option for entry in entries for option in entry.overrides)
    values = {
        option: {entry.name: entry.overrides.get(option, "") for entry in entries}
        for option in options
    }
    return {option: own for option, own in values.items() if len(set(own.values())) > 1}


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


def refusals(entries: Sequence[Entry]) -> tuple[Refusal, ...]:
    """What keeps numbers from being ranked.

    The standard is the protocol that most runs share, and of equally many the one of more samples.
    """
    groups = by_protocol(entries)
    standard = max(groups, key=lambda group: (len(group), group[0].evaluation.protocol.samples))
    return tuple(_refusal(group, standard) for group in groups if group is not standard)


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
        "searched": (mine.searched, standard.searched),
        "first_seed": (mine.first_seed, standard.first_seed),
        "split": (mine.split, standard.split),
    }
    typed = [f"{option}={other}" for option, (own, other) in options.items() if own != other]
    run = shlex.quote(f"run={entry.evaluation.subject}")
    return " ".join([installation.typed("evaluate"), run, *typed])
