"""Trains on shards with two processes; each rank leaves behind which images it saw.

Called by test_streaming.py: python ranks.py ROOT FOLDER WORKERS. Lightning starts it again for the
second rank.
"""

import sys
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback

from darkroom.data import Streaming
from tests.conftest import Run


class Witness(Callback):
    """Keeps the epochs and indices of each batch."""

    def __init__(self) -> None:
        self.batches: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer, system, batch, batch_idx) -> None:
        self.batches.append(torch.stack([batch.epochs, batch.indices]))


if __name__ == "__main__":
    root, folder, workers = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    data = {"root": root, "cache": str(folder / "cache"), "num_workers": workers, "limit": None}
    chunks = {"window": 3, "ahead": 1, "cache_chunks": 5}
    witness, options = Witness(), {"kind": Streaming, "data": data | chunks, "devices": 2}
    run = Run(folder, "vae", images=192, callbacks=(witness,), validate_every=64, **options)
    torch.save(witness.batches, folder / f"rank{run.trainer.global_rank}.pt")
