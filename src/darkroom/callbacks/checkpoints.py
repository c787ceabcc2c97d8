"""What a run keeps of its weights."""

import math
from pathlib import Path
from typing import Any

from darkroom.callbacks.every import EveryImages
from darkroom.callbacks.finite import broken_weights, kept, remedy
from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer


class Checkpoints(EveryImages):
    """Keeps `checkpoints/last.ckpt`, and `best.ckpt` by a number that has been logged.

    Lightning's own callback follows the optimizers' step counter, which a GAN doubles. Weights that
    are not finite stop the run and are never written.

    Args:
        every: Interval in images; at most so many are lost in a crash.
        monitor: What best is judged by, smaller is better: the first of the numbers that are logged
            whose name begins so.
    """

    def __init__(self, every: int, monitor: str = "quality/") -> None:
        super().__init__(every)
        self.monitor = monitor
        self.best = math.inf

    def act(self, trainer: Trainer, system: System) -> None:
        self._save(trainer, system, "last")

    def on_train_batch_end(
        self, trainer: Trainer, system: System, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        self._keep_best(trainer, system)
        super().on_train_batch_end(trainer, system, outputs, batch, batch_idx)

    def on_validation_end(self, trainer: Trainer, system: System) -> None:
        self._keep_best(trainer, system)

    def _keep_best(self, trainer: Trainer, system: System) -> None:
        logged = trainer.callback_metrics.items()
        value = next((float(v) for name, v in logged if name.startswith(self.monitor)), math.inf)
        if value < self.best:
            self.best = value
            self._save(trainer, system, "best")

    def _save(self, trainer: Trainer, system: System, name: str) -> None:
        broken = broken_weights(system)
        if not trainer.strategy.reduce_boolean_decision(not broken):
            first = broken[0] if broken else "a weight of another device"
            raise ValueError(
                f"After {system.images_seen:,} images {first} is not finite, so nothing is saved. "
                f"{kept(trainer)} {remedy(trainer, system, first)}"
            )
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
