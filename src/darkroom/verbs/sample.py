"""sample.py: images of a trained model."""

from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from omegaconf import DictConfig

from darkroom import checkpoint, config
from darkroom.checkpoint import SavedRun
from darkroom.data import Folder, ImageData
from darkroom.images import Pixels, save_png, tile, visible_scale
from darkroom.sampling import Inversion, Reconstruction, Sheet
from darkroom.verbs.device import device_of

READING = ("fit", "background", "value_range", "window", "packs")
"""Options of a run's data that given images are read with too."""


class Given(Folder):
    """Images that were given as `images=`; what cannot be read is left out and said."""

    def __init__(self, place: str, **options: Any) -> None:
        super().__init__(place, classes=False, max_broken=1.0, **options)

    @property
    def origin(self) -> str:
        return f"images={self.root}"


def sample(composed: DictConfig) -> None:
    """Draws images of a run, as a grid and one by one.

    Args:
        composed: A checked sample config.

    Raises:
        ValueError: If it cannot be drawn, with what to type instead.
    """
    if composed.batch_size < 1:
        raise ValueError(f"batch_size={composed.batch_size}: type a number from 1 on, such as 64.")
    saved = checkpoint.load(composed.run, composed.checkpoint)
    saved.system.to(device_of(composed.device))

    def held_out(n: int) -> Pixels:
        return _held_out(saved, n) if composed.images is None else _given(saved, composed.images, n)

    composed.label = _number_of(composed.label, list(saved.config.class_names))
    draw = config.build(composed.draw)
    if composed.images is not None and not isinstance(draw, Inversion | Reconstruction):
        raise ValueError(
            f"images={composed.images}: this drawing looks at no images. Type draw=inversion or "
            "draw=reconstruction, or leave images out."
        )
    sheet: Sheet = draw(saved.system, held_out, composed.batch_size)
    name = type(draw).__name__.lower()
    folder = Path(
        composed.folder or saved.path.parents[1] / "drawn" / f"{name}-{saved.images_seen:010d}"
    )
    for pixels, image_name in zip(sheet.pixels, sheet.names, strict=True):
        save_png(pixels, folder / f"{image_name}.png")
    grid = tile(sheet.pixels, sheet.columns, visible_scale(sheet.pixels.shape[2]))
    save_png(grid, folder / "grid.png")
    if sheet.found is not None:
        sheet.found.write(folder)
    print(
        f"{len(sheet.pixels)} images of {saved.path} in {folder}, together in {folder / 'grid.png'}"
        + (f"\n{sheet.note}" if sheet.note else "")
    )


def _held_out(saved: SavedRun, n: int) -> Pixels:
    """At most n images of a run's data that it was not trained on."""
    data: ImageData = config.build(saved.config.data)
    data.setup()
    return data.held_out.some(n)


def _given(saved: SavedRun, place: str, n: int) -> Pixels:
    """At most n images of a folder or .zip, read like the data of a run.

    Raises:
        ValueError: If there are none that can be read.
    """
    path = Path(place).expanduser()
    if not path.is_dir() and not is_zipfile(path):
        raise ValueError(f"images={place} is neither a folder nor a .zip. Type one of images.")
    like: ImageData = config.build(saved.config.data)
    files = Given(
        place,
        resolution=like.resolution,
        channels=like.channels,
        limit=n,
        **{name: saved.config.data[name] for name in READING if name in saved.config.data},
    )
    return files.read().some(n)


def _number_of(label: int | str | None, names: list[str]) -> int | None:
    """The class that a user means, by its name or its number.

    Raises:
        ValueError: If no class has the name.
    """
    if label is None or isinstance(label, int):
        return label
    if label not in names:
        known = f"It draws {', '.join(names)}" if names else "It was not told of any classes"
        raise ValueError(f"label={label}: this model draws no such class. {known}.")
    return names.index(label)
