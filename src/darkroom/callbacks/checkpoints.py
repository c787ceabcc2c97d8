"""What a run keeps of its weights."""

import math
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from darkroom.callbacks.every import may_wait
from darkroom.callbacks.finite import broken_weights, kept, remedy
from darkroom.callbacks.interruptions import Interrupted
from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer


class Checkpoints(Callback):
    """Keeps `checkpoints/last.ckpt`, the one before it, and `best.ckpt` by a number of the log.

    It saves between two steps, when all that belongs to the former is measured, validated and
    logged; so a resumed run logs what it would have logged. Lightning's own callback follows the
    optimizers' step counter, which a GAN doubles. Weights that are not finite stop the run and are
    never written.

    Args:
        every: Interval in images.
        minutes: Interval in minutes; it saves when the first of the two has passed. No more is
            lost in a crash.
        monitor: What best is judged by, smaller is better: the first of the numbers that are logged
            whose name begins so.
        patience: How many times in a row it may fail to write, on a full disk for instance, before
            the run stops; 0 stops it at once.

    Raises:
        ValueError: If an option is out of its range.
    """

    def __init__(
        self, every: int, minutes: float = 10, monitor: str = "quality/", patience: int = 3
    ) -> None:
        for name, value, least in (("every", every, 1), ("patience", patience, 0)):
            if value < least:
                raise ValueError(f"callbacks.checkpoints.{name}={value}: type at least {least}.")
        if not minutes > 0:
            raise ValueError(f"callbacks.checkpoints.minutes={minutes}: type more than 0.")
        self.every, self.seconds, self.monitor = every, 60 * minutes, monitor
        self.patience, self.failures = patience, 0
        self.best = math.inf

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        self.saved_at = self.tried_at = system.images_seen
        self.tried_when = time.monotonic()

    def on_train_batch_start(
        self, trainer: Trainer, system: System, batch: Batch, batch_idx: int
    ) -> None:
        self._keep_best(trainer, system)
        if self._is_due(trainer, system):
            self._keep_last(trainer, system, self.patience)

    def on_train_end(self, trainer: Trainer, system: System) -> None:
        self._keep_best(trainer, system)
        self._keep_last(trainer, system, patience=0)

    def on_exception(self, trainer: Trainer, system: System, exception: BaseException) -> None:
        if isinstance(exception, Interrupted):
            self._keep_last(trainer, system, patience=0)

    def _is_due(self, trainer: Trainer, system: System) -> bool:
        if system.images_seen // self.every > self.tried_at // self.every:
            return True
        if trainer.world_size > 1 and not may_wait(trainer):
            return False
        is_late = time.monotonic() - self.tried_when > self.seconds
        return trainer.strategy.reduce_boolean_decision(is_late, all=False)

    def _keep_best(self, trainer: Trainer, system: System) -> None:
        logged = trainer.callback_metrics.items()
        value = next((float(v) for name, v in logged if name.startswith(self.monitor)), math.inf)
        if value < self.best:
            self.best = value
            self._save(trainer, system, "best", self.patience)

    def _keep_last(self, trainer: Trainer, system: System, patience: int) -> None:
        if system.images_seen == self.saved_at:
            return
        if self._save(trainer, system, "last", patience):
            self.saved_at = system.images_seen
        self.tried_at, self.tried_when = system.images_seen, time.monotonic()

    def _save(self, trainer: Trainer, system: System, name: str, patience: int) -> bool:
        """Whether it could be written; if not, the run bears it so many times in a row."""
        broken = broken_weights(system)
        if not trainer.strategy.reduce_boolean_decision(not broken):
            first = broken[0] if broken else "a weight of another device"
            raise ValueError(
                f"After {system.images_seen:,} images {first} is not finite, so nothing is saved. "
                f"{kept(trainer)} {remedy(trainer, system, first)}"
            )
        for logger in trainer.loggers if trainer.is_global_zero else ():
            logger.save()  # what belongs to the checkpoint is on the disk before it is
        path = Path(trainer.default_root_dir) / "checkpoints" / f"{name}.ckpt"
        failure = _written(trainer, path)
        self.failures = self.failures + 1 if failure else 0
        if failure:
            said = f"After {system.images_seen:,} images {failure} {kept(trainer)}"
            if self.failures > patience:
                raise OSError(f"{said} Make room, and go on with resume={trainer.default_root_dir}")
            if trainer.is_global_zero:
                print(f"{said} It goes on ({self.failures} of {patience} times).", file=sys.stderr)
        return not failure

    def on_save_checkpoint(
        self, trainer: Trainer, system: System, checkpoint: dict[str, Any]
    ) -> None:
        composed = Path(trainer.default_root_dir) / "config.yaml"
        checkpoint["config"] = composed.read_text()
        between_steps(checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"])

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]


def between_steps(progress: dict[str, Any]) -> None:
    """Takes the step that is about to begin back out of Lightning's count of steps."""
    for counts in (progress["total"], progress["current"]):
        counts.update(dict.fromkeys(("ready", "started", "processed"), counts["completed"]))
    progress["is_last_batch"] = False


def _written(trainer: Trainer, path: Path) -> str:
    """Writes a checkpoint; what is said of a failure is the same on all devices."""
    failure = ""
    try:
        trainer.save_checkpoint(path)
    except OSError as error:
        trainer.strategy.barrier()  # where the other devices wait
        free = shutil.disk_usage(trainer.default_root_dir).free / 2**20
        failure = f"{path} could not be written: {error.strerror} ({free:,.0f} MiB are free)."
    return trainer.strategy.broadcast(failure)
