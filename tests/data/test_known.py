"""CelebA as torchvision lays it out, and digits in stacks."""

import re
import struct

import pytest
import torch

from darkroom.data import CelebA, Digits, StackedDigits
from tests.pictures import album, picture

SPLITS = {"train": "0", "validation": "1", "test": "2"}


@pytest.fixture
def celeba(tmp_path):
    """A tree of ten faces, and what reads it."""
    names = [f"{k:06d}.jpg" for k in range(1, 11)]
    album(tmp_path / "celeba" / "img_align_celeba", *names, size=(178, 218))
    parts = ["train"] * 6 + ["validation"] * 3 + ["test"]
    lines = [f"{name} {SPLITS[part]}\n" for name, part in zip(names, parts, strict=True)]
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text("".join(lines))

    def make(**options):
        settled = {"packs": str(tmp_path / "packs"), "workers": 1, "resolution": 16, "channels": 3}
        return CelebA(str(tmp_path), **settled | options)

    return make


def test_the_split_is_that_of_the_authors(celeba):
    data = celeba()
    data.setup()
    assert [len(part) for part in (data.training, data.held_out, data.test)] == [6, 3, 1]
    assert data.held_out.names == ["000007.jpg", "000008.jpg", "000009.jpg"]
    assert data.training.shape == (3, 16, 16)
    assert len(data.training.class_names) == 0


def test_a_face_that_is_in_no_part_does_not_count(celeba, tmp_path):
    picture(99).save(tmp_path / "celeba" / "img_align_celeba" / "999999.jpg")
    images = celeba().read()
    assert len(images) == 10
    assert "999999.jpg" not in images.names


@pytest.mark.parametrize("gone", ["img_align_celeba", "list_eval_partition.txt"])
def test_what_is_missing_is_refused_with_the_ways_to_have_it(celeba, tmp_path, gone):
    (tmp_path / "celeba" / gone).rename(tmp_path / "elsewhere")
    ways = [
        f"data.root={tmp_path}: CelebA is not there.",
        str(tmp_path / "celeba/img_align_celeba"),
        str(tmp_path / "celeba/list_eval_partition.txt"),
        "type data.download=true",
    ]
    with pytest.raises(ValueError, match="(?s)" + ".*".join(map(re.escape, ways))):
        celeba().setup()


def stacked(**options):
    data = StackedDigits(**{"resolution": 8, "number": 400, "validation": 0.2} | options)
    data.setup()
    return data


def rows(pixels):
    """Each image of one channel, as something that sets can hold."""
    return {image.numpy().tobytes() for image in pixels.reshape(-1, *pixels.shape[-2:])}


def test_each_channel_is_a_digit_and_the_class_is_written_by_the_three():
    data, digits = stacked(), Digits(resolution=8, channels=1).read()
    label_of = {
        i.numpy().tobytes(): k for i, k in zip(digits.pixels, digits.labels.tolist(), strict=True)
    }
    assert (len(data.training), len(data.held_out), len(data.test)) == (320, 80, 0)
    for part in (data.training, data.held_out):
        assert part.shape == (3, 8, 8)
        assert part.class_names == data.class_names
        assert len(data.training.class_names) == 1000
        for image, label in zip(part.pixels, part.labels.tolist(), strict=True):
            written = "".join(str(label_of[channel.numpy().tobytes()]) for channel in image)
            assert data.class_names[label] == written


@pytest.mark.parametrize("seed", [0, 1])
def test_no_digit_is_on_both_sides(seed):
    data = stacked(split_seed=seed, number=4000)
    training, held_out = rows(data.training.pixels), rows(data.held_out.pixels)
    assert not training & held_out
    assert len(training) > 1400  # 80% of 1,797
    assert len(held_out) > 330
    assert not rows(data.labelled().pixels) & held_out


def test_stacks_depend_on_the_seed_alone_and_are_of_all_modes():
    data, again, other = stacked(number=20_000), stacked(number=20_000), stacked(split_seed=1)
    assert data.training.fingerprint() == again.training.fingerprint()
    assert stacked().training.fingerprint() != other.training.fingerprint()
    assert len(data.training.labels.unique()) == 1000
    for digit in (data.training.labels // d % 10 for d in (100, 10, 1)):
        shares = torch.bincount(digit) / len(digit)
        assert ((shares > 0.08) & (shares < 0.12)).all()


def test_a_limit_leaves_both_parts_in_their_shares():
    data = stacked(limit=50)
    assert (len(data.training), len(data.held_out)) == (40, 10)
    assert torch.equal(data.training.pixels, stacked().training.pixels[:40])


def test_classifiers_are_taught_the_single_digits():
    data = stacked(resolution=[12, 16])
    lesson = data.labelled()
    assert data.per_channel
    assert lesson.shape == (1, 12, 16)
    assert lesson.class_names == tuple("0123456789")
    assert rows(data.training.pixels) <= rows(lesson.pixels)
    assert len(lesson) == len(data.taught) > 1400
    assert len(data.labelled(100)) == 100
    assert len(data.labelled(100).labels.unique()) == 10


def test_digits_of_mnist_are_stacked_too(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, sizes in (("images-idx3", (50, 28, 28)), ("labels-idx1", (50,))):
        header = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
        content = bytes(k // 7 % 10 for k in range(torch.Size(sizes).numel()))
        (folder / f"train-{name}-ubyte").write_bytes(header + content)
    data = stacked(source="mnist", root=str(tmp_path), resolution=28)
    assert data.training.shape == (3, 28, 28)
    assert data.labelled().shape == (1, 28, 28)


def test_a_missing_mnist_is_told_the_ways_to_have_it(tmp_path):
    with pytest.raises(ValueError, match=r"(?s)MNIST is not there.*data\.download=true"):
        stacked(source="mnist", root=str(tmp_path))


@pytest.mark.parametrize(("option", "value"), [("channels", 1), ("number", 1)])
def test_what_cannot_be_stacked_is_refused_by_name(option, value):
    with pytest.raises(ValueError, match=rf"data\.{option}={value}: "):
        stacked(**{option: value})
