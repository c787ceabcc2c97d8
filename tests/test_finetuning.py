"""What another run has learnt is a head start: few images are drawn sooner."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from darkroom import checkpoint, config
from darkroom.data import Digits
from darkroom.images import Pixels
from darkroom.metrics import kernel_distance, thumbnails
from darkroom.sampling import develop, latents_of
from darkroom.verbs.train import train
from tests.composed import composed

pytestmark = pytest.mark.slow

DIGIT, FEW = 3, 60


def trained(run: Path, *arguments: str) -> Pixels:
    """What a run draws at its end."""
    tree = composed("train", f"run_dir={run}", *arguments)
    config.check(tree)
    train(tree, run, list(arguments))
    system = checkpoint.load(run).system
    return torch.cat(list(develop(system, latents_of(range(1000), system.latent_dim), 100)))


def test_few_images_of_one_digit_are_drawn_sooner_by_a_model_that_knows_ten(tmp_path: Path) -> None:
    data = Digits(resolution=16, channels=1)
    data.setup()
    parts = data.training, data.held_out
    ones = torch.cat([part.pixels[part.labels == DIGIT] for part in parts])
    (tmp_path / "few").mkdir()
    for number, pixels in enumerate(ones[:FEW]):
        Image.fromarray(pixels[0].numpy()).save(tmp_path / "few" / f"{number:02d}.png")
    trained(tmp_path / "ten", "model=gan", "data=digits", "trainer.max_images=40000")

    few = (f"data.root={tmp_path / 'few'}", f"data.packs={tmp_path / 'packs'}", "data.channels=1")
    same = ("model.generator.latent_dim=16", "data.batch_size=32", "model.half_life=200")
    arguments = ("model=gan", "data=folder", *few, *same, "trainer.max_images=1000")
    tuned = trained(tmp_path / "tuned", *arguments, f"init_from={tmp_path / 'ten'}")
    scratch = trained(tmp_path / "scratch", *arguments)
    real = thumbnails(ones[FEW:])
    better, worse = (kernel_distance(real, thumbnails(each)) for each in (tuned, scratch))
    print("kid_thumbnail: tuned", better, "from scratch", worse)
    assert better < worse / 2
