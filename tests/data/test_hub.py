"""Data sets of the Hub, saved on the disk: which column is what, and what is refused."""

import re
from io import BytesIO

import datasets
import huggingface_hub
import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as Pillow

from darkroom.data import HuggingFace
from tests.pictures import break_file, picture

IMAGE = {"image": Image()}


def encoded(number, kind="PNG"):
    buffer = BytesIO()
    picture(number).save(buffer, kind)
    return {"bytes": buffer.getvalue(), "path": None}


def rows(first=0, n=10, features=IMAGE, kind="PNG", **columns):
    """A part of a data set, whose images are those of `picture`."""
    images = [encoded(first + k, kind) for k in range(n)]
    return Dataset.from_dict({"image": images} | columns, features=Features(features))


@pytest.fixture
def saved(tmp_path):
    """Saves a data set, and makes the data module of it."""

    def make(dataset, **options):
        if dataset is not None:
            dataset.save_to_disk(str(tmp_path / "set"))
        settled = {"resolution": 16, "channels": 3, "packs": str(tmp_path / "packs"), "workers": 1}
        return HuggingFace(str(tmp_path / "set"), **settled | options)

    return make


def as_pixels(image):
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_images_come_as_they_were_encoded_in_the_order_of_the_rows(saved, kind):
    images = saved(rows(kind=kind)).read()
    assert images.class_names == ()
    assert len(images) == 10
    for number, pixels in enumerate(images.first(10)):
        expected = Pillow.open(BytesIO(encoded(number, kind)["bytes"]))
        assert torch.equal(pixels, as_pixels(expected))


def test_resolution_and_channels_are_settled_by_the_images(saved, capsys):
    data = saved(rows(n=3), resolution="auto", channels="auto", validation=0.4)
    data.setup()
    assert data.training.shape == (3, 16, 16)
    assert "data.resolution=auto: 16 (" in capsys.readouterr().out


def test_images_saved_as_paths_are_read_where_they_lie(saved, tmp_path):
    picture(7).save(tmp_path / "seven.png")
    table = Dataset.from_dict({"file": [str(tmp_path / "seven.png")] * 2})
    images = saved(table, image="file").read()
    assert torch.equal(images.first(1)[0], as_pixels(picture(7)))


def test_splits_and_classes_are_those_of_the_set(saved):
    features = IMAGE | {"animal": ClassLabel(names=["cat", "dog"])}
    parts = DatasetDict(
        train=rows(0, 6, features, animal=[0, 1, 0, 1, 0, 1]),
        validation=rows(6, 3, features, animal=[1, 1, 0]),
        test=rows(9, 2, features, animal=[0, 0]),
    )
    data = saved(parts)
    data.setup()
    found = [part.labels.tolist() for part in (data.training, data.held_out, data.test)]
    assert found == [[0, 1, 0, 1, 0, 1], [1, 1, 0], [0, 0]]
    assert data.training.class_names == ("cat", "dog")
    assert torch.equal(data.held_out.first(1)[0], as_pixels(picture(6)))


def test_a_set_without_splits_is_divided_at_random(saved):
    data = saved(rows(), validation=0.3)
    data.setup()
    assert [len(part) for part in (data.training, data.held_out, data.test)] == [7, 3, 0]


@pytest.mark.parametrize(
    ("dtype", "values", "class_names", "labels"),
    [
        ("string", ["b", "a", "b", "c"], ("a", "b", "c"), [1, 0, 1, 2]),
        ("int64", [10, 2, 10, 2], ("2", "10"), [1, 0, 1, 0]),
        ("bool", [True, False, True, True], ("False", "True"), [1, 0, 1, 1]),
        ("string", ["a", "a", "a", "a"], (), [0, 0, 0, 0]),
        ("string", ["a", None, "b", "b"], (), [0, 0, 0, 0]),
    ],
)
def test_any_column_of_texts_or_numbers_may_be_the_classes(
    saved, dtype, values, class_names, labels
):
    table = rows(n=4, features=IMAGE | {"animal": Value(dtype)}, animal=values)
    assert saved(table).read().class_names == ()  # unless it is asked for
    images = saved(None, label="animal").read()
    assert (images.class_names, images.labels.tolist()) == (class_names, labels)


