"""What prepare.py says of a set of images: in the terminal, as a page, as JSON and as a table."""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from darkroom.advice import Advice
from darkroom.data.datasets import PackedSet
from darkroom.findings import Finding
from darkroom.inspection import Inspection
from darkroom.intake.labelling import Labelling
from darkroom.probe import Estimate
from darkroom.reports import page

ROW = 12  # images of a class on the contact sheet
GROUPS, MEMBERS = 8, 6  # of a finding that are shown


@dataclass(frozen=True)
class Preparation:
    """Everything that prepare.py found out.

    Attributes:
        origin: What the images come from.
        images: The set.
        inspection: What was found in it.
        findings: What of it is worth a word.
        advice: The command to type.
        estimate: How long that would take; or why it would not run.
    """

    origin: str
    images: PackedSet
    inspection: Inspection
    findings: Sequence[Finding]
    advice: Advice
    estimate: Estimate | str

    def write(self, folder: Path) -> None:
        """Writes report.html and report.json."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "origin": self.origin,
            "inspection": asdict(self.inspection) | {"sizes": self._sizes()},
            "findings": [asdict(finding) for finding in self.findings],
            "advice": asdict(self.advice) | {"command": self.advice.command},
            "estimate": self.estimate if isinstance(self.estimate, str) else asdict(self.estimate),
        }
        (folder / "report.json").write_text(json.dumps(facts, indent=2) + "\n")
        page.write(
            folder / "report.html",
            "preparation.html",
            origin=self.origin,
            facts=self._facts(),
            findings=[(finding, self._pictures(finding)) for finding in self.findings],
            classes=self._bars(),
            sheets=self._sheets(),
            broken=list(self.inspection.broken.items()),
            advice=self.advice,
            estimate=str(self.estimate),
        )

    def text(self) -> str:
        """For the terminal."""
        width = max(len(name) for name, _ in self._facts())
        lines = [f"  {name:{width}}  {value}" for name, value in self._facts()]
        for finding in self.findings:
            lines += ["", f"- {finding.what}", f"  {finding.remedy}"]
        lines += ["", "Recommended:", "", f"  {self.advice.command}", ""]
        why = max(map(len, self.advice.reasons), default=0)
        lines += [f"  {override:{why}}  {text}" for override, text in self.advice.reasons.items()]
        return "\n".join([*lines, "", f"  {self.estimate}"])

    def _facts(self) -> list[tuple[str, str]]:
        found = self.inspection
        channels, height, width = found.shape
        colour = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}[channels]
        parts = ", ".join(f"{count:,} {name}" for name, count in found.splits.items() if count)
        sizes = ", ".join(f"{count:,} of {size}" for size, count in list(self._sizes().items())[:4])
        more = len(self._sizes()) - 4
        mirror = "too few images to tell"
        if found.mirror:
            can = "cannot" if found.mirror.harmless else "can"
            mirror = f"{can} be told from the others ({found.mirror})"
        return [
            ("from", self.origin),
            (
                "images",
                f"{found.images:,} ({parts}; {'your' if found.given_split else 'a random'} split)",
            ),
            ("packed as", f"{width}x{height} {colour}"),
            ("sizes", sizes + (f" and {more} other sizes" if more > 0 else "")),
            ("kinds", ", ".join(f"{count:,} {mode}" for mode, count in found.modes.items())),
            ("classes", f"{len(found.classes)}" if found.classes else "none"),
            ("colours", f"{found.coloured:.0%} of the images"),
            ("transparency", f"{found.alpha:.0%} of the images"),
            ("mirrored", mirror),
            (
                "left out",
                ", ".join(
                    [f"{len(found.broken)} broken"]
                    + [
                        f"{count} {suffix or 'without ending'}"
                        for suffix, count in found.ignored.items()
                    ]
                ),
            ),
        ]

    def _sizes(self) -> dict[str, int]:
        counted = Counter(f"{width}x{height}" for height, width in self.inspection.sizes)
        return dict(counted.most_common())

    def _bars(self) -> list[tuple[str, int, float]]:
        """Classes with their numbers, and these as percentages of the largest."""
        classes = self.inspection.classes
        most = max(classes.values(), default=1)
        return [(name, count, 100 * count / most) for name, count in classes.items()]

    def _sheets(self) -> list[tuple[str, str]]:
        """A row of images for each class, spread evenly over its files; or some rows of all."""
        names = self.images.class_names
        if not names:
            return [("", self._picture(_spread(torch.arange(len(self.images)), 5 * ROW)))]
        labels = self.images.labels
        rows = [_spread((labels == k).nonzero().flatten(), ROW) for k in range(len(names))]
        return [
            (name, self._picture(row)) for name, row in zip(names, rows, strict=True) if len(row)
        ]

    def _pictures(self, finding: Finding) -> list[tuple[str, list[str]]]:
        """Some of a finding's groups, as pictures with the names below."""
        places = {name: place for place, name in enumerate(self.images.names)}
        shown = []
        for group in finding.files[:GROUPS]:
            known = [places[name] for name in group[:MEMBERS] if name in places]
            if known:
                shown.append((self._picture(torch.tensor(known)), list(group[:MEMBERS])))
        return shown

    def _picture(self, places: torch.Tensor) -> str:
        return page.sheet(self.images.pixels_at(places), ROW)


def write_table(
    path: Path,
    images: PackedSet,
    found: Inspection,
    known: Labelling,
    broken: Mapping[str, str],
) -> None:
    """A CSV that `data.table` takes: the files with class, split and group, to be edited at will.

    Where the user made no groups, near-duplicates are one.

    Args:
        path: The table.
        images: The set.
        found: What was found in it.
        known: Classes, splits and groups of all files.
        broken: Files that cannot be read, and why. They are listed, so that they count once they
            are mended.
    """
    group_of = {name: f"alike-{k}" for k, group in enumerate(found.similar) for name in group}
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "split", "group", "width", "height", "error"])
        hashes = images.hashes()
        for place, name in enumerate(images.names):
            height, width = found.sizes[place]
            group = images.groups[place]  # the hash of its pixels, where the user named none
            rows.writerow(
                [
                    name,
                    images.class_names[images.labels[place]] if images.class_names else "",
                    images.splits[place] or "",
                    group_of.get(name, "") if group == hashes[place] else group,
                    width,
                    height,
                    "",
                ]
            )
        place_of = {name: place for place, name in enumerate(known.names)}
        for name, why in broken.items():
            place = place_of[name]
            label = known.class_names[known.labels[place]] if known.class_names else ""
            split, group = known.splits[place] or "", known.groups[place] or ""
            rows.writerow([name, label, split, group, "", "", why])


def _spread(places: torch.Tensor, most: int) -> torch.Tensor:
    count = min(most, len(places))
    return places[torch.arange(count) * len(places) // max(count, 1)]
