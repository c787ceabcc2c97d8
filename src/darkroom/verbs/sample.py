"""sample.py: images of a trained model."""

from pathlib import Path

from omegaconf import DictConfig

from darkroom import checkpoint, config
from darkroom.data import ImageData
from darkroom.images import Pixels, save_png, tile, visible_scale
from darkroom.sampling import Sheet
from darkroom.verbs.device import device_of


def sample(composed: DictConfig) -> None:
    """Draws images of a run, as a grid and one by one.

    Args:
        composed: A checked sample config.
    """
    saved = checkpoint.load(composed.run, composed.checkpoint)
    saved.system.to(device_of(composed.device))

    def held_out(n: int) -> Pixels:
        data: ImageData = config.build(saved.config.data)
        data.setup()
        return data.held_out.some(n)

    composed.label = _number_of(composed.label, list(saved.config.class_names))
    draw = config.build(composed.draw)
    sheet: Sheet = draw(saved.system, held_out, composed.batch_size)
    name = type(draw).__name__.lower()
    folder = Path(
        composed.folder or saved.path.parents[1] / "drawn" / f"{name}-{saved.images_seen:010d}"
    )
    for pixels, image_name in zip(sheet.pixels, sheet.names, strict=True):
        save_png(pixels, folder / f"{image_name}.png")
    grid = tile(sheet.pixels, sheet.columns, visible_scale(sheet.pixels.shape[2]))
    save_png(grid, folder / "grid.png")
    print(
        f"{len(sheet.pixels)} images of {saved.path} in {folder}, together in {folder / 'grid.png'}"
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
