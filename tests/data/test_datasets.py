import gzip
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from darkroom.data import datasets
from darkroom.data.datasets import ArraySet, with_channels

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([2, 0, 1], dtype=np.uint8)


def idx_bytes(array):
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def save(path, colour, mode="RGB", size=(16, 16), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def random_pixels(channels, n=2, side=6):
    generator = torch.Generator().manual_seed(channels)
    shape = (n, channels, side, side)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_digits_are_1797_grey_images_of_ten_classes_with_full_contrast():
    digits = datasets.digits()
    assert digits.pixels.shape == (1797, 1, 8, 8)
    assert (digits.pixels.min(), digits.pixels.max()) == (0, 255)
    assert digits.labels.unique().tolist() == list(range(10))
    assert len(digits.class_names) == 10


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


def test_a_place_in_a_set_is_named_by_epoch_and_index():
    images = ArraySet(random_pixels(3), torch.tensor([4, 5]))
    batch = images[7, 1]
    assert torch.equal(batch.images, images.pixels[1])
    assert (batch.labels, batch.epochs, batch.indices) == (5, 7, 1)


def test_a_subset_keeps_images_labels_and_names_together():
    images = ArraySet(random_pixels(1, n=4), torch.arange(4), ("a", "b"))
    subset = images.subset(torch.tensor([3, 1]))
    assert torch.equal(subset.pixels, images.pixels[[3, 1]])
    assert subset.labels.tolist() == [3, 1]
    assert subset.class_names == ("a", "b")


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


@pytest.mark.parametrize("resolution", [3, 6, 16])
def test_a_set_is_formed_to_a_resolution_and_channels(resolution):
    images = ArraySet(random_pixels(3), torch.tensor([0, 1]), ("a", "b"))
    formed = images.formed(resolution, 4)
    assert formed.pixels.shape == (2, 4, resolution, resolution)
    assert formed.pixels.dtype == torch.uint8
    assert (formed.pixels[:, 3] == 255).all()
    assert torch.equal(formed.labels, images.labels)
    assert formed.class_names == images.class_names


def test_folders_directly_below_the_root_are_the_classes(tmp_path):
    save(tmp_path / "dogs" / "b.png", "lime")
    save(tmp_path / "cats" / "deep" / "down" / "a.JPG", "blue")
    (tmp_path / "cats" / "notes.txt").write_text("no image")
    images = datasets.folder(tmp_path, 8, 3)
    assert images.class_names == ("cats", "dogs")
    assert images.labels.tolist() == [0, 1]
    assert torch.equal(images.pixels[1, :, 0, 0], torch.tensor([0, 255, 0], dtype=torch.uint8))


@pytest.mark.parametrize("names", [["a.png", "b.png"], ["one/a.png", "b.png"], ["one/a.png"]])
def test_a_folder_without_at_least_two_classes_of_all_images_has_none(names, tmp_path):
    for name in names:
        save(tmp_path / name, "red")
    images = datasets.folder(tmp_path, 8, 3)
    assert images.class_names == ()
    assert images.labels.tolist() == [0] * len(names)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 100, [100, 100, 100, 255]),
        ("LA", (100, 51), [100, 100, 100, 51]),
        ("RGB", (1, 2, 3), [1, 2, 3, 255]),
        ("RGBA", (10, 20, 30, 51), [10, 20, 30, 51]),
        ("P", 0, [0, 0, 0, 255]),
        ("I;16", 100 * 256, [100, 100, 100, 255]),
    ],
)
def test_images_of_any_mode_come_with_the_channels_asked_for(mode, colour, expected, tmp_path):
    save(tmp_path / "image.png", colour, mode)
    for channels in (3, 4):
        pixels = datasets.folder(tmp_path, 8, channels).pixels
        assert pixels.shape == (1, channels, 8, 8)
        assert pixels[0, :, 3, 3].tolist() == expected[:channels]


def test_the_central_square_is_kept(tmp_path):
    image = Image.new("L", (32, 16), 0)
    image.paste(200, (8, 0, 24, 16))
    image.save(tmp_path / "wide.png")
    assert (datasets.folder(tmp_path, 16, 1).pixels == 200).all()


def test_a_photograph_is_turned_upright_as_its_exif_says(tmp_path):
    image = Image.new("L", (16, 16), 0)
    image.paste(255, (0, 0, 16, 8))  # white on top as stored
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    image.save(tmp_path / "photo.png", exif=exif)
    pixels = datasets.folder(tmp_path, 16, 1).pixels[0, 0]
    assert (pixels[:, 8:] == 255).all()
    assert (pixels[:, :8] == 0).all()


def test_a_limit_is_spread_over_the_files(tmp_path):
    for shade in range(4):
        save(tmp_path / f"{shade}.png", shade, "L")
    assert datasets.folder(tmp_path, 8, 1, limit=2).pixels[:, 0, 0, 0].tolist() == [0, 2]


def test_a_corrupt_image_is_named(tmp_path):
    save(tmp_path / "good.png", "red")
    save(tmp_path / "broken.png", "red")
    content = (tmp_path / "broken.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"broken\.png cannot be read.*Mend it or remove it"):
        datasets.folder(tmp_path, 8, 3)


def test_a_missing_root_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is no folder\. Type data\.root="):
        datasets.folder(tmp_path / "nowhere", 8, 3)


def test_a_root_without_images_is_told_the_known_endings(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"holds no image\. Known endings: .*\.png"):
        datasets.folder(tmp_path, 8, 3)
