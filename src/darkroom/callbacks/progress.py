"""How far the training is, on the terminal."""

import sys
from typing import Any

from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer


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