@pytest.mark.parametrize("hidden", [-1, None])
def test_a_set_that_hides_some_classes_has_none(saved, hidden):
    features = IMAGE | {"label": ClassLabel(names=["cat", "dog"])}
    parts = DatasetDict(
        train=rows(0, 4, features, label=[0, 1, 0, 1]),
        test=rows(4, 2, features, label=[hidden] * 2),
    )
    images = saved(parts).read()
    assert images.class_names == ()
    assert images.labels.tolist() == [0] * 6


def test_a_row_without_an_image_and_a_broken_one_are_left_out_with_a_reason(saved, tmp_path):
    picture(0).save(tmp_path / "broken.png")
    break_file(tmp_path / "broken.png")
    cells = [encoded(k) for k in range(30)]
    cells[4], cells[9] = None, {"bytes": (tmp_path / "broken.png").read_bytes(), "path": None}
    data = saved(Dataset.from_dict({"image": cells}, features=Features(IMAGE)))
    assert len(data.read()) == 28
    assert data.left_out.keys() == {"000000004", "000000009"}
    assert data.left_out["000000004"] == "its row has no image"


def test_what_was_decoded_is_found_again_and_another_set_is_not_taken_for_it(saved, tmp_path):
    before = saved(DatasetDict(train=rows(0, 5), test=rows(5, 5))).read()
    (pixels,) = (tmp_path / "packs").glob("*/pixels.u8")
    made = pixels.stat()
    saved(None).read()
    assert (pixels.stat().st_ino, pixels.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    (tmp_path / "set").rename(tmp_path / "old")
    after = saved(DatasetDict(train=rows(20, 5), test=rows(5, 5))).read()
    assert after.fingerprint() != before.fingerprint()


def test_a_limit_is_spread_over_the_rows(saved):
    images = saved(rows(), limit=5).read()
    assert images.names == [f"{row:09d}" for row in (0, 2, 4, 6, 8)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": "picture"}, "data.image=picture: {} has no such column. It has image, words"),
        ({"label": "kind"}, "data.label=kind: {} has no such column. It has image, words, number"),
        ({"label": "words"}, "data.label=words: {} has no classes there"),
        ({"label": "part"}, "data.label=part: {} has no classes there"),
        ({"image": "number"}, "data.image=number: {} has no images there"),
        ({"image": "words"}, "data.image=words: {} has no images there"),
    ],
)
def test_a_column_that_cannot_be_used_is_refused(saved, tmp_path, options, said):
    features = {"words": List(Value("string")), "number": Value("int64"), "part": Value("float32")}
    columns = {"words": [["a"], ["b"]], "number": [1, 2], "part": [0.5, 0.7]}
    data = saved(rows(0, 2, IMAGE | features, **columns), **options)
    with pytest.raises(ValueError, match=re.escape(said.format(f"data.name={tmp_path / 'set'}"))):
        data.read()


def test_a_set_without_images_is_refused(saved):
    data = saved(Dataset.from_dict({"text": ["a", "b"], "number": [1, 2]}))
    with pytest.raises(ValueError, match=r"has no column of images\. It has text, number\. Type"):
        data.read()


def test_a_folder_that_holds_no_saved_set_is_refused(saved, tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(ValueError, match=r"data\.name=.*/set cannot be loaded: .* save_to_disk"):
        saved(None).prepare_data()


def test_a_name_that_the_hub_does_not_answer_to_is_refused(monkeypatch):
    for library in (datasets.config, huggingface_hub.constants):  # as HF_HUB_OFFLINE=1 does
        monkeypatch.setattr(library, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"data\.name=nobody/nothing cannot be .*Offline.* Type"):
        HuggingFace("nobody/nothing").prepare_data()
