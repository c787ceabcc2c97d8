"""CelebA as torchvision lays it out."""

import re

import pytest

from darkroom.data import CelebA
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
    assert data.num_classes == 0


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
