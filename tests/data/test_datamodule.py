import gzip
import re
import struct
from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader

from darkroom import randomness
from darkroom.augmentation import HorizontalFlip, Wobble
from darkroom.data import (
    CIFAR10,
    MNIST,
    Digits,
    FashionMNIST,
    Folder,
    Streaming,
    datamodule,
    datasets,
    shards,
)
from darkroom.data.stream import ResidentLoader
from darkroom.images import to_float
from tests.pictures import album


def attach(data, images_seen=0, rank=0, world_size=1, training=True, dtype=torch.float32):
    """Gives a data module what it asks of a trainer."""
    data.trainer = SimpleNamespace(
        lightning_module=SimpleNamespace(images_seen=images_seen, dtype=dtype),
        global_rank=rank,
        world_size=world_size,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        training=training,
    )
    data.setup()
    return data


def digits(**options):
    return Digits(**{"resolution": 8, "channels": 1, "limit": 50, "batch_size": 8} | options)


def write_fashion(folder, ending="", pack=bytes, n=20):
    folder.mkdir(parents=True)
    for name, sizes in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
        header = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
        content = header + bytes(k % 10 for k in range(torch.Size(sizes).numel()))
        (folder / f"train-{name}-ubyte{ending}").write_bytes(pack(content))


def test_the_split_keeps_every_image_on_one_side_and_depends_on_its_seed_alone():
    data, again, other = (digits(split_seed=seed, validation=0.2) for seed in (0, 0, 1))
    for each in (data, again, other):
        each.setup()
    assert (len(data.training), len(data.held_out)) == (40, 10)
    everything = torch.cat([data.training.pixels, data.held_out.pixels]).flatten(1)
    read = Digits(resolution=8, channels=1).read()
    whole = read.pixels[datasets.spread(len(read), 50)].flatten(1)
    assert torch.equal(everything.sort(dim=0).values, whole.sort(dim=0).values)
    assert data.held_out.fingerprint() == again.held_out.fingerprint()
    assert data.held_out.fingerprint() != other.held_out.fingerprint()


@pytest.mark.parametrize(("seed", "limit", "held_out"), [(0, 50, 10), (3, None, 359)])
def test_a_published_set_is_divided_as_it_always_was(seed, limit, held_out):
    """The numbers in the README, and the runs of others, are of this very division."""
    data = digits(split_seed=seed, validation=0.2, limit=limit, resolution=16)
    data.setup()
    images = datasets.digits()
    images = images.subset(datasets.spread(len(images), limit)).formed((16, 16), 1)
    order = randomness.permutation(len(images), seed, "split")
    for part, index in ((data.held_out, order[:held_out]), (data.training, order[held_out:])):
        assert torch.equal(part.pixels, images.pixels[index])
        assert torch.equal(part.labels, images.labels[index])
    assert len(data.test) == 0


def test_images_take_the_resolution_and_channels_asked_for():
    data = digits(resolution=20, channels=3)
    data.setup()
    assert data.training.pixels.shape[1:] == data.held_out.pixels.shape[1:] == (3, 20, 20)
    assert len(data.training.class_names) == 10


def test_images_take_a_height_and_a_width():
    data = digits(resolution=[12, 20], channels=3)
    data.setup()
    assert data.training.shape == data.held_out.shape == (3, 12, 20)


def test_setting_up_again_changes_nothing():
    data = digits()
    data.setup("fit")
    training = data.training
    data.setup("validate")
    assert data.training is training


@pytest.fixture(params=["memory", "pack"])
def any_data(request, tmp_path):
    """Makes a data module with images in memory, or in a pack."""
    if request.param == "memory":
        return digits
    root = album(tmp_path / "images", n=50, mode="L", size=(8, 8))

    def folder(**options):
        settled = {"resolution": 8, "channels": 1, "batch_size": 8}
        return Folder(str(root), packs=str(tmp_path / "packs"), **settled | options)

    return folder


