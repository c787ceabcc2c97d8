"""What the system draws while it trains."""

from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from darkroom.callbacks.every import EveryImages
from darkroom.images import save_png, tile, visible_scale
from darkroom.sampling import Classes, Reconstruction, Reconstructs, Samples, Sheet, shares_of
from darkroom.systems import System
from darkroom.trainer import Trainer


class Pictures(EveryImages):
    """Draws a sheet with the averaged weights, saves it as PNG and shows it in TensorBoard.

    Args:
        every: Interval in images.
    """

    folder: str

    def sheet(self, trainer: Trainer, system: System) -> Sheet | None:
        """What to draw; None if this system cannot."""

    def act(self, trainer: Trainer, system: System) -> None:
        sheet = self.sheet(trainer, system) if trainer.is_global_zero else None
        if sheet is None:
            return
        picture = tile(sheet.pixels, sheet.columns, visible_scale(sheet.pixels.shape[2]))
        folder = Path(trainer.default_root_dir) / self.folder
        save_png(picture, folder / f"{system.images_seen:010d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(self.folder, picture, system.images_seen)


class SampleGrid(Pictures):
    """The same seeds over and over, so that one sees them develop; a row a class, if it knows any.

    Args:
        every: Interval in images.
        n: How many seeds, from 0 on; `sample.py` gives the same images for them.
    """

    folder = "samples"

    def __init__(self, every: int, n: int = 64) -> None:
        super().__init__(every)
        self.n = n

    def sheet(self, trainer: Trainer, system: System) -> Sheet:
        draw: Samples | Classes = Samples(self.n)
        if (shares := shares_of(system)) is not None:
            draw = Classes(max(1, self.n // len(shares)))
        return draw(system, trainer.datamodule.held_out.some)


class ReconstructionGrid(Pictures):
    """Held-out images beside their reconstructions; nothing for a system without an encoder.

    Args:
        every: Interval in images.
        n: How many images.
    """

    folder = "reconstructions"

    def __init__(self, every: int, n: int = 32) -> None:
        super().__init__(every)
        self.draw = Reconstruction(n)

    def sheet(self, trainer: Trainer, system: System) -> Sheet | None:
        if not isinstance(system, Reconstructs):
            return None
        return self.draw(system, trainer.datamodule.held_out.some)
