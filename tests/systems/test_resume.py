"""A resumed run is the uninterrupted run, bit for bit."""

from pathlib import Path

import pytest
import torch

from darkroom.augmentation import Wobble
from darkroom.callbacks import Checkpoints
from tests.conftest import BATCH_SIZE

STEPS = 8  # more than two passes over the 58 training images


def everything(run) -> dict[str, torch.Tensor]:
    """All tensors of a run: weights, averages, and both optimizers' moments."""
    found = {k: v for k, v in run.system.state_dict().items() if torch.is_tensor(v)}
    for k, optimizer in enumerate(run.trainer.optimizers):
        for parameter, state in optimizer.state_dict()["state"].items():
            found |= {f"optimizer {k} {parameter} {name}": v for name, v in state.items()}
    return found


@pytest.mark.parametrize("model", ["gan", "vae"])
@pytest.mark.parametrize("resident", [True, False])
def test_run_stopped_after_any_step_ends_bit_equal(model, resident, run, tmp_path: Path):
    options = {
        "data": {"resident": resident, "augmentation": [Wobble()]},
        "validate_every": 3 * BATCH_SIZE,
    }
    whole = run(model, images=STEPS * BATCH_SIZE, **options)
    expected = everything(whole)
    for stop in range(1, STEPS):
        run(model, images=stop * BATCH_SIZE, callbacks=(Checkpoints(every=1),), **options)
        torch.manual_seed(stop)  # the state of the global generator must not matter
        last = tmp_path / "checkpoints" / "last.ckpt"
        resumed = run(model, images=STEPS * BATCH_SIZE, resume=last, **options)
        got = everything(resumed)
        assert got.keys() == expected.keys()
        different = [name for name in expected if not torch.equal(got[name], expected[name])]
        assert not different, f"stopped after step {stop}"
        assert resumed.system.images_seen == STEPS * BATCH_SIZE


def test_workers_change_nothing(run):
    ends = [
        everything(run("gan", images=64, data={"augmentation": [Wobble()], **loading}))
        for loading in ({}, {"resident": False}, {"resident": False, "num_workers": 2})
    ]
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name
        assert torch.equal(value, ends[2][name]), name


def test_best_score_survives_a_resumption(run, tmp_path: Path):
    class Scripted(Checkpoints):
        pass

    callback = Scripted(every=1, monitor="score")
    callback.best = 0.25
    run("gan", images=16, callbacks=(callback,))
    fresh = Scripted(every=1, monitor="score")
    run("gan", images=32, callbacks=(fresh,), resume=tmp_path / "checkpoints" / "last.ckpt")
    assert fresh.best == 0.25
