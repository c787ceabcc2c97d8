import gzip
import pickle
import struct
from hashlib import blake2b
from math import prod
from typing import NamedTuple

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.transforms.v2 import functional as transforms

from darkroom import randomness
from darkroom.data import datasets
from darkroom.data.datasets import ArraySet, PackedSet, with_channels
from darkroom.intake.pack import Pack, Reading

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([2, 0, 1], dtype=np.uint8)


def idx_bytes(array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def random_pixels(channels, n=2, side=6):
    generator = torch.Generator().manual_seed(channels)
    shape = (n, channels, side, side)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


class Both(NamedTuple):
    """The same images, in memory and in a pack."""

    memory: ArraySet
    disk: PackedSet


def pack_of(folder, shape, number):
    """A pack of black images that takes no time to make, and no room on the disk."""
    with (folder / "pixels.u8").open("wb") as file:
        file.truncate(number * prod(shape))
    pack = Pack(folder, Reading(shape[1:], shape[0]), [])
    labels = torch.zeros(number, dtype=torch.long)
    return PackedSet(pack, torch.arange(number), [""] * number, labels)


@pytest.fixture
def both(tmp_path):
    pixels, labels, names = random_pixels(3, n=5), torch.tensor([0, 1, 2, 0, 2]), ("a", "b", "c")
    rows = torch.tensor([6, 1, 2, 0, 4])  # as if row 3 and 5 could not be read
    content = np.zeros((7, 3, 6, 6), np.uint8)
    content[rows] = pixels.numpy()
    (tmp_path / "pixels.u8").write_bytes(content.tobytes())
    records = [{"pixels": blake2b(c.tobytes(), digest_size=16).hexdigest()} for c in content]
    disk = PackedSet(
        Pack(tmp_path, Reading((6, 6), 3), records),
        rows,
        [f"{k}.png" for k in range(5)],
        labels,
        names,
        ["train", "train", None, "test", "validation"],
        ["x", None, "x", "y", "z"],
    )
    return Both(ArraySet(pixels, labels, names), disk)


def test_digits_are_1797_grey_images_of_ten_classes_with_full_contrast():
    digits = datasets.digits()
    assert digits.pixels.shape == (1797, 1, 8, 8)
    assert (digits.pixels.min(), digits.pixels.max()) == (0, 255)
    assert digits.labels.unique().tolist() == list(range(10))
    assert len(digits.class_names) == 10


def test_digits_are_those_that_scikit_learn_loads():
    ours, theirs = datasets.digits(), load_digits()
    assert torch.equal(ours.pixels[:, 0], torch.from_numpy(theirs.images * 255 / 16).round().byte())
    assert torch.equal(ours.labels, torch.from_numpy(theirs.target).long())


@pytest.mark.parametrize(("ending", "pack"), [("", bytes), (".gz", gzip.compress)])
def test_idx_files_are_read_plain_and_gzipped(ending, pack, tmp_path):
    images, labels = tmp_path / f"images{ending}", tmp_path / f"labels{ending}"
    images.write_bytes(pack(idx_bytes(IMAGES)))
    labels.write_bytes(pack(idx_bytes(LABELS)))
    read = datasets.idx(images, labels, ["a", "b", "c"])
    assert torch.equal(read.pixels, torch.from_numpy(IMAGES)[:, None])
    assert torch.equal(read.labels, torch.from_numpy(LABELS).long())
    assert read.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty", b""),
        ("cut in the header", idx_bytes(IMAGES)[:6]),
        ("cut in the values", idx_bytes(IMAGES)[:-1]),
        ("too long", idx_bytes(IMAGES) + b"\0"),
        ("of integers", b"\0\0\x0c" + idx_bytes(IMAGES)[3:]),
        ("of labels", idx_bytes(LABELS)),
        ("cut.gz", gzip.compress(idx_bytes(IMAGES))[:-9]),
        ("scrambled.gz", gzip.compress(idx_bytes(IMAGES))[:10] + b"\xff" * 20),
        ("web page.gz", b"<html>404</html>"),
        ("flipped.gz", gzip.compress(idx_bytes(IMAGES))[:-8] + bytes(8)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_idx_file_is_refused_by_name(name, content, tmp_path):
    images, labels = tmp_path / name, tmp_path / "labels"
    images.write_bytes(content)
    labels.write_bytes(idx_bytes(LABELS))
    with pytest.raises(ValueError, match=f"{name} is no IDX file .* Fetch it again"):
        datasets.idx(images, labels, [])


@pytest.mark.parametrize("kind", [list, torch.tensor])
def test_a_batch_is_named_by_epochs_and_indices(both, kind):
    for images in both:
        batch = images[kind([7, 7, 8]), kind([4, 1, 1])]
        assert torch.equal(batch.images, both.memory.pixels[[4, 1, 1]])
        assert batch.labels.tolist() == [2, 1, 1]
        assert batch.epochs.tolist() == [7, 7, 8]
        assert batch.indices.tolist() == [4, 1, 1]
        assert {part.dtype for part in batch[1:]} == {torch.int64}


def test_a_subset_keeps_images_labels_and_names_together(both):
    for images in both:
        subset = images.subset(torch.tensor([3, 1]))
        assert len(subset) == 2
        assert torch.equal(subset.first(2), both.memory.pixels[[3, 1]])
        assert subset.labels.tolist() == [0, 1]
        assert subset.class_names == ("a", "b", "c")
        below = subset.subset(torch.tensor([1]))  # its places are those of the subset
        assert torch.equal(below.first(1), both.memory.pixels[[1]])
        assert torch.equal(subset[[0], [1]].images, both.memory.pixels[[1]])


def test_the_first_images_are_as_many_as_there_are(both):
    for images in both:
        assert images.shape == (3, 6, 6)
        assert torch.equal(images.first(2), both.memory.pixels[:2])
        assert torch.equal(images.first(99), both.memory.pixels)
        assert torch.equal(images.some(2), both.memory.pixels[[0, len(images) // 2]])


def test_a_set_goes_to_a_device_whole(both):
    for images in both:
        moved = images.to(torch.device("cpu"))
        assert isinstance(moved, ArraySet)
        assert torch.equal(moved.pixels, both.memory.pixels)
        assert torch.equal(moved.labels, both.memory.labels)
        assert moved.class_names == ("a", "b", "c")
        assert images.to(torch.device("meta")).pixels.device.type == "meta"


def test_what_is_in_memory_is_not_copied_to_go_nowhere(both):
    assert both.memory.to(torch.device("cpu")).pixels is both.memory.pixels


def test_a_pack_has_the_fingerprint_of_the_same_images_in_memory(both):
    assert both.disk.fingerprint() == both.memory.fingerprint()
    index = torch.tensor([4, 0])
    parts = [images.subset(index).fingerprint() for images in both]
    assert parts[0] == parts[1] != both.memory.fingerprint()
    assert parts[0] != both.disk.subset(index.flip(0)).fingerprint()


def test_names_splits_and_groups_go_with_the_images_of_a_subset(both):
    subset = both.disk.subset(torch.tensor([3, 1]))
    assert subset.names == ["3.png", "1.png"]
    assert subset.splits == ["test", "train"]
    assert subset.groups == ["y", None]
    bare = PackedSet(both.disk.pack, both.disk.rows, both.disk.names, both.disk.labels)
    assert (bare.subset(torch.tensor([0])).splits, bare.class_names) == ([], ())


def test_a_pack_that_was_used_travels_to_a_worker_and_is_opened_anew(both):
    both.disk.first(1)
    sent = pickle.dumps(both.disk)
    assert len(sent) < 10_000  # what lies on the disk stays there
    assert torch.equal(pickle.loads(sent).first(5), both.memory.pixels)
    assert torch.equal(both.disk.first(5), both.memory.pixels)


def test_batches_of_a_pack_can_be_written_to_and_the_pack_stays_as_it_is(both):
    before = both.disk.first(5)
    both.disk.first(5).zero_()
    assert torch.equal(both.disk.first(5), before)


def test_the_memory_of_the_process_does_not_grow_with_the_pack(tmp_path):
    shape, number = (3, 64, 64), 17_000
    images = pack_of(tmp_path, shape, number)
    size = number * 3 * 64 * 64
    assert size > 200e6
    process = psutil.Process()
    order = randomness.permutation(number, 0, "order")
    images.pixels_at(order[:64])
    before = process.memory_info().rss
    for index in order.split(64):
        last = images.pixels_at(index)
        assert process.memory_info().rss - before < 50e6
    assert last.shape[1:] == shape


def test_fingerprints_differ_as_soon_as_anything_does():
    pixels, labels = random_pixels(1), torch.tensor([0, 1])
    others = [
        ArraySet(pixels, labels),
        ArraySet(pixels ^ torch.eye(6, dtype=torch.uint8), labels),
        ArraySet(pixels, labels.flip(0)),
        ArraySet(pixels, labels, ("a", "b")),
        ArraySet(pixels.reshape(2, 4, 3, 3), labels),
    ]
    assert len({images.fingerprint() for images in others}) == len(others)
    assert ArraySet(pixels.clone(), labels).fingerprint() == others[0].fingerprint()


@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
@pytest.mark.parametrize("present", [1, 2, 3, 4])
def test_channels_are_converted_as_pillow_does(present, wanted):
    pixels = random_pixels(present, n=1)
    array = pixels[0].permute(1, 2, 0).numpy()
    image = Image.fromarray(array[:, :, 0] if present == 1 else array)
    expected = np.asarray(image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[wanted]))
    converted = with_channels(pixels, wanted)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(converted, expected.reshape(6, 6, wanted), atol=1)


@pytest.mark.parametrize("size", [(3, 3), (6, 6), (16, 16), (3, 6), (20, 9)])
def test_a_set_is_formed_to_a_size_and_channels(size):
    images = ArraySet(random_pixels(3), torch.tensor([0, 1]), ("a", "b"))
    formed = images.formed(size, 4)
    assert formed.pixels.shape == (2, 4, *size)
    assert formed.pixels.dtype == torch.uint8
    assert (formed.pixels[:, 3] == 255).all()
    assert torch.equal(formed.labels, images.labels)
    assert formed.class_names == images.class_names


@pytest.mark.parametrize(("size", "kept"), [((4, 8), np.s_[2:6, :]), ((8, 4), np.s_[:, 2:6])])
def test_another_aspect_ratio_is_cut_out_of_the_middle_and_nothing_is_distorted(size, kept):
    images = ArraySet(random_pixels(1, side=8), torch.tensor([0, 1]))
    assert torch.equal(images.formed(size, 1).pixels[:, 0], images.pixels[(slice(None), 0, *kept)])


def test_squares_are_resized_as_they_always_were():
    digits = datasets.digits()
    resized = transforms.resize(digits.pixels, [28, 28], antialias=True)
    assert torch.equal(digits.formed((28, 28), 1).pixels, resized)
