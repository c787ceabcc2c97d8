"""Parts of an edition, as others read them."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.bulk import Folder, Print, WebDataset, Zip
from darkroom.data import Folder as FolderData

CLASSES = ("boat", "cat")


def png(seed: int) -> bytes:
    file = BytesIO()
    Image.fromarray(np.full((16, 16), seed, np.uint8)).save(file, "PNG")
    return file.getvalue()


def prints(seeds=range(40, 52)) -> list[Print]:
    return [Print(seed, png(seed), seed % 2, CLASSES[seed % 2]) for seed in seeds]


@pytest.mark.parametrize("form", [Folder(), Zip()])
def test_folders_and_archives_are_read_as_data_with_their_classes(form, tmp_path: Path):
    path = tmp_path / f"part{form.ending}"
    form.write(prints(), path)
    data = FolderData(
        root=str(path), resolution=16, channels=1, packs=str(tmp_path / "packs"), batch_size=4
    )
    data.setup()
    assert tuple(data.training.class_names) == CLASSES
    known = data.labelled()
    assert set(known.pixels[:, 0, 0, 0].tolist()) < set(range(40, 52))
    assert (known.pixels[:, 0, 0, 0] % 2 == known.labels).all()


def test_a_webdataset_is_read_by_another_library(tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    WebDataset().write(prints(), tmp_path / "part.tar")
    rows = list(
        datasets.load_dataset(
            "webdataset",
            data_files=str(tmp_path / "part.tar"),
            split="train",
            streaming=True,
        )
    )
    assert [row["__key__"] for row in rows] == [f"seed-{seed:09d}" for seed in range(40, 52)]
    assert [row["png"].getpixel((0, 0)) for row in rows] == [*range(40, 52)]
    assert [row["cls"] for row in rows] == [seed % 2 for seed in range(40, 52)]


@pytest.mark.parametrize("form", [Folder(), Zip(), WebDataset()])
def test_the_same_images_are_the_same_bytes(form, tmp_path: Path):
    for name in ("once", "again"):
        form.write(prints(), tmp_path / name)
    assert content(tmp_path / "once") == content(tmp_path / "again")


def content(path: Path) -> list[bytes]:
    if path.is_file():
        return [path.read_bytes()]
    return [file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()]


@pytest.mark.parametrize("form", [Folder(), Zip(), WebDataset()])
@pytest.mark.promise(
    "A part of many images fails while it is written", "Nothing of it is left under any name."
)
def test_a_part_that_fails_leaves_nothing(form, tmp_path: Path):
    def failing():
        yield from prints()[:3]
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        form.write(failing(), tmp_path / f"part{form.ending}")
    assert list(tmp_path.iterdir()) == []


def test_without_classes_images_lie_side_by_side(tmp_path: Path):
    Zip().write([Print(7, png(7))], tmp_path / "part.zip")
    with zipfile.ZipFile(tmp_path / "part.zip") as archive:
        assert archive.namelist() == ["seed-000000007.png"]


@pytest.mark.parametrize("form", [Folder, Zip, WebDataset])
def test_parts_of_nothing_are_refused(form):
    with pytest.raises(ValueError, match=r"to\.images=0: type a number from 1 on"):
        form(images=0)