@pytest.mark.parametrize("num_workers", [0, 2])
def test_fetched_batches_are_those_of_resident_images(any_data, num_workers):
    resident = attach(any_data(resident=True), images_seen=16)
    fetched = attach(any_data(resident=False, num_workers=num_workers), images_seen=16)
    assert isinstance(resident.train_dataloader(), ResidentLoader)
    loader = fetched.train_dataloader()
    assert isinstance(loader, DataLoader)
    assert loader.num_workers == num_workers
    for clock in (16, 56):  # both times over the end of an epoch
        for data in (resident, fetched):
            data.trainer.lightning_module.images_seen = clock
        batches = list(resident.train_dataloader())
        assert len(batches) == 5
        assert len({tuple(batch.indices.tolist()) for batch in batches}) == 5
        for expected, batch in zip(batches, loader, strict=True):
            assert type(batch) is type(expected)
            assert all(torch.equal(a, b) for a, b in zip(expected, batch, strict=True))


def test_held_out_batches_are_the_held_out_images_in_order(any_data):
    data = attach(any_data(validation=0.4))
    drawn = torch.cat([batch.images for batch in data.val_dataloader()])
    assert torch.equal(drawn, data.held_out.first(20))
    assert len(drawn) == 20


@pytest.mark.parametrize(("limit", "drawn"), [(7, 7), (20, 20), (2_000, 20), (None, 20)])
def test_of_many_held_out_images_some_stand_for_all(any_data, limit, drawn):
    data = attach(any_data(validation=0.4, validation_limit=limit))
    seen = torch.cat([batch.images for batch in data.val_dataloader()])
    assert torch.equal(seen, data.held_out.some(drawn))


@pytest.mark.parametrize(("free", "kept"), [(1, False), (45 * 64 * 4, False), (45 * 64 * 5, True)])
def test_images_are_resident_where_most_of_the_memory_stays_free(any_data, free, kept, monkeypatch):
    memory = SimpleNamespace(available=free)
    monkeypatch.setattr(datamodule.psutil, "virtual_memory", lambda: memory)
    data = attach(any_data(resident="auto"))
    assert (len(data.training), data.training.shape) == (45, (1, 8, 8))
    assert isinstance(data.train_dataloader(), ResidentLoader if kept else DataLoader)
    assert isinstance(attach(any_data(resident=True)).train_dataloader(), ResidentLoader)


@pytest.mark.parametrize("most", [45, 50_000])
def test_all_training_images_can_be_had_with_their_classes(any_data, most):
    data = any_data()
    data.setup()
    lesson = data.labelled(most)
    assert torch.equal(lesson.pixels, data.training.first(45))
    assert torch.equal(lesson.labels, data.training.labels)
    assert lesson.class_names == data.training.class_names
    assert not data.per_channel


def test_fewer_of_them_are_spread_over_the_set(any_data):
    data = any_data()
    data.setup()
    places = torch.arange(10) * 45 // 10
    lesson = data.labelled(10)
    assert torch.equal(lesson.pixels, data.training.pixels_at(places))
    assert torch.equal(lesson.labels, data.training.labels[places])


def test_of_a_set_in_chunks_only_the_first_is_fetched(tmp_path, monkeypatch):
    whole = digits(limit=300)
    whole.setup()
    parts = {"train": whole.training, "validation": whole.held_out}
    shards.write(tmp_path / "shards", parts, chunk_bytes=5000)
    data = Streaming(str(tmp_path / "shards"))
    data.setup()
    fetched = []
    mapped = shards.InPlace.mapped

    def spied(store, name, size):
        fetched.append(name)
        return mapped(store, name, size)

    monkeypatch.setattr(shards.InPlace, "mapped", spied)
    lesson = data.labelled()
    assert len(lesson) == data.training.sizes[0] < len(data.training)
    assert len(set(fetched)) == 1
    assert torch.equal(lesson.pixels, data.training.first(len(lesson)))
    assert lesson.class_names == tuple("0123456789")
    assert len(data.labelled(7)) == 7


