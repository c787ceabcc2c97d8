import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from darkroom.augmentation import Wobble
from darkroom.callbacks import Checkpoints
from darkroom.data import Streaming, datasets
from darkroom.data.shards import write
from darkroom.data.stream import Dealt
from darkroom.data.streaming import Fetching
from tests.conftest import BATCH_SIZE
from tests.data.test_datamodule import attach

ROOT = Path(__file__).parents[2]
CHUNKS = {"window": 3, "ahead": 1, "cache_chunks": 5}


@pytest.fixture
def digits():
    """100 digits of 16x16 pixels."""
    images = datasets.digits()
    return images.subset(datasets.spread(len(images), 100)).formed((16, 16), 1)


@pytest.fixture
def root(digits, tmp_path):
    """Shards of 58 images for training, in about 10 chunks, and of 42 for validation."""
    parts = {
        "train": digits.subset(torch.arange(58)),
        "validation": digits.subset(torch.arange(58, 100)),
    }
    write(tmp_path / "shards", parts, chunk_bytes=6 * 280)
    return tmp_path / "shards"


@pytest.fixture
def streaming(root, tmp_path):
    """Makes a data module that reads the shards, through a cache or in place."""

    def make(cached=True, **options):
        address = f"local:{root}" if cached else str(root)
        settled = CHUNKS | {"cache": str(tmp_path / "cache"), "batch_size": BATCH_SIZE}
        return Streaming(address, **settled | options)

    return make


def batches(data, steps):
    """(epoch, index) of the coming images, over as many Lightning epochs as it takes."""
    loader, found = data.train_dataloader(), []
    while len(found) < steps:
        for batch in loader:
            found.append(list(zip(batch.epochs.tolist(), batch.indices.tolist(), strict=True)))
            data.trainer.lightning_module.images_seen += data.batch_size
    return found[:steps]


def test_the_parts_are_those_that_were_written(streaming, digits):
    data = streaming()
    data.setup()
    assert (data.resolution, data.channels, len(data.training.class_names)) == (16, 1, 10)
    assert (len(data.training), len(data.held_out), len(data.test)) == (58, 42, 0)
    assert data.test.shape == (1, 16, 16)
    assert data.held_out.fingerprint() == digits.subset(torch.arange(58, 100)).fingerprint()
    training = data.training
    data.setup("validate")
    assert data.training is training


def test_a_part_for_the_test_is_there_if_it_was_written(digits, tmp_path):
    parts = {name: digits.subset(torch.arange(n)) for n, name in ((9, "train"), (8, "validation"))}
    write(tmp_path / "set", parts | {"test": digits.subset(torch.arange(7))})
    data = Streaming(f"{tmp_path / 'set'}/")
    data.setup()
    assert data.test.fingerprint() == digits.subset(torch.arange(7)).fingerprint()


def test_height_and_width_are_settled(digits, tmp_path):
    oblong = digits.formed((8, 12), 3)
    write(tmp_path / "set", {"train": oblong, "validation": oblong})
    data = Streaming(str(tmp_path / "set"))
    data.setup()
    assert (data.resolution, data.channels) == ([8, 12], 3)
    Streaming(str(tmp_path / "set"), resolution=[8, 12], channels=3).setup()


@pytest.mark.parametrize(("option", "value"), [("resolution", 32), ("channels", 3)])
def test_other_shapes_than_that_of_the_shards_are_refused(option, value, streaming):
    data = streaming(**{option: value})
    for _ in range(2):
        with pytest.raises(
            ValueError, match=rf"{option}={value}.* have 16x16 pixels and 1 ch.*auto"
        ):
            data.setup()


@pytest.mark.parametrize(
    ("option", "value"), [("limit", 9), ("validation", 0.2), ("resident", True)]
)
def test_what_is_settled_when_shards_are_written_is_refused(option, value, streaming):
    with pytest.raises(ValueError, match=re.escape(f"data.{option}={value}: shards are streamed")):
        streaming(**{option: value})
    streaming(**{option: None})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window=0 .* at least 1"),
        ({"ahead": -1}, "ahead=-1: .* and 0"),
        ({"cache_chunks": 4}, "cache_chunks=4 has no room for .* Type data.cache_chunks=5"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options, message, streaming):
    with pytest.raises(ValueError, match=message):
        streaming(**options)


def test_shards_that_are_not_there_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"data\.root: no shards in .*none/train"):
        Streaming(str(tmp_path / "none")).setup()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_two_ranks_share_a_cache_and_see_each_image_once_in_an_epoch(num_workers, streaming):
    ranks = [
        attach(streaming(num_workers=num_workers), rank=rank, world_size=2) for rank in range(2)
    ]
    steps = 58 * 4 // BATCH_SIZE
    shares = [batches(data, steps) for data in ranks]
    together = [p for parts in zip(*shares, strict=True) for part in parts for p in part]
    for epoch in range(3):
        drawn = together[epoch * 58 : (epoch + 1) * 58]
        assert sorted(drawn) == [(epoch, index) for index in range(58)]
    assert together == [p for part in batches(attach(streaming(False)), steps) for p in part]
    chunks = list(ranks[0].training.store.folder.glob("chunk-*"))
    assert 0 < len(chunks) <= 5


