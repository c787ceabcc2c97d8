"""Images that are given as `images=`, read like the data of a run."""

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from darkroom import config
from darkroom.checkpoint import SavedRun
from darkroom.data import Folder, ImageData
from darkroom.data.datasets import PackedSet

READING = ("fit", "background", "value_range", "window", "packs")
"""Options of a run's data that given images are read with too."""


class Given(Folder):
    """Images that were given as `images=`; what cannot be read is left out and said."""

    def __init__(self, place: str, **options: Any) -> None:
        super().__init__(place, max_broken=1.0, **options)

    @property
    def origin(self) -> str:
        return f"images={self.root}"


def given(
    saved: SavedRun, place: str, limit: int | None = None, classes: bool = False
) -> PackedSet:
    """Images of a folder or .zip, read like the data of a run.

    Args:
        saved: The run.
        place: The folder or .zip.
        limit: How many at most, spread evenly.
        classes: Whether folders in it are classes.

    Raises:
        ValueError: If there are none that can be read.
    """
    path = Path(place).expanduser()
    if not path.is_dir() and not is_zipfile(path):
        raise ValueError(f"images={place} is neither a folder nor a .zip. Type one of images.")
    like: ImageData = config.build(saved.config.data)
    files = Given(
        place,
        classes=classes,
        resolution=like.resolution,
        channels=like.channels,
        limit=limit,
        **{name: saved.config.data[name] for name in READING if name in saved.config.data},
    )
    return files.read()
