"""sample.py: images of a trained model."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from omegaconf import DictConfig

from darkroom import checkpoint, config
from darkroom.checkpoint import SavedRun
from darkroom.data import ImageData
from darkroom.evaluation.subject import with_prior
from darkroom.images import Labels, Pixels, save_png, tile, visible_scale
from darkroom.sampling import Attribute, Inversion, Reconstruction, Sheet
from darkroom.verbs.device import device_of
from darkroom.verbs.given import given

LOOKING = Attribute | Inversion | Reconstruction
"""Drawings that look at images."""


@dataclass(frozen=True)
class Material:
    """The images that drawings look at: a run's own, or given ones.

    Attributes:
        saved: The run.
        images: A folder or .zip in the place of its held-out images.
    """

    saved: SavedRun
    images: str | None = None

    @cached_property
    def data(self) -> ImageData:
        """The run's data."""
        data: ImageData = config.build(self.saved.config.data)
        data.setup()
        return data

    def __call__(self, n: int) -> Pixels:
        """At most n images that the run was not trained on, or of those that are given."""
        if self.images is None:
            return self.data.held_out.some(n)
        return given(self.saved, self.images, n).some(n)

    def labelled(self) -> tuple[Pixels, Labels, tuple[str, ...]]:
        """Training images, their classes, and the names of these."""
        known = self.data.labelled()
        return known.pixels, known.labels, tuple(known.class_names)


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
    system = with_prior(saved.system, composed.prior).to(device_of(composed.device))
    composed.label = _number_of(composed.label, list(saved.config.class_names))
    draw = config.build(composed.draw)
    if composed.images is not None and not isinstance(draw, LOOKING):
        raise ValueError(
            f"images={composed.images}: this drawing looks at no images. Type draw=inversion, "
            "draw=reconstruction or draw=attribute, or leave images out."
        )
    sheet: Sheet = draw(system, Material(saved, composed.images), composed.batch_size)
    name = f"{type(draw).__name__.lower()}-{saved.images_seen:010d}"
    if system is not saved.system:
        name += "-standard_prior"
    folder = Path(composed.folder or saved.path.parents[1] / "drawn" / name)
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