@pytest.mark.parametrize("resident", [True, False])
def test_training_goes_on_where_the_clock_stands(resident):
    data = attach(digits(resident=resident))
    loader = data.train_dataloader()
    second = list(loader)[1]
    data.trainer.lightning_module.images_seen = 8
    assert torch.equal(next(iter(loader)).indices, second.indices)


@pytest.mark.parametrize("name", ["train_dataloader", "val_dataloader"])
def test_devices_share_a_batch(name):
    shares = [getattr(attach(digits(), rank=rank, world_size=2), name)() for rank in range(2)]
    whole = getattr(attach(digits()), name)()
    drawn = [torch.cat([b.indices for b in parts]) for parts in zip(*shares, strict=True)]
    assert torch.equal(torch.cat(drawn), torch.cat([batch.indices for batch in whole]))


@pytest.mark.parametrize("training", [True, False])
def test_on_the_device_pixels_become_floats_and_only_training_images_are_augmented(training):
    data = attach(digits(augmentation=[HorizontalFlip(1)]), training=training)
    batch = next(iter(data.train_dataloader()))
    moved = data.on_after_batch_transfer(batch, 0)
    expected = to_float(batch.images)
    assert torch.equal(moved.images, expected.flip(3) if training else expected)
    assert torch.equal(moved.indices, batch.indices)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_images_reach_the_system_in_its_precision_augmented_in_single(dtype):
    single, other = (
        data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0).images
        for data in (
            attach(digits(augmentation=[Wobble()]), dtype=t) for t in (torch.float32, dtype)
        )
    )
    assert torch.equal(other, single.to(dtype))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("validation", 0),
        ("validation", 1),
        ("validation_limit", 0),
        ("batch_size", 0),
        ("channels", 0),
        ("channels", 5),
        ("limit", 0),
        ("resolution", 0),
        ("resolution", [16, -1]),
        ("resolution", [16]),
        ("resolution", [16, 16, 3]),
    ],
)
def test_an_impossible_option_is_refused_by_name(option, value):
    with pytest.raises(ValueError, match=re.escape(f"data.{option}={value}: type")):
        digits(**{option: value})


def test_a_split_that_leaves_one_side_empty_is_refused():
    with pytest.raises(ValueError, match=r"data\.validation=0\.1 of 3 images"):
        digits(limit=3).setup()


@pytest.mark.parametrize(("ending", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_fashion_is_found_in_the_layout_of_torchvision(ending, pack, tmp_path):
    write_fashion(tmp_path / "FashionMNIST" / "raw", ending, pack)
    data = FashionMNIST(str(tmp_path), resolution=28, channels=1)
    data.setup()
    assert data.training.pixels.shape == (18, 1, 28, 28)
    assert len(data.training.class_names) == 10


def test_fashion_is_found_elsewhere_too(tmp_path, monkeypatch):
    write_fashion(tmp_path / "debian", ".gz", gzip.compress)
    monkeypatch.setattr(FashionMNIST, "elsewhere", (tmp_path / "debian",))
    assert len(FashionMNIST(str(tmp_path), resolution=28, channels=1).read()) == 20


@pytest.mark.parametrize(
    ("kind", "place"), [(MNIST, "MNIST/raw"), (CIFAR10, "cifar-10-batches-py")]
)
def test_a_missing_data_set_is_told_all_ways_to_get_it(kind, place, tmp_path):
    data = kind(str(tmp_path), resolution=32, channels=1)
    data.prepare_data()
    with pytest.raises(ValueError, match=f"{kind.__name__} is not there") as error:
        data.setup()
    assert f"put its files into {tmp_path / place}" in str(error.value)
    assert "data.download=true" in str(error.value)
