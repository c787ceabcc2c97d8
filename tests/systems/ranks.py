"""Trains a tiny system on several processes; each rank leaves its weights and its noise behind.

Called by test_devices.py: python ranks.py MODEL DEVICES FOLDER. Lightning starts it again for each
further rank.
"""

import sys
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback

from tests.conftest import Run


class Witness(Callback):
    """Keeps the first numbers of each step's noise."""

    def __init__(self) -> None:
        self.noise: list[torch.Tensor] = []
        self.indices: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer, system, batch, batch_idx) -> None:
        self.noise.append(system.noise("latents", batch).normal(8))
        self.indices.append(batch.indices)


# in double precision, or Adam would blow up the rounding of gradients that are zero
OPTIONS = {"validate_every": 32, "precision": "64-true"}

if __name__ == "__main__":
    model, devices, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    witness = Witness()
    run = Run(folder, model, images=64, callbacks=(witness,), devices=devices, **OPTIONS)
    weights = {k: v for k, v in run.system.state_dict().items() if torch.is_tensor(v)}
    validated = {k: float(v) for k, v in run.trainer.callback_metrics.items()}
    content = {"weights": weights, "noise": witness.noise, "indices": witness.indices}
    torch.save(content | {"validated": validated}, folder / f"rank{run.trainer.global_rank}.pt")
