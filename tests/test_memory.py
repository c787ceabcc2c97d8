"""A device whose memory ends says what would fit, and the run can be continued."""

from pathlib import Path

import pytest
import torch

from darkroom import checkpoint, config
from darkroom.systems import System
from darkroom.verbs.train import train
from tests.composed import composed


def test_too_large_a_batch_is_named_and_what_to_type(tmp_path: Path, monkeypatch) -> None:
    descend = System.descend

    def full(self, optimizer, loss):
        if self.images_seen == 128:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        descend(self, optimizer, loss)

    monkeypatch.setattr(System, "descend", full)
    run = tmp_path / "run"
    small = ("model.generator.width=4", "model.discriminator.width=4", "data.batch_size=64")
    often = ("callbacks.checkpoints.every=64", "trainer.max_images=256", "recipe=none")
    tree = composed("train", f"run_dir={run}", "model=gan", "data=digits", *small, *often)
    config.check(tree)
    with pytest.raises(ValueError, match=r"After 128 images the memory of cpu did not") as error:
        train(tree, run, [])
    remedy = f"Go on with resume={run} and data.batch_size=32 or trainer.precision=bf16-mixed"
    assert remedy in str(error.value)

    monkeypatch.undo()
    tree = composed(
        "train", f"run_dir={run}", *small, *often, "data.batch_size=32", f"resume={run}"
    )
    train(tree, run, [])
    assert checkpoint.read(checkpoint.find(run))["images_seen"] == 256
