"""Two processes train what one would have trained."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def ranks(model: str, devices: int, folder: Path) -> list[dict]:
    script = ROOT / "tests" / "systems" / "ranks.py"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, str(script), model, str(devices), str(folder)],
        env=environment,
        check=True,
        timeout=300,
    )
    return [torch.load(folder / f"rank{k}.pt", weights_only=True) for k in range(devices)]


@pytest.fixture(
    scope="module", params=["gan", "modern", "adaptive", "vae", "mixture", "flow_matching"]
)
def one_and_two(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (one,) = ranks(request.param, 1, folder / "one")
    return request.param, one, ranks(request.param, 2, folder / "two")


def test_ranks_share_the_batch_and_never_a_latent(one_and_two):
    _, one, two = one_and_two
    for step, whole in enumerate(one["noise"]):
        first, second = (rank["noise"][step] for rank in two)
        assert not torch.equal(first, second)
        assert torch.equal(torch.cat([first, second]), whole)
    for step, whole in enumerate(one["indices"]):
        assert torch.equal(torch.cat([rank["indices"][step] for rank in two]), whole)


def test_ranks_end_with_the_same_trained_weights(one_and_two):
    _, _, (first, second) = one_and_two
    for name, weight in first["weights"].items():
        if "running_" not in name:  # each rank's batch norm sees its own share
            assert torch.equal(weight, second["weights"][name]), name


def test_two_processes_give_one_processs_weights(one_and_two):
    model, one, (first, _) = one_and_two
    if model in ("gan", "adaptive"):  # batch norm sees half a batch at a time: the shapes agree
        assert first["weights"].keys() == one["weights"].keys()
        return
    for name, weight in one["weights"].items():
        torch.testing.assert_close(first["weights"][name], weight, rtol=1e-6, atol=1e-8)
    assert one["validated"].keys() == first["validated"].keys()
    for name, value in one["validated"].items():
        assert first["validated"][name] == pytest.approx(value, rel=1e-6), name
