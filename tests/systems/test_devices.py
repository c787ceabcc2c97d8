"""Two processes train what one would have trained."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from darkroom.cli import CONF
from tests.systems import models
from tests.systems.ranks import witnessed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two processes have trained all models."""
    folder = tmp_path_factory.mktemp("two")
    script = ROOT / "tests" / "systems" / "ranks.py"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, str(script), str(folder)], env=environment, check=True, timeout=300
    )
    return folder


@pytest.fixture(scope="module", params=[*models.TYPED, *models.OTHERS])
def model(request):
    with models.known():
        yield request.param


@pytest.fixture(scope="module")
def ranks(two, model):
    return [torch.load(two / model / f"rank{k}.pt", weights_only=True) for k in range(2)]


@pytest.fixture(scope="module")
def one(model, tmp_path_factory):
    """What one process trains, in this one."""
    return witnessed(tmp_path_factory.mktemp("one"), model)


def assert_close(got, expected):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-6, atol=1e-8, msg=name)


def test_no_model_of_conf_is_left_out():
    there = {path.stem for path in (CONF / "model").glob("*.yaml")}
    assert there <= models.TYPED.keys() | models.WIDER.keys()


def test_ranks_share_the_batch_and_never_a_latent(one, ranks):
    first, second = (rank["whole"] for rank in ranks)
    for step, whole in enumerate(one["noise"]):
        mine, yours = first["noise"][step], second["noise"][step]
        assert not torch.equal(mine, yours)
        assert torch.equal(torch.cat([mine, yours]), whole)
    for step, whole in enumerate(one["indices"]):
        assert torch.equal(torch.cat([first["indices"][step], second["indices"][step]]), whole)


def test_every_held_out_image_is_seen_once(one, ranks):
    seen = [index for rank in ranks for batch in rank["whole"]["held_out"] for index in batch]
    expected = [index for batch in one["held_out"] for index in batch]
    assert sorted(seen) == sorted(expected)
    passes = 2 if "validation/negative_elbo" in one["logged"] else 0  # a GAN has no such loss
    assert len(expected) == passes * len(set(map(int, expected)))


def test_ranks_end_bit_equal(ranks):
    first, second = (rank["whole"]["tensors"] for rank in ranks)
    own = {name for name in first if "running_" in name}  # batch norm sees its own share
    assert [n for n in first.keys() - own if not torch.equal(first[n], second[n])] == []


def test_two_processes_give_one_processs_weights(model, one, ranks):
    whole = ranks[0]["whole"]
    if model in models.BATCH_NORM:  # it sees half a batch at a time: the shapes agree
        assert whole["tensors"].keys() == one["tensors"].keys()
        assert any("running_mean" in name for name in one["tensors"])
        return
    assert not any("running_" in name for name in one["tensors"])
    assert_close(whole["tensors"], one["tensors"])
    for rank in ranks:
        assert rank["whole"]["logged"] == pytest.approx(one["logged"], rel=1e-6)


def test_two_processes_resume_bit_equal(ranks):
    for number, rank in enumerate(ranks):
        whole, resumed = rank["whole"]["tensors"], rank["resumed"]["tensors"]
        assert whole.keys() == resumed.keys()
        different = {name for name in whole if not torch.equal(whole[name], resumed[name])}
        # a checkpoint has the first one's batch norm; nobody looks at the statistics of the others
        assert not {name for name in different if number == 0 or "running_" not in name}


def test_one_process_resumes_what_two_began(model, one, two, tmp_path):
    last = two / model / "stopped" / "checkpoints" / "last.ckpt"
    resumed = witnessed(tmp_path, model, resume=last)
    if model not in models.BATCH_NORM:
        assert_close(resumed["tensors"], one["tensors"])
    assert resumed["tensors"].keys() == one["tensors"].keys()


@pytest.mark.promise(
    "Each process of a run has a folder of its own, as torchrun and srun give them by default.",
    "All of them are refused before they train, and told to type one folder.",
)
def test_processes_with_folders_of_their_own_are_refused(two):
    for rank in range(2):
        said = (two / f"own{rank}" / "refusal").read_text()
        assert f"Process {rank} of 2 has {two}/own{rank} as the run's folder" in said
        assert f"the first one has {two}/own0" in said
        assert "Type hydra.run.dir=<folder>, the same for all." in said
    assert not list(two.glob("own*/checkpoints"))
