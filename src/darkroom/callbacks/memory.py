"""What would have fitted, when a device's memory did not suffice."""

import traceback
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer


class Memory(Callback):
    """Looks for the batch that fits when memory ends, and notes on the error what to type.

    The run is over then, so the search takes real steps: with half of the images, half of these,
    and so on. With several devices, which would wait for one another, half is all that is said.
    """

    batch: Batch | None = None

    def on_train_batch_start(
        self, trainer: Trainer, system: System, batch: Batch, batch_idx: int
    ) -> None:
        self.batch, self.clock = batch, system.images_seen

    def on_exception(self, trainer: Trainer, system: System, exception: BaseException) -> None:
        if not isinstance(exception, torch.OutOfMemoryError) or self.batch is None:
            return
        traceback.clear_frames(exception.__traceback__)  # they hold what filled the memory
        rows = len(self.batch.images) // 2
        if trainer.world_size == 1:
            rows = self._fitting(trainer, system, self.batch, rows)
        options = [f"data.batch_size={rows * trainer.world_size}"] if rows else []
        if trainer.precision == "32-true":
            options.append("trainer.precision=bf16-mixed")
        run = trainer.default_root_dir
        is_saved = (Path(run) / "checkpoints" / "last.ckpt").exists()
        way = f"Go on with resume={run} and" if is_saved else "Begin anew with"
        remedy = f"{way} {' or '.join(options)}, or train" if options else "Train"
        exception.add_note(
            f"After {self.clock:,} images the memory of {system.device} did not suffice for "
            f"data.batch_size={trainer.datamodule.batch_size}. {remedy} a smaller model."
        )

    def _fitting(self, trainer: Trainer, system: System, batch: Batch, rows: int) -> int:
        """The most images, halving their number, with which a step can be made; 0 for none."""
        while rows:
            if system.device.type == "cuda":
                torch.cuda.empty_cache()
            try:
                with trainer.precision_plugin.train_step_context():
                    loss = system.training_step(Batch(*(part[:rows] for part in batch)))
                if isinstance(loss, Tensor):  # a GAN's has been descended already
                    loss.backward()
                return rows
            except (torch.OutOfMemoryError, ValueError):  # a batch norm refuses a single image
                rows //= 2
        return 0
