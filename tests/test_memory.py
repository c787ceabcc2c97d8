"""A device whose memory ends says what would fit, and the run can be continued."""

from pathlib import Path

import pytest
import torch

from darkroom import checkpoint, config
from darkroom.systems import GAN, VAE
from darkroom.verbs.train import train
from tests.composed import composed


@pytest.mark.promise(
    "A batch that the device's memory does not hold",
    "The run stops, names the largest half of it that does, found by trying, and how to go on.",
)
@pytest.mark.parametrize("model", ["gan", "vae"])
def test_too_large_a_batch_is_named_and_what_to_type(model, tmp_path: Path, monkeypatch) -> None:
    kind = {"gan": GAN, "vae": VAE}[model]
    step = kind.training_step

    def full(self, batch):
        if self.images_seen >= 128 and len(batch.images) > 20:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(self, batch)

    monkeypatch.setattr(kind, "training_step", full)
    run = tmp_path / "run"
    widths = ("model.generator.width=4", "model.discriminator.width=4")
    small = (*(widths if model == "gan" else ()), f"model={model}", "data.batch_size=64")
    often = ("callbacks.checkpoints.every=64", "trainer.max_images=256", "recipe=none")
    tree = composed("train", f"run_dir={run}", "data=digits", *small, *often)
    config.check(tree)
    with pytest.raises(ValueError, match=r"After 128 images the memory of cpu did not") as error:
        train(tree, run, [])
    remedy = f"Go on with resume={run} and data.batch_size=16 or trainer.precision=bf16-mixed"
    assert remedy in str(error.value)

    monkeypatch.undo()
    tree = composed(
        "train", f"run_dir={run}", *small, *often, "data.batch_size=16", f"resume={run}"
    )
    train(tree, run, [])
    assert checkpoint.read(checkpoint.find(run))["images_seen"] == 256
