"""A new run begins with the weights of another one."""

import re
from pathlib import Path

import pytest
import torch

from darkroom import beginning, checkpoint, config, randomness
from darkroom.beginning import Beginning
from darkroom.sampling import latents_of
from darkroom.systems import System
from tests.composed import composed
from tests.saved import NARROW, saved, small


def begun(origin: Path, *arguments: str) -> tuple[System, Beginning]:
    """A new system of other initial weights, and what it took over."""
    tree = composed("train", "experiment=smoke", *arguments)
    with randomness.initialisation(4):
        system = config.build(tree.model)
    return system, beginning.begin(system, tree, beginning.load_origin(origin))


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run whose averaged weights are not those of its generator."""
    content = small()
    weights = {
        name: 1.5 * value if "averaged.module" in name and value.is_floating_point() else value
        for name, value in content["state_dict"].items()
        if torch.is_tensor(value)
    } | {"averaged._extra_state": 48}
    return saved(tmp_path, content | {"state_dict": weights}).parents[1]


def test_a_new_run_draws_what_the_averaged_weights_of_another_drew(trained: Path) -> None:
    origin = checkpoint.load(trained).system
    system, taken = begun(trained, *NARROW)
    z = latents_of(range(8), origin.latent_dim)
    assert torch.equal(system.eval()(z), origin(z))
    for name, value in origin.averaged.module.state_dict().items():
        assert torch.equal(system.generator.state_dict()[name], value)
    for name, value in origin.discriminator.state_dict().items():
        assert torch.equal(system.discriminator.state_dict()[name], value)
    assert all(weight.requires_grad for weight in system.generator.parameters())
    assert not any(weight.requires_grad for weight in system.averaged.parameters())
    assert (system.images_seen, system.averaged.images_seen, taken.images_seen) == (0, 0, 48)
    assert [each.share for each in taken.networks] == [1, 1]


def test_a_checkpoint_can_be_named_by_its_path(trained: Path) -> None:
    best = (trained / "checkpoints" / "last.ckpt").rename(trained / "checkpoints" / "best.ckpt")
    assert begun(best, *NARROW)[1].checkpoint == str(best)
    with pytest.raises(ValueError, match=re.escape("last.ckpt. Type the folder of a run")):
        beginning.load_origin(trained)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model.discriminator.width=2"], "of other sizes. Type model.generator.width=2"),
        (["model.generator.width=3", NARROW[1]], "of other sizes. Type model.generator.width=2"),
        ([*NARROW, "model.generator.latent_dim=5"], "Type model.generator.latent_dim=16"),
        ([*NARROW, "data.resolution=64"], "can be taken over. Type data.resolution=16"),
        (["model=r3gan"], "holds DCGANGenerator and DCGANDiscriminator, and this model has R3GAN"),
        (["model=vae"], "and this model has ConvVAE. Type the model=<name> of that run"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_what_to_type(
    arguments: list[str], said: str, trained: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        begun(trained, *arguments)
