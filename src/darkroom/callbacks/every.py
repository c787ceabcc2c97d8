"""What happens again and again, by the clock of the images seen."""

from typing import Any

from lightning.pytorch.callbacks import Callback

from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer

MOST = 500  # times a run: what is drawn and logged stays bounded, however long the run
FREE = ("cpu",)  # kinds of devices that are not kept waiting by a look at a number


def may_wait(trainer: Trainer) -> bool:
    """Whether the device may be kept waiting in this step, the same on all devices."""
    stride = trainer.log_every_n_steps
    is_free = trainer.strategy.root_device.type in FREE
    return is_free or trainer.fit_loop.epoch_loop.total_batch_idx % stride == 0


class EveryImages(Callback):
    """Acts each time the clock passes a multiple of an interval, and at the end.

    A run of more than `MOST` intervals has as much longer ones.

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
        if self.is_due(trainer, system):
            self.act(trainer, system)
            self.acted_at = system.images_seen

    def is_due(self, trainer: Trainer, system: System) -> bool:
        """Whether it acts at the end of this step."""
        interval = max(self.every, trainer.max_images // MOST)
        passed = system.images_seen // interval > self.acted_at // interval
        return passed or system.images_seen >= trainer.max_images
