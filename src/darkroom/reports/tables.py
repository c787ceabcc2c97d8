"""An evaluation as tables: numbers, circumstances, costs, the audit and the protocol."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from darkroom.evaluation.record import Evaluation, Number, Protocol
from darkroom.evaluation.wording import (
    COSTS,
    FAMILIES,
    counted,
    family_of,
    interval,
    label_of,
    percent,
    reading_order,
    rounded,
    shown,
)
from darkroom.reports import floor

BETTER = {"lower": "↓ lower", "higher": "↑ higher"}


@dataclass(frozen=True)
class Row:
    """A number in a table.

    Attributes:
        label: What people call it.
        meaning: What it means.
        value: The number and its error.
        floor: What unseen real images get.
        better: Which way is better, in words.
        picture: The number beside its floor.
    """

    label: str
    meaning: str
    value: str
    floor: str
    better: str
    picture: Markup


def rows(numbers: Mapping[str, Number]) -> list[Row]:
    """Numbers for a table, those of quality first, then diversity, then the others."""
    return [_row(name, numbers[name]) for name in sorted(numbers, key=reading_order)]


def _row(name: str, number: Number) -> Row:
    family, real = FAMILIES.get(family_of(name)), floor.known(number)
    return Row(
        label=label_of(name),
        meaning=family.meaning if family else "",
        value=shown(number),
        floor="" if real is None else rounded(real),
        better=BETTER.get(number.better, ""),
        picture=floor.picture(name, number),
    )


def as_text(title: str, numbers: Mapping[str, Number]) -> list[str]:
    """The same for the terminal, line by line; nothing without numbers."""
    if not numbers:
        return []
    table = rows(numbers)
    wide = max(len(row.label) for row in table)
    value = max(len(row.value) for row in table)
    lines = ["", f"{title} (± standard error; in brackets what unseen real images get)", ""]
    for row in table:
        real = f"({row.floor})" if row.floor else ""
        lines.append(f"  {row.label:{wide}}  {row.value:>{value}}  {real:>10}  {row.better}")
    return lines


def circumstances(judged: Evaluation) -> str:
    """What was judged, in a line."""
    protocol = judged.protocol
    seen = "" if judged.images_seen is None else f"after {counted(judged.images_seen)} images · "
    return (
        f"{seen}{protocol.samples:,} samples against {protocol.reference:,} images "
        f"({protocol.split.replace('_', '-')}) · features: {protocol.instrument.name}"
    )


def costs(judged: Evaluation) -> list[tuple[str, str]]:
    """What a run has cost, for people."""
    known = [name for name in COSTS if name in judged.cost]
    named = [(COSTS[name].label, COSTS[name].shown(judged.cost[name])) for name in known]
    others = [name for name in judged.cost if name not in COSTS]
    return named + [(name.replace("_", " "), rounded(judged.cost[name])) for name in others]


def audited(judged: Evaluation) -> list[tuple[str, str]]:
    """The audit of originality, number by number."""
    audit = judged.originality
    if audit is None:
        return []
    accused, expected = percent(audit.accused), percent(audit.expected)
    authentic, usual = percent(audit.authentic), percent(audit.authentic_floor)
    between = interval(*audit.interval)
    return [
        ("Seen as", audit.features or "features"),
        ("Copies", f"{percent(audit.copied)} of the samples (95% interval {between})"),
        (
            "Too close to a training image",
            f"{accused} of {audit.samples:,} samples; {expected} of unseen real images",
        ),
        ("Authentic", f"{authentic}; {usual} of unseen real images"),
        ("Data-copying test C_T", f"{rounded(audit.c_t)}; far below 0 means copying"),
    ]


def protocol_facts(protocol: Protocol) -> list[tuple[str, str]]:
    """How numbers were made, in full."""
    instrument = protocol.instrument
    first = protocol.first_seed
    seeds = "" if first is None else f", seeds {first} to {first + protocol.samples - 1}"
    return [
        ("Features", instrument.name),
        ("Weights of the features", instrument.weights or "none"),
        ("Form", instrument.form),
        ("Samples", f"{protocol.samples:,}{seeds}"),
        ("Compared with", f"{protocol.reference:,} images ({protocol.split.replace('_', '-')})"),
        ("Searched for copies", f"{protocol.searched:,} training images"),
        ("Floors", f"{protocol.held_out:,} held-out images in the samples' place"),
        ("Data", protocol.data),
        ("Versions", ", ".join(f"{name} {version}" for name, version in protocol.versions.items())),
    ]
