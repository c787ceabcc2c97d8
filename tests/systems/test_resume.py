"""A resumed run is the uninterrupted run, bit for bit."""

from itertools import product
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from darkroom.augmentation import Wobble
from darkroom.callbacks import Checkpoints
from darkroom.data import Folder
from darkroom.data.stream import ResidentLoader
from tests.conftest import BATCH_SIZE
from tests.pictures import album

STEPS = 8  # more than two passes over the 58 training images


def everything(run) -> dict[str, torch.Tensor]:
    """All tensors of a run: weights, averages, and both optimizers' moments."""
    found = {k: v for k, v in run.system.state_dict().items() if torch.is_tensor(v)}
    for k, optimizer in enumerate(run.trainer.optimizers):
        for parameter, state in optimizer.state_dict()["state"].items():
            found |= {f"optimizer {k} {parameter} {name}": v for name, v in state.items()}
    return found


@pytest.fixture
def folder(tmp_path: Path):
    """Options of a run on files that are decoded into a pack."""
    root = album(tmp_path / "images", n=64, mode="L", size=(16, 16))
    return {"kind": Folder, "data": {"root": str(root), "packs": str(tmp_path / "packs")}}


def options_of(run_options, **data):
    return run_options | {"data": run_options.get("data", {}) | data}


@pytest.mark.parametrize(
    ("model", "source", "resident"),
    [
        *product(("gan", "vae"), ("digits", "folder"), (True, False)),
        ("modern", "digits", True),
        ("adaptive", "digits", True),
    ],
)
@pytest.mark.promise(
    "A run stops after any step and is resumed: in any epoch, with augmentation, schedules and ADA",
    "It ends with the weights, averages and moments of an uninterrupted one, bit for bit.",
)
def test_run_stopped_after_any_step_ends_bit_equal(
    model, resident, source, folder, run, tmp_path: Path
):
    options = options_of(
        folder if source == "folder" else {}, resident=resident, augmentation=[Wobble()]
    ) | {"validate_every": 3 * BATCH_SIZE}
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


@pytest.mark.promise("Another number of worker processes", "The same weights, bit for bit.")
@pytest.mark.parametrize("model", ["gan", "vae"])
@pytest.mark.parametrize("source", ["digits", "folder"])
def test_where_batches_come_from_changes_no_weight(model, source, folder, run):
    options = folder if source == "folder" else {}
    runs = [
        run(model, images=8 * BATCH_SIZE, **options_of(options, augmentation=[Wobble()], **loading))
        for loading in (
            {"resident": True},
            {"resident": "auto"},
            {"resident": False},
            {"resident": False, "num_workers": 2},
        )
    ]
    loaders = [type(each.trainer.train_dataloader) for each in runs]
    assert loaders == [ResidentLoader, ResidentLoader, DataLoader, DataLoader]
    expected, *ends = map(everything, runs)
    assert len(expected) > 50
    for end in ends:
        assert [name for name in expected if not torch.equal(expected[name], end[name])] == []


def test_best_score_survives_a_resumption(run, tmp_path: Path):
    class Scripted(Checkpoints):
        pass

    callback = Scripted(every=1, monitor="score")
    callback.best = 0.25
    run("gan", images=16, callbacks=(callback,))
    fresh = Scripted(every=1, monitor="score")
    run("gan", images=32, callbacks=(fresh,), resume=tmp_path / "checkpoints" / "last.ckpt")
    assert fresh.best == 0.25
