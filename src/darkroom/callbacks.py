"""Observers: they look, log and save. They never change a weight."""

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from tqdm import tqdm

from darkroom.images import Batch, save_png, tile, visible_scale
from darkroom.metrics import kernel_distance, thumbnails
from darkroom.sampling import Reconstruction, Reconstructs, Samples, Sheet, develop, latents_of
from darkroom.systems import System
from darkroom.trainer import Trainer


class EveryImages(Callback):
    """Acts each time the clock passes a multiple of an interval, and at the end.

    Args:
        every: The interval, in images.

    Raises:
        ValueError: If the interval is not positive.
    """

    def __init__(self, every: int) -> None:
        if every < 1:
            name = type(self).__name__
            raise ValueError(f"{name}.every={every}: type a number of images above 0.")
        self.every = every
        self.acted_at = 0

    def act(self, trainer: Trainer, system: System) -> None:
        """What happens when it is time."""

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        self.acted_at = system.images_seen

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        passed = system.images_seen // self.every > self.acted_at // self.every
        if passed or system.images_seen >= trainer.max_images:
            self.act(trainer, system)
            self.acted_at = system.images_seen


class Progress(Callback):
    """A bar with the images seen, images/s, the time left and the newest losses."""

    bar: tqdm

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        self.bar = tqdm(
            total=trainer.max_images,
            initial=system.images_seen,
            unit=" images",
            unit_scale=True,
            disable=not trainer.is_global_zero,
            mininterval=0.5 if sys.stderr.isatty() else 15,
        )

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        shown = self.bar.update(min(system.images_seen, trainer.max_images) - self.bar.n)
        if shown:  # gathering the losses at every step would cost more than showing them
            losses = {
                name.removeprefix("loss/"): f"{value:.3g}"
                for name, value in trainer.callback_metrics.items()
                if name.startswith("loss/")
            }
            self.bar.set_postfix(losses, refresh=False)

    def on_train_end(self, trainer: Trainer, system: System) -> None:
        self.bar.close()

    def on_exception(self, trainer: Trainer, system: System, exception: BaseException) -> None:
        if hasattr(self, "bar"):
            self.bar.close()


class Throughput(EveryImages):
    """Logs images per second, everything included that happens between two steps."""

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        super().on_train_start(trainer, system)
        self.looked_at = time.perf_counter()

    def act(self, trainer: Trainer, system: System) -> None:
        now = time.perf_counter()
        images = system.images_seen - self.acted_at
        system.write({"throughput/images_per_second": images / (now - self.looked_at)})
        self.looked_at = now


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
    """The same seeds over and over, so that one sees them develop.

    Args:
        every: Interval in images.
        n: How many seeds, from 0 on; `sample.py` gives the same images for them.
    """

    folder = "samples"

    def __init__(self, every: int, n: int = 64) -> None:
        super().__init__(every)
        self.draw = Samples(n)

    def sheet(self, trainer: Trainer, system: System) -> Sheet:
        return self.draw(system, trainer.datamodule.held_out.first)


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
        return self.draw(system, trainer.datamodule.held_out.first)


class Quality(EveryImages):
    """Measures how far samples are from held-out images, cheaply and the same way for every model.

    Logs `quality/kid_thumbnail`: the kernel distance of 8x8 thumbnails, 0 for a perfect generator.

    Args:
        every: Interval in images.
        n: How many samples and, at most, how many held-out images.
    """

    name = "quality/kid_thumbnail"

    def __init__(self, every: int, n: int = 1000) -> None:
        super().__init__(every)
        self.n = n

    def act(self, trainer: Trainer, system: System) -> None:
        distance = math.nan
        if trainer.is_global_zero:
            real = thumbnails(trainer.datamodule.held_out.first(self.n))
            latents = latents_of(range(self.n), system.latent_dim)
            fake = torch.cat([thumbnails(pixels) for pixels in develop(system, latents)])
            distance = kernel_distance(real, fake)
        system.write({self.name: trainer.strategy.broadcast(distance)})


class Checkpoints(EveryImages):
    """Keeps `checkpoints/last.ckpt`, and `best.ckpt` by a number that has been logged.

    Lightning's own callback follows the optimizers' step counter, which a GAN doubles.

    Args:
        every: Interval in images; at most so many are lost in a crash.
        monitor: The number that best is judged by; smaller is better.
    """

    def __init__(self, every: int, monitor: str = Quality.name) -> None:
        super().__init__(every)
        self.monitor = monitor
        self.best = math.inf

    def act(self, trainer: Trainer, system: System) -> None:
        self._save(trainer, "last")

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self._keep_best(trainer)
        super().on_train_batch_end(trainer, system, outputs, batch, batch_idx)

    def on_validation_end(self, trainer: Trainer, system: System) -> None:
        self._keep_best(trainer)

    def _keep_best(self, trainer: Trainer) -> None:
        value = float(trainer.callback_metrics.get(self.monitor, math.inf))
        if value < self.best:
            self.best = value
            self._save(trainer, "best")

    def _save(self, trainer: Trainer, name: str) -> None:
        trainer.save_checkpoint(Path(trainer.default_root_dir) / "checkpoints" / f"{name}.ckpt")

    def on_save_checkpoint(
        self, trainer: Trainer, system: System, checkpoint: dict[str, Any]
    ) -> None:
        composed = Path(trainer.default_root_dir) / "config.yaml"
        checkpoint["config"] = composed.read_text()

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
