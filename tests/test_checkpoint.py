"""What is saved comes back; what is damaged, foreign or hostile does not get in."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from darkroom import checkpoint, config, randomness
from darkroom.checkpoint import AtomicCheckpointIO, Beginning
from darkroom.sampling import latents_of
from darkroom.systems import System
from tests.composed import composed


class Hostile:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """A small checkpoint's content."""
    tree = composed("train", "experiment=smoke", *NARROW)
    with randomness.initialisation(3):
        weights = config.build(tree.model).state_dict()
    return {"config": OmegaConf.to_yaml(tree), "state_dict": weights, "images_seen": 48}


NARROW = ("model.generator.width=2", "model.discriminator.width=2")


def saved(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(content, path)
    return path


def test_a_system_comes_back_with_its_weights_and_its_clock(
    content: dict[str, Any], tmp_path: Path
) -> None:
    saved(tmp_path, content)
    run = checkpoint.load(tmp_path)
    weights = run.system.state_dict()
    assert weights.keys() == content["state_dict"].keys()
    for name, value in content["state_dict"].items():
        assert not torch.is_tensor(value) or torch.equal(weights[name], value), name
    assert (run.images_seen, run.system.images_seen, run.system.training) == (48, 48, False)


def test_a_save_that_fails_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    path = saved(tmp_path, {"config": "before"})
    with pytest.raises(Exception, match="pickle"):
        saved(tmp_path, {"config": "after", "cannot be saved": lambda: None})
    assert checkpoint.read(path) == {"config": "before"}


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_damaged_file_is_refused(share: float, content: dict[str, Any], tmp_path: Path) -> None:
    path = saved(tmp_path, content)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path)


def test_a_checkpoint_never_runs_code(content: dict[str, Any], tmp_path: Path) -> None:
    saved(tmp_path, content | {"hostile": Hostile(tmp_path / "trace")})
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "trace").exists()


def test_torchs_protection_cannot_be_switched_off(
    content: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path, content)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ValueError, match="Unset it"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"config": "seed: 1"}, "data is not set"),
        ({"config": "nonsense: 1"}, "The config cannot be read"),
        ({"config": "{"}, "The config cannot be read"),
    ],
)
def test_a_config_within_a_checkpoint_is_checked_like_any_other(
    changed: dict[str, Any], said: str, content: dict[str, Any], tmp_path: Path
) -> None:
    saved(tmp_path, content | changed)
    with pytest.raises(ValueError, match=said):
        checkpoint.load(tmp_path)


def test_a_config_within_a_checkpoint_can_name_only_allowed_classes(
    content: dict[str, Any], tmp_path: Path
) -> None:
    hostile = content["config"].replace("darkroom.objectives.NonSaturating", "os.system")
    assert hostile != content["config"]
    saved(tmp_path, content | {"config": hostile})
    with pytest.raises(ValueError, match=re.escape("model.objective._target_=os.system")):
        checkpoint.load(tmp_path)


def test_weights_of_another_architecture_are_refused(
    content: dict[str, Any], tmp_path: Path
) -> None:
    wider = content["config"].replace("width: 2", "width: 3")
    saved(tmp_path, content | {"config": wider})
    with pytest.raises(ValueError, match="holds another architecture"):
        checkpoint.load(tmp_path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, {"state_dict": {}})
    with pytest.raises(ValueError, match="darkroom did not write it"):
        checkpoint.load(tmp_path)


# --- a run that begins with another's weights


def begun(origin: Path, *arguments: str) -> tuple[System, Beginning]:
    """A new system of other initial weights, and what it took over."""
    tree = composed("train", "experiment=smoke", *arguments)
    with randomness.initialisation(4):
        system = config.build(tree.model)
    return system, checkpoint.begin(system, tree, checkpoint.load_origin(origin))


@pytest.fixture
def trained(content: dict[str, Any], tmp_path: Path) -> Path:
    """A run whose averaged weights are not those of its generator."""
    weights = {
        name: 1.5 * value if "averaged.module" in name and value.is_floating_point() else value
        for name, value in content["state_dict"].items()
        if torch.is_tensor(value)
    } | {"averaged._extra_state": 48}
    return saved(tmp_path, content | {"state_dict": weights}).parents[1]


def test_a_new_run_draws_what_the_averaged_weights_of_another_drew(trained: Path) -> None:
    origin = checkpoint.load(trained).system
    system, beginning = begun(trained, *NARROW)
    z = latents_of(range(8), origin.latent_dim)
    assert torch.equal(system.eval()(z), origin(z))
    for name, value in origin.averaged.module.state_dict().items():
        assert torch.equal(system.generator.state_dict()[name], value)
    for name, value in origin.discriminator.state_dict().items():
        assert torch.equal(system.discriminator.state_dict()[name], value)
    assert all(weight.requires_grad for weight in system.generator.parameters())
    assert not any(weight.requires_grad for weight in system.averaged.parameters())
    assert (system.images_seen, system.averaged.images_seen, beginning.images_seen) == (0, 0, 48)
    assert [each.share for each in beginning.networks] == [1, 1]


def test_a_checkpoint_can_be_named_by_its_path(trained: Path) -> None:
    best = (trained / "checkpoints" / "last.ckpt").rename(trained / "checkpoints" / "best.ckpt")
    assert begun(best, *NARROW)[1].checkpoint == str(best)
    with pytest.raises(ValueError, match=re.escape("last.ckpt. Type the folder of a run")):
        checkpoint.load_origin(trained)


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
