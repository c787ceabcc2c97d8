"""What evaluate.py says of a generator: in the terminal, as a page and as JSON."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from markupsafe import Markup

from darkroom import installation
from darkroom.curves import Curve
from darkroom.diagnosis.finding import Finding
from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.record import Evaluation
from darkroom.evaluation.wording import label_of, rounded
from darkroom.images import Pixels
from darkroom.reports import floor, page
from darkroom.reports.answers import Answer, answers, headline
from darkroom.reports.logged import charts_of
from darkroom.reports.tables import as_text, audited, circumstances, costs, protocol_facts, rows

GRID = 8  # images in a row
SHOWN = 64  # samples, and real images
SUSPECTS = 12  # pairs
CLASSES, STRIP = 60, 12  # rows, and samples in each
SEVERITY = {1: "worth knowing", 2: "costs quality", 3: "the run is lost"}


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
    command: str = installation.typed("train")

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
            lines += as_text(title, numbers)
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
        return headline(self.evaluation)

    @property
    def answers(self) -> list[Answer]:
        """The four questions that everybody has."""
        return answers(self.evaluation, diagnosed=bool(self.curves))

    def _remedies(self, finding: Finding) -> list[tuple[str, str]]:
        """Commands to copy, each with its reason; an option stands in them once."""
        commands = []
        for override, reason in finding.remedies.items():
            option = override.partition("=")[0]
            typed = shlex.split(self.command)
            kept = [word for word in typed if word.partition("=")[0] != option]
            commands.append((shlex.join([*kept, override]), reason))
        return commands

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
            figures = [(label_of(k), floor.in_brackets(number)) for k, number in numbers.items()]
            has_any = strip is not None and len(strip)
            source = page.sheet(strip[:STRIP], STRIP, 64) if strip is not None and has_any else ""
            shown_classes.append((name, figures, source))
        return shown_classes


def over_and_under(pixels: Pixels) -> Pixels:
    """Pairs side by side become rows of the first over rows of the second."""
    pairs = pixels.unflatten(0, (-1, 2))
    return torch.cat([row.transpose(0, 1).flatten(0, 1) for row in pairs.split(GRID)])
