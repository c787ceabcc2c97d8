"""Weights leave as safetensors, and come back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from darkroom import config
from darkroom.exporting import load
from darkroom.sampling import drawn
from darkroom.systems import VAE
from darkroom.verbs.export import export
from tests.composed import composed
from tests.exporting.exported import opened, run_of

MODELS = {
    "gan": ("model=gan", "data.num_classes=3"),
    "sigma_vae": ("model=sigma_vae",),
    "vq_vae": ("model=vq_vae", "model.network.downsampling=8"),
    "vae_gan": ("model=vae_gan", "init_from=any"),
    "learned": ("model=vae", "model/likelihood=learned_gaussian", "model/prior=flow_matching"),
}


def safetensors_of(run: Path) -> Path:
    """The folder that export.py writes."""
    tree = composed("export", f"run={run}")
    config.check(tree)
    export(tree, "safetensors")
    return run / "exported" / "safetensors"


@pytest.mark.parametrize("name", MODELS)
def test_what_comes_back_draws_the_same_images_to_the_last_bit(tmp_path: Path, name: str) -> None:
    run = run_of(tmp_path, *MODELS[name])
    system = opened(run)[0].system
    back = load(safetensors_of(run))
    assert (back.images_seen, back.system.images_seen) == (48, 48)
    seeds = range(5)
    mine, theirs = (torch.cat(list(drawn(each, seeds))) for each in (system, back.system))
    assert torch.equal(mine, theirs)
    assert len(mine.flatten(1).unique(dim=0)) == len(seeds)
    if isinstance(system, VAE):
        assert isinstance(back.system, VAE)
        images = system(torch.ones(3, system.latent_dim))
        assert torch.equal(system.encode(images), back.system.encode(images))
        decoded = system.developer.decode(torch.ones(3, system.developer.latent_dim))
        assert torch.equal(
            system.likelihood.log_prob(decoded, images),
            back.system.likelihood.log_prob(decoded, images),
        )


def test_only_averaged_weights_leave_and_no_discriminator(tmp_path: Path) -> None:
    run = run_of(tmp_path, *MODELS["gan"])
    averaged = opened(run)[0].system.averaged.module.state_dict()
    with safe_open(safetensors_of(run) / "model.safetensors", "pt") as file:
        names = set(file.keys())
        assert names == {f"generator.{name}" for name in averaged} | {"class_shares"}
        for name, value in averaged.items():
            assert torch.equal(file.get_tensor(f"generator.{name}"), value)
        told = file.metadata()
    assert told["model"] == "GAN"
    assert config.problems(config.parse(told["config"])) == []


def flipped(folder: Path) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def truncated(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize("damage", [flipped, truncated])
@pytest.mark.promise(
    "a byte of exported weights is flipped, or the file is cut off",
    "They are refused by their SHA-256.",
)
def test_damaged_weights_are_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = safetensors_of(run_of(tmp_path, *MODELS["gan"]))
    damage(folder)
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = safetensors_of(run_of(tmp_path, *MODELS["gan"]))
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name} is not there"):
        load(folder)


def changed(folder: Path, name: str, value: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))


@pytest.mark.promise(
    "the config beside exported weights names a class that is not darkroom's",
    "It is refused before anything is imported.",
)
def test_a_strangers_config_is_checked(tmp_path: Path) -> None:
    folder = safetensors_of(run_of(tmp_path, *MODELS["gan"]))
    text = json.loads((folder / "config.json").read_text())["config"]
    changed(folder, "config", text.replace("darkroom.systems.GAN", "subprocess.Popen"))
    with pytest.raises(ValueError, match="is not allowed"):
        load(folder)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    folder = safetensors_of(run_of(tmp_path / "a", *MODELS["gan"]))
    other = safetensors_of(run_of(tmp_path / "b", *MODELS["gan"], "model.generator.latent_dim=7"))
    changed(folder, "config", json.loads((other / "config.json").read_text())["config"])
    with pytest.raises(ValueError, match="of another architecture than the config: generator"):
        load(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": 3}'])
def test_a_file_that_is_no_config_is_refused(tmp_path: Path, content: str) -> None:
    folder = safetensors_of(run_of(tmp_path, *MODELS["gan"]))
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json is no config of darkroom's"):
        load(folder)
