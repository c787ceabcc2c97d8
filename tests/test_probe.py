"""A short timed run: it measures, and it leaves nothing behind."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from darkroom import config
from darkroom.data import ImageData
from darkroom.probe import Estimate, probe
from tests.composed import composed
from tests.conftest import Run

SECONDS = 0.5


def small(model: str, *overrides: str) -> tuple[DictConfig, ImageData]:
    networks = {"gan": ("generator", "discriminator"), "vae": ("network",)}[model]
    widths = [f"model.{network}.width=4" for network in networks]
    tree = composed("train", f"model={model}", "trainer.accelerator=cpu", *widths, *overrides)
    assert config.problems(tree) == []
    data = config.build(tree.data)
    data.setup()
    return tree, data


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_the_time_of_a_run_is_estimated_in_about_the_time_asked_for(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree, data = small(model)
    began = time.perf_counter()
    estimate = probe(tree, data, SECONDS)
    assert SECONDS < time.perf_counter() - began < SECONDS + 20  # on a busy machine
    assert math.isfinite(estimate.images_per_second)
    assert estimate.images_per_second > 0
    assert estimate.seconds == pytest.approx(270_000 / estimate.images_per_second)
    assert estimate.memory_bytes > 2**20
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_would_end_at_once_is_timed_as_well() -> None:
    estimate = probe(*small("vae", "trainer.max_images=1"), SECONDS)
    assert 0 < estimate.seconds < SECONDS


def test_the_training_that_follows_is_not_changed(run: Callable[..., Run]) -> None:
    before = run("gan", 64).system.state_dict()
    tree, data = small("gan")
    generator, fingerprint = torch.get_rng_state(), data.training.fingerprint()
    probe(tree, data, 0.01)
    assert torch.equal(torch.get_rng_state(), generator)
    assert data.training.fingerprint() == fingerprint
    after = run("gan", 64).system.state_dict()
    for name, value in before.items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(after[name])), name


def test_what_would_not_run_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.batch_size=100000 is larger than the training"):
        probe(*small("vae", "data.batch_size=100000"), SECONDS)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (
            Estimate(1234.4, 60 * 89, 3 << 30),
            "about 89 min here, at 1,234 images/s; 3.0 GiB of memory",
        ),
        (Estimate(0.5, 60 * 90, 1 << 29), "about 1.5 h here, at 0.5 images/s; 0.5 GiB of memory"),
    ],
)
def test_an_estimate_reads_well(estimate: Estimate, text: str) -> None:
    assert str(estimate) == text
