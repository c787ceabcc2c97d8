"""What prepare.py finds in images of a test, and what it might have found."""

from pathlib import Path
from typing import Any

from darkroom.data import Folder
from darkroom.data.datasets import PackedSet
from darkroom.data.division import divide
from darkroom.inspection import Inspection, Mirror, inspect
from darkroom.intake.labelling import Labelling


def folder(root: Path, **options: Any) -> Folder:
    """A folder's data module, 16x16 RGB unless told otherwise; its packs lie beside the folder."""
    settled = {"resolution": 16, "channels": 3, "packs": str(root.parent / "packs"), "workers": 1}
    return Folder(str(root), **{**settled, "max_broken": 0.9, **options})


def inspected(root: Path, **options: Any) -> tuple[Inspection, PackedSet, Folder]:
    data = folder(root, **options)
    images = data.read()
    parts = divide(len(images), data.validation, data.split_seed, images.splits, images.groups)
    return inspect(images, parts, data.left_out, data.listing.ignored), images, data


def labelling_of(data: Folder) -> Labelling:
    return data.described([entry.name for entry in data.listing.entries])


def found(**facts: Any) -> Inspection:
    """Many harmless images, but for some facts."""
    usual: dict[str, Any] = {
        "images": 10_000,
        "shape": (3, 32, 32),
        "sizes": [(32, 32)],
        "modes": {"PNG RGB": 10_000},
        "classes": {},
        "splits": {"training": 9_000, "held out": 1_000, "test": 0},
        "given_split": False,
        "broken": {},
        "ignored": {},
        "identical": [],
        "similar": [],
        "leaks": [],
        "flat": [],
        "shallow": [],
        "deep": 0,
        "animated": [],
        "coloured": 1.0,
        "alpha": 0.0,
        "lost": 0.0,
        "enlarged": 0.0,
        "block": 1,
        "mirror": Mirror(1.0, 0.0, 0.1),
    }
    return Inspection(**usual | facts)
