"""What the system draws while it trains."""

from dataclasses import asdict
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger

from darkroom.callbacks.every import EveryImages
from darkroom.provenance import origin
from darkroom.provenance.origin import Origin
from darkroom.sampling import Classes, Reconstruction, Reconstructs, Samples, shares_of
from darkroom.systems import System
from darkroom.trainer import Trainer


class Pictures(EveryImages):
    """Draws a sheet with the averaged weights, saves it as PNG and shows it in TensorBoard.

    Args:
        every: Interval in images.
    """

    folder: str

    def drawing(self, system: System) -> Samples | Classes | Reconstruction | None:
        """What to draw; None if this system cannot."""

    def act(self, trainer: Trainer, system: System) -> None:
        draw = self.drawing(system) if trainer.is_global_zero else None
        if draw is None:
            return
        sheet = draw(system, trainer.datamodule.held_out.some)
        run_dir = Path(trainer.default_root_dir)
        made_by = Origin.training(
            run_dir,
            system.images_seen,
            {"_target_": f"darkroom.sampling.{type(draw).__name__}", **asdict(draw)},
            trainer.strategy.root_device.type,
        )
        path = run_dir / self.folder / f"{system.images_seen:010d}.png"
        origin.save(sheet.grid, path, made_by.of_all(sheet.names))
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(self.folder, sheet.grid, system.images_seen)


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

    def drawing(self, system: System) -> Samples | Classes:
        if (shares := shares_of(system)) is not None:
            return Classes(max(1, self.n // len(shares)))
        return Samples(self.n)


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

    def drawing(self, system: System) -> Reconstruction | None:
        return self.draw if isinstance(system, Reconstructs) else None