def test_the_stream_goes_on_at_any_place(streaming):
    whole = batches(attach(streaming()), 12)
    for step in range(12):
        data = attach(streaming(cached=False), images_seen=step * BATCH_SIZE)
        assert batches(data, 12 - step) == whole[step:]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_the_images_and_labels_that_were_written(num_workers, streaming):
    data = attach(streaming(num_workers=num_workers))
    loader = data.train_dataloader()
    assert isinstance(loader, DataLoader)
    plain = streaming(cached=False)
    plain.setup()
    whole = plain.training.to(torch.device("cpu"))
    for batch in loader:
        assert torch.equal(batch.images, whole.pixels[batch.indices])
        assert torch.equal(batch.labels, whole.labels[batch.indices])
    drawn = torch.cat([batch.images for batch in data.val_dataloader()])
    assert torch.equal(drawn, data.held_out.first(42))


def test_chunks_are_fetched_before_their_turn_and_once():
    dealt, fetched, done = Dealt([4] * 10, 3, 0), [], threading.Event()

    def bring(chunk):
        if done.wait(5):  # not if this has to be waited for
            fetched.append(chunk)

    order = Fetching(dealt, 2, bring)
    for place in range(0, 12, 4):
        places = torch.arange(place, place + 4)
        for mine, plain in zip(order.pick(places), dealt.pick(places), strict=True):
            assert torch.equal(mine, plain)  # though nothing has been fetched yet
    done.set()
    for thread in threading.enumerate():
        if thread.daemon and "_fetch" in thread.name:
            thread.join()
    assert len(fetched) == len(set(fetched))
    assert set(fetched) == {chunk for place in (3, 7, 11) for chunk in dealt.coming(place, 2)}


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_cannot_be_fetched_beforehand_is_told_where_it_is_needed(streaming, root):
    data = attach(streaming(num_workers=0))
    for path in root.glob("train/chunk-*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"train/chunk-0-\d\.bin cannot be fetched"):
        next(iter(data.train_dataloader()))


def everything(run):
    """All tensors of a run: weights, averages, and the optimizers' moments."""
    found = {k: v for k, v in run.system.state_dict().items() if torch.is_tensor(v)}
    for number, optimizer in enumerate(run.trainer.optimizers):
        for parameter, state in optimizer.state_dict()["state"].items():
            found |= {f"optimizer {number} {parameter} {name}": v for name, v in state.items()}
    return found


def different(run, other):
    one, two = everything(run), everything(other)
    assert one.keys() == two.keys()
    assert len(one) > 50
    return [name for name in one if not torch.equal(one[name], two[name])]


@pytest.fixture
def options(root, tmp_path):
    """What a run takes to read the shards, through the cache or in place."""

    def make(cached=True, **data):
        settled = {"root": f"local:{root}" if cached else str(root), "limit": None} | CHUNKS
        more = {"cache": str(tmp_path / "cache"), "augmentation": [Wobble()]}
        return {"kind": Streaming, "data": settled | more | data, "validate_every": 48}

    return make


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_where_shards_come_from_changes_no_weight(model, options, run):
    images = 8 * BATCH_SIZE
    plain = run(model, images, **options(cached=False))
    for data in ({}, {"num_workers": 2}):
        assert different(plain, run(model, images, **options(**data))) == []
    assert different(plain, run(model, images, **options(window=2))) != []


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("model", ["gan", "vae"])
def test_a_run_stopped_in_the_midst_ends_bit_equal(model, num_workers, options, run, tmp_path):
    settled = options(num_workers=num_workers)
    whole = run(model, 8 * BATCH_SIZE, **settled)
    for stop in (3, 4):  # in the first pass over the 58 images, and at its end
        run(model, stop * BATCH_SIZE, callbacks=(Checkpoints(every=1),), **settled)
        last = tmp_path / "checkpoints" / "last.ckpt"
        assert different(whole, run(model, 8 * BATCH_SIZE, resume=last, **settled)) == []


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [0, 2])
def test_two_processes_train_on_each_image_once_in_an_epoch(num_workers, root, tmp_path):
    script, environment = Path(__file__).with_name("ranks.py"), {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, str(script), f"local:{root}", str(tmp_path), str(num_workers)],
        env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
        check=True,
        timeout=300,
    )
    ranks = [torch.load(tmp_path / f"rank{k}.pt", weights_only=True) for k in range(2)]
    steps = [torch.cat(parts, dim=1) for parts in zip(*ranks, strict=True)]
    assert {step.shape[1] for step in steps} == {BATCH_SIZE}
    drawn = list(zip(*torch.cat(steps, dim=1).tolist(), strict=True))
    for epoch in range(3):
        part = drawn[epoch * 58 : (epoch + 1) * 58]
        assert sorted(part) == [(epoch, index) for index in range(58)]
