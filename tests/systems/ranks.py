"""Trains tiny systems on two processes, one after another; each rank leaves behind what it saw.

Called by test_devices.py: python ranks.py FOLDER. Lightning starts it again for the second rank.
At last each of them has a folder of its own, as when torchrun starts them and none is typed.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from darkroom.callbacks import Checkpoints, Quality
from tests.conftest import BATCH_SIZE, Run
from tests.systems import models
from tests.systems.test_resume import everything


class Witness(Callback):
    """Keeps which images were seen, and the first numbers of each step's noise."""

    def __init__(self) -> None:
        self.seen: dict[str, list[torch.Tensor]] = {"noise": [], "indices": [], "held_out": []}

    def on_train_batch_start(self, trainer, system, batch, batch_idx) -> None:
        self.seen["noise"].append(system.noise("latents", batch).normal(8))
        self.seen["indices"].append(batch.indices)

    def on_validation_batch_start(self, trainer, system, batch, batch_idx, *_) -> None:
        self.seen["held_out"].append(batch.indices)


def witnessed(folder: Path, model: str, **options: Any) -> dict[str, Any]:
    """What a run ends with, and what happened in it."""
    folder.mkdir(parents=True, exist_ok=True)
    witness, whole = Witness(), models.STEPS * BATCH_SIZE
    # in double precision, or Adam would blow up the rounding of gradients that are zero
    options = {"images": whole, "precision": "64-true", "validate_every": 32} | options
    callbacks = (witness, Quality(every=32, n=16), Checkpoints(every=32))
    run = Run(folder, model, callbacks=callbacks, **options)
    logged = {name: float(value) for name, value in run.trainer.callback_metrics.items()}
    return witness.seen | {"tensors": everything(run), "logged": logged}


if __name__ == "__main__":
    models.make_known()
    for model in (*models.TYPED, *models.OTHERS):
        folder = Path(sys.argv[1]) / model
        ends = {"whole": witnessed(folder / "whole", model, devices=2)}
        witnessed(folder / "stopped", model, devices=2, images=32)
        last = folder / "stopped" / "checkpoints" / "last.ckpt"
        ends["resumed"] = witnessed(folder / "resumed", model, devices=2, resume=last)
        torch.save(ends, folder / f"rank{torch.distributed.get_rank()}.pt")
    own = Path(sys.argv[1]) / f"own{torch.distributed.get_rank()}"
    try:
        witnessed(own, "vae", devices=2)
    except ValueError as error:
        (own / "refusal").write_text(str(error))
