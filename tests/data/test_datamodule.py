import gzip
import struct
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from darkroom.augmentation import HorizontalFlip, Wobble
from darkroom.data import CIFAR10, MNIST, Digits, FashionMNIST, Folder, datasets
from darkroom.images import to_float


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


def test_the_split_keeps_every_image_on_one_side_and_depends_on_the_seed_alone():
    data, again, other = (digits(seed=seed, validation=0.2) for seed in (0, 0, 1))
    for each in (data, again, other):
        each.setup()
    assert (len(data.training), len(data.held_out)) == (40, 10)
    everything = torch.cat([data.training.pixels, data.held_out.pixels]).flatten(1)
    read = Digits(resolution=8, channels=1).read()
    whole = read.pixels[datasets.spread(len(read), 50)].flatten(1)
    assert torch.equal(everything.sort(dim=0).values, whole.sort(dim=0).values)
    assert data.held_out.fingerprint() == again.held_out.fingerprint()
    assert data.held_out.fingerprint() != other.held_out.fingerprint()


def test_images_take_the_resolution_and_channels_asked_for():
    data = digits(resolution=20, channels=3)
    data.setup()
    assert data.training.pixels.shape[1:] == data.held_out.pixels.shape[1:] == (3, 20, 20)
    assert data.num_classes == 10


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loading_image_by_image_gives_the_batches_of_resident_images(num_workers):
    resident = attach(digits(), images_seen=16)
    loaded = attach(digits(resident=False, num_workers=num_workers), images_seen=16)
    batches = list(resident.train_dataloader())
    assert len(batches) == 5
    for expected, batch in zip(batches, loaded.train_dataloader(), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(expected, batch, strict=True))


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
    [("validation", 0), ("validation", 1), ("batch_size", 0), ("channels", 5), ("limit", 0)],
)
def test_an_impossible_option_is_refused_by_name(option, value):
    with pytest.raises(ValueError, match=rf"data\.{option}={value}: type"):
        digits(**{option: value})


def test_a_split_that_leaves_one_side_empty_is_refused():
    with pytest.raises(ValueError, match=r"data\.validation=0\.1 of 3 images"):
        digits(limit=3).setup()


def test_a_folder_is_read_at_the_resolution_and_channels_asked_for(tmp_path):
    for shade in range(10):
        Image.new("L", (30, 20), shade).save(tmp_path / f"{shade}.png")
    data = Folder(str(tmp_path), resolution=16, channels=3, limit=8, validation=0.25)
    data.setup()
    assert data.training.pixels.shape == (6, 3, 16, 16)
    shades = torch.cat([data.training.pixels, data.held_out.pixels])[:, 0, 0, 0]
    assert sorted(shades.tolist()) == [0, 1, 2, 3, 5, 6, 7, 8]  # spread over all ten
    assert data.num_classes == 0


@pytest.mark.parametrize(("ending", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_fashion_is_found_in_the_layout_of_torchvision(ending, pack, tmp_path):
    write_fashion(tmp_path / "FashionMNIST" / "raw", ending, pack)
    data = FashionMNIST(str(tmp_path), resolution=28, channels=1)
    data.setup()
    assert data.training.pixels.shape == (18, 1, 28, 28)
    assert data.num_classes == 10


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
