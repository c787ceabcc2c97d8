"""What evaluate.py says of a generator: in the terminal, as a page and as JSON."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from markupsafe import Markup

from darkroom.comparison import (
    COSTS,
    FAMILIES,
    counted,
    family_of,
    label_of,
    main_of,
    rounded,
    shown,
)
from darkroom.curves import Curve
from darkroom.diagnosis.finding import Finding
from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.record import Evaluation, Number, Protocol
from darkroom.images import Pixels
from darkroom.reports import chart, page

GRID = 8  # images in a row
SHOWN = 64  # samples, and real images
SUSPECTS = 12  # pairs
CLASSES, STRIP = 60, 12  # rows, and samples in each
DECADES = 2  # that a curve spans before its axis is logarithmic
SEVERITY = {1: "worth knowing", 2: "costs quality", 3: "the run is lost"}
VERDICTS = {  # how those of an audit begin; the others leave it open
    "No sign of copying": "good",
    "Some samples are copies": "bad",
    "It copies its training images": "bad",
}
SHARES = {  # numbers that are a share of images, in words
    "precision": "{value} of the samples lie where real images lie; of unseen real images, "
    "{floor} do.",
    "recall": "The samples reach {value} of what real images show; unseen real images reach "
    "{floor}.",
    "coverage": "{value} of the real images have a sample close by; with unseen real images in "
    "the samples' place, {floor} do.",
}


@dataclass(frozen=True)
class Answer:
    """One of the questions that everybody has.

    Attributes:
        question: The question.
        short: A word or a number.
        sentence: The same, in full.
        state: good, bad or plain.
        picture: The number beside its floor; empty without one.
    """

    question: str
    short: str
    sentence: str
    state: str = "plain"
    picture: str = ""


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


@dataclass(frozen=True)
class Judgement:
    """Everything that evaluate.py found out.

    Attributes:
        evaluation: The numbers.
        exhibits: The pictures.
        curves: What the run has logged, by name; empty for a folder.
        command: What the run was started with, which remedies are added to.
    """

    evaluation: Evaluation
    exhibits: Exhibits
    curves: Mapping[str, Curve] = field(default_factory=dict)
    command: str = "python train.py"

    def write(self, folder: Path) -> None:
        """Writes report.html and metrics.json."""
        folder.mkdir(parents=True, exist_ok=True)
        self.evaluation.write(folder / "metrics.json")
        judged = self.evaluation
        page.write(
            folder / "report.html",
            "judgement.html",
            subject=judged.subject,
            circumstances=circumstances(judged),
            headline=self.headline,
            answers=self.answers,
            samples=page.sheet(self.exhibits.samples[:SHOWN], GRID),
            real=page.sheet(self.exhibits.real[:SHOWN], GRID),
            numbers=rows(judged.numbers),
            originality=judged.originality,
            audit=audited(judged),
            pairs=self._pairs(),
            findings=[
                (finding, SEVERITY.get(finding.severity, ""), self._remedies(finding), charts)
                for finding in judged.findings
                for charts in [self._charts_of(finding)]
            ],
            diagnosed=bool(self.curves) or bool(judged.findings),
            latents=rows(judged.latents),
            notes=judged.notes,
            reconstructions=self._reconstructions(),
            classes=self._classes(),
            left_out=max(0, len(self._class_names()) - CLASSES),
            curves=charts_of(self.curves),
            costs=costs(judged),
            protocol=protocol_facts(judged.protocol),
            checkpoint=judged.checkpoint,
        )

    def text(self) -> str:
        """For the terminal."""
        lines = [self.headline, ""]
        for answer in self.answers:
            lines += [f"  {answer.question:18}  {answer.short}", f"  {'':18}  {answer.sentence}"]
        for title, numbers in (
            ("Numbers", self.evaluation.numbers),
            ("Latents", self.evaluation.latents),
        ):
            lines += _table(title, rows(numbers))
        for note in self.evaluation.notes:
            lines.append(f"  {note}")
        for finding in self.evaluation.findings:
            severity = SEVERITY.get(finding.severity, "")
            lines += [
                "",
                f"- {finding.name} ({severity}): {finding.evidence}",
                f"  {finding.cause}",
            ]
            for command, reason in self._remedies(finding):
                lines.append(f"    {command}   # {reason}")
        return "\n".join(lines)

    @property
    def headline(self) -> str:
        """How good it is, in a sentence."""
        name, number = self._main("quality")
        if number is None:
            return "How good the samples are was not measured."
        figure = f"{label_of(name)} is {shown(number)}"
        if not _known(number.floor):
            return f"{figure}; what real images would get is not known."
        figure += f"; unseen real images get {rounded(_float(number.floor))}"
        if _at_floor(number):
            return f"By this measure the samples cannot be told from real images: {figure}."
        if number.error is None:
            return f"{figure}. How exact that is, is not known."
        return f"The samples can be told from real images: {figure}."

    @property
    def answers(self) -> list[Answer]:
        """The four questions that everybody has."""
        return [self._good(), self._diverse(), self._original(), self._wrong()]

    def _good(self) -> Answer:
        name, number = self._main("quality")
        if number is None:
            return Answer("Is it good?", "unknown", "No number of quality was measured.")
        words = [
            in_words(other, also)
            for other, also in self.evaluation.numbers.items()
            if family_of(other) == "precision" and other != name and math.isfinite(also.value)
        ]
        return self._measured("Is it good?", name, number, (words or [in_words(name, number)])[0])

    def _diverse(self) -> Answer:
        name, number = self._main("diversity")
        if number is None:
            return Answer("Is it diverse?", "unknown", "No number of diversity was measured.")
        sentence = in_words(name, number)
        for other, reached in self.evaluation.numbers.items():
            if family_of(other) == "classes_reached" and math.isfinite(reached.value):
                of = f" of {rounded(_float(reached.floor))}" if _known(reached.floor) else ""
                sentence += f" They show {rounded(reached.value)}{of} classes."
        return self._measured("Is it diverse?", name, number, sentence)

    def _measured(self, question: str, name: str, number: Number, sentence: str) -> Answer:
        state = "good" if _known(number.floor) and _at_floor(number) else "plain"
        short = f"{label_of(name).split(' (')[0]} {shown(number)}"
        return Answer(question, short, sentence, state, _picture(name, number))

    def _original(self) -> Answer:
        audit = self.evaluation.originality
        if audit is None:
            why = "There are no training images to compare the samples with."
            return Answer("Is it original?", "unknown", why)
        low, high = audit.interval
        verdict, _, reason = audit.verdict.partition(": ")
        estimate = f"Copied: {percent(audit.copied)} ({percent(low)} to {percent(high)})."
        return Answer(
            "Is it original?",
            verdict.rstrip("."),
            f"{estimate} {reason[:1].upper()}{reason[1:]}".rstrip(),
            VERDICTS.get(verdict.rstrip("."), "plain"),
        )

    def _wrong(self) -> Answer:
        found = self.evaluation.findings
        question = "What is wrong?"
        if not found:
            if not self.curves:
                return Answer(question, "unknown", "Without a training there is no diagnosis.")
            return Answer(
                question, "nothing found", "No known illness shows in its curves.", "good"
            )
        worst = max(found, key=lambda finding: finding.severity)
        more = f" And {len(found) - 1} more, below." if len(found) > 1 else ""
        state = "plain" if worst.severity < 2 else "bad"
        return Answer(question, worst.name, worst.evidence + more, state)

    def _main(self, aspect: str) -> tuple[str, Number | None]:
        judged = self.evaluation
        name = main_of(judged.numbers, aspect, judged.protocol.instrument.name)
        return (name, judged.numbers[name]) if name else ("", None)

    def _remedies(self, finding: Finding) -> list[tuple[str, str]]:
        """Commands to copy, each with its reason."""
        return [
            (f"{self.command} {shlex.quote(override)}", reason)
            for override, reason in finding.remedies.items()
        ]

    def _charts_of(self, finding: Finding) -> list[Markup]:
        return charts_of({n: self.curves[n] for n in finding.curves if n in self.curves})

    def _pairs(self) -> list[tuple[str, str]]:
        """The suspicious samples, each beside its nearest training image, with its distance."""
        pixels, audit = self.exhibits.pairs, self.evaluation.originality
        if pixels is None or audit is None:
            return []
        pairs = pixels[: 2 * SUSPECTS].unflatten(0, (-1, 2))
        return [
            (page.sheet(pair, 2), f"sample {sample} · image {image} · {rounded(distance)}")
            for pair, (sample, image, distance) in zip(pairs, audit.pairs, strict=False)
        ]

    def _reconstructions(self) -> str:
        """Rows of held-out images, each over the row of their reconstructions."""
        pixels = self.exhibits.reconstructions
        return "" if pixels is None else page.sheet(over_and_under(pixels[: 4 * GRID]), GRID)

    def _class_names(self) -> list[str]:
        return list(dict.fromkeys([*self.evaluation.classes, *self.exhibits.classes]))

    def _classes(self) -> list[tuple[str, list[tuple[str, str]], str]]:
        """Classes with their numbers and some samples."""
        shown_classes = []
        for name in self._class_names()[:CLASSES]:
            numbers = self.evaluation.classes.get(name, {})
            strip = self.exhibits.classes.get(name)
            figures = [(label_of(k), _beside_floor(number)) for k, number in numbers.items()]
            has_any = strip is not None and len(strip)
            source = page.sheet(strip[:STRIP], STRIP, 64) if strip is not None and has_any else ""
            shown_classes.append((name, figures, source))
        return shown_classes


def in_words(name: str, number: Number) -> str:
    """A number and its floor, as somebody would say them."""
    sentence = SHARES.get(family_of(name))
    if sentence is not None and _known(number.floor):
        floor = _float(number.floor)
        return sentence.format(value=percent(number.value), floor=percent(floor))
    said = f"{label_of(name)} is {shown(number)}"
    if _known(number.floor):
        said += f"; unseen real images get {rounded(_float(number.floor))}"
    return said + "."


def percent(share: float) -> str:
    """A share, with a digit more where it is small."""
    if not math.isfinite(share):
        return rounded(share)
    return f"{share:.0%}" if share == 0 or abs(share) >= 0.1 else f"{share:.1%}"


def rows(numbers: Mapping[str, Number]) -> list[Row]:
    """Numbers for a table, those of quality first, then diversity, then the others."""
    families = list(FAMILIES)

    def place(name: str) -> int:
        family = family_of(name)
        return families.index(family) if family in FAMILIES else len(families)

    return [
        Row(
            label=label_of(name),
            meaning=FAMILIES[family_of(name)].meaning if family_of(name) in FAMILIES else "",
            value=shown(numbers[name]),
            floor=rounded(_float(numbers[name].floor)) if _known(numbers[name].floor) else "",
            better=BETTER.get(numbers[name].better, ""),
            picture=_picture(name, numbers[name]),
        )
        for name in sorted(numbers, key=place)
    ]


BETTER = {"lower": "↓ lower", "higher": "↑ higher"}


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
    low, high = audit.interval
    return [
        ("Copies", f"{percent(audit.copied)} of the samples "
                   f"(95% interval {percent(low)} to {percent(high)})"),
        ("Too close to a training image", f"{percent(audit.accused)} of {audit.samples:,} samples; "
                                          f"{percent(audit.expected)} of unseen real images"),
        ("Authentic", f"{percent(audit.authentic)}; {percent(audit.authentic_floor)} of unseen "
                      "real images"),
        ("Data-copying test C_T", f"{rounded(audit.c_t)}; far below 0 means copying"),
    ]  # fmt: skip


def protocol_facts(protocol: Protocol) -> list[tuple[str, str]]:
    """How numbers were made, in full."""
    instrument = protocol.instrument
    seeds = f"seeds {protocol.first_seed} to {protocol.first_seed + protocol.samples - 1}"
    return [
        ("Features", instrument.name),
        ("Weights of the features", instrument.weights or "none"),
        ("Form", instrument.form),
        ("Samples", f"{protocol.samples:,}, {seeds}"),
        ("Compared with", f"{protocol.reference:,} images ({protocol.split.replace('_', '-')})"),
        ("Floors", f"{protocol.held_out:,} held-out images in the samples' place"),
        ("Data", protocol.data),
        ("Versions", ", ".join(f"{name} {version}" for name, version in protocol.versions.items())),
    ]


def charts_of(curves: Mapping[str, Curve]) -> list[Markup]:
    """Curves with one beginning, such as loss/, in one chart; quality and losses first."""
    groups: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        if len(curve):
            group, slash, rest = name.rpartition("/")
            groups.setdefault(group if slash else name, {})[rest if slash else name] = curve
    first = ("quality", "validation", "loss")
    order = sorted(groups, key=lambda g: first.index(g) if g in first else len(first))
    charts = []
    for group in order:
        for part in _alike(groups[group]):
            title = f"{group} / {next(iter(part))}" if len(part) == 1 else group
            named = next(iter(part)) == group
            charts.append(chart.lines(part, group if named else title, log=spans_decades(part)))
    return charts


def spans_decades(curves: Mapping[str, Curve]) -> bool:
    """Whether curves are better seen on a logarithmic axis."""
    parts = [curve.finite.values for curve in curves.values() if len(curve.finite)]
    least = min((float(part.min()) for part in parts), default=0.0)
    return least > 0 and max(float(part.max()) for part in parts) > 10**DECADES * least


def over_and_under(pixels: Pixels) -> Pixels:
    """Pairs side by side become rows of the first over rows of the second."""
    pairs = pixels.unflatten(0, (-1, 2))
    return torch.cat([row.transpose(0, 1).flatten(0, 1) for row in pairs.split(GRID)])


def _alike(curves: Mapping[str, Curve]) -> list[dict[str, Curve]]:
    """Series of one size share an axis; others would be flat beside them."""
    parts: list[tuple[float, dict[str, Curve]]] = []
    for name, curve in curves.items():
        size = float(abs(curve.finite.values).max()) if len(curve.finite) else 0.0
        for known, part in parts:
            if known and size and 1 / 20 < size / known < 20 and len(part) < chart.COLOURS:
                part[name] = curve
                break
        else:
            parts.append((size, {name: curve}))
    return [part for _, part in parts]


def _picture(name: str, number: Number) -> Markup:
    """The number beside its floor, on an axis from 0; nothing where there is nothing beside it."""
    if not math.isfinite(number.value) or number.floor is None or not _known(number.floor):
        return Markup("")
    bounds = [0.0, 1.0] if family_of(name) in SHARES else [0.0]
    errors = [number.error] if number.error is not None else []
    reach = [number.value + sign * 2 * error for error in errors for sign in (-1, 1)]
    axis = chart.Axis([*bounds, number.value, number.floor, *reach], margin=0.04)
    return chart.whisker(number, axis)


def _beside_floor(number: Number) -> str:
    floor = f" ({rounded(_float(number.floor))})" if _known(number.floor) else ""
    return shown(number) + floor


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else value


def _at_floor(number: Number) -> bool:
    """Whether chance could have made the difference between it and its floor."""
    if number.error is None or not _known(number.error):
        return False
    gain = number.value - _float(number.floor)
    return (gain if number.better == "lower" else -gain) <= 2 * number.error


def _table(title: str, numbers: Sequence[Row]) -> list[str]:
    if not numbers:
        return []
    wide = max(len(row.label) for row in numbers)
    value = max(len(row.value) for row in numbers)
    lines = ["", f"{title} (± standard error; in brackets what unseen real images get)", ""]
    for row in numbers:
        floor = f"({row.floor})" if row.floor else ""
        lines.append(f"  {row.label:{wide}}  {row.value:>{value}}  {floor:>10}  {row.better}")
    return lines
