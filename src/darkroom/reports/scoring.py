"""What score.py says of images: in the terminal and as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from darkroom.curves import Curve
from darkroom.evaluation.anomaly import Detection
from darkroom.images import Pixels
from darkroom.reports import chart, page

MEANING = {
    "bound": "the whole bound of an image, in nats",
    "distortion": "what of it the latents do not say, in nats",
    "rate": "how far its latents are from the usual ones, in nats",
    "complexity": "its size as a PNG file, in bits: knows no model",
    "excess": "what the bound takes more than the PNG file, in bits",
}
WARNING = (
    "A score says what looks unusual to this model, and not what is ill. Smooth, dark or flat "
    "images often get low ones even where the model has never seen their like (Nalisnick et al. "
    "2019, arXiv 1810.09136)."
)


@dataclass(frozen=True)
class Ranked:
    """Images of one end of a ranking.

    Attributes:
        pixels: The images, each followed by its reconstruction.
        captions: What to write below each pair.
    """

    pixels: Pixels
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Scoring:
    """Everything that score.py found out.

    Attributes:
        subject: The checkpoint.
        images_seen: How long the model had trained.
        scored: What was scored, in words.
        number: How many images.
        by: What they are ranked by.
        bound_name: What the bound is called elsewhere.
        note: What the likelihood's nats mean.
        normal: The class that is normal, if the images tell.
        found: How well each score finds the other classes; empty where they do not tell.
        most: The most unusual images.
        least: The least unusual ones.
    """

    subject: str
    images_seen: int
    scored: str
    number: int
    by: str
    bound_name: str
    note: str
    normal: str | None
    found: Mapping[str, Detection]
    most: Ranked
    least: Ranked

    def write(self, path: Path) -> None:
        """Writes the page."""
        page.write(
            path,
            "scoring.html",
            scored=self.scored,
            circumstances=self.circumstances,
            lead=f"Ranked by {self.by}: {MEANING[self.by]}.",
            rows=self._rows(),
            normal=self.normal,
            yardstick=self.yardstick,
            curves=self._curves(),
            ends=[
                ("The most unusual, each beside its reconstruction", _pairs(self.most)),
                ("The least unusual", _pairs(self.least)),
            ],
            notes=[WARNING, self.note],
        )

    def text(self) -> str:
        """For the terminal."""
        lines = [f"{self.scored}: {self.circumstances}", f"ranked by {self.by}: {MEANING[self.by]}"]
        if self.found:
            lines += ["", f"How well scores find what is not {self.normal}", ""]
            lines += [
                f"  {name:10}  AUROC {auroc}  average precision {precision}"
                for name, _, auroc, precision in self._rows()
            ]
            lines += ["", self.yardstick]
        if self.most.captions:
            lines += ["", "The most unusual", ""]
            lines += [f"  {caption}" for caption in self.most.captions[:5]]
        return "\n".join([*lines, "", WARNING])

    @property
    def circumstances(self) -> str:
        """What was done, in a line."""
        return (
            f"{self.number:,} images, by {self.subject} after {self.images_seen:,} images; the "
            f"bound is {self.bound_name}"
        )

    @property
    def yardstick(self) -> str:
        """What is known without any model, in a sentence; empty where no class is normal."""
        if not self.found:
            return ""
        auroc = self.found["complexity"].auroc.value
        kind, reached = ("large", auroc) if auroc >= 0.5 else ("small", 1 - auroc)
        return (
            f"Without a model, to take {kind} PNG files for the others has an AUROC of "
            f"{reached:.3f}: a score that is no better has learned nothing that helps."
        )

    def _rows(self) -> list[tuple[str, str, str, str]]:
        """Each score with its meaning, its AUROC and its average precision."""
        rows = []
        for name, found in self.found.items():
            low, high = found.interval
            chance = found.average_precision.floor or 0.0
            rows.append(
                (
                    name,
                    MEANING[name],
                    f"{found.auroc.value:.3f} (95% interval {low:.3f} to {high:.3f})",
                    f"{found.average_precision.value:.3f} (by chance {chance:.3f})",
                )
            )
        return rows

    def _curves(self) -> Markup:
        """Receiver operating characteristics, in percent."""
        if not self.found:
            return Markup("")
        false = np.arange(101)
        curves = {name: Curve(false, 100 * d.true_positives) for name, d in self.found.items()}
        return chart.lines(
            curves,
            f"% of the others that are found, by % of {self.normal} that are false alarms",
            large=True,
        )


def _pairs(ranked: Ranked) -> list[tuple[str, str]]:
    pairs = ranked.pixels.unflatten(0, (-1, 2))
    return [
        (page.sheet(pair, 2), words) for pair, words in zip(pairs, ranked.captions, strict=True)
    ]
