"""A model that is told of classes, from the command to images of one class."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from darkroom import checkpoint
from darkroom.sampling import drawn
from tests.commands import sample, train

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditional") / "run"
    train(folder, "data.num_classes=auto", "model.generator.width=8", "model.discriminator.width=8")
    return folder


def test_auto_is_settled_and_the_names_are_kept(conditional: Path) -> None:
    saved = checkpoint.load(conditional)
    assert saved.config.data.num_classes == 10
    assert tuple(saved.config.class_names) == DIGITS
    shares = saved.system.class_shares
    assert shares.sum().item() == pytest.approx(1)
    assert ((shares > 0.05) & (shares < 0.15)).all()


def test_the_grids_of_a_run_have_a_row_for_each_class(conditional: Path) -> None:
    newest = sorted((conditional / "samples").iterdir())[-1]
    columns = 16 // 10  # of the 16 images that the smoke experiment asks for
    with Image.open(newest) as picture:
        width, height = picture.size
    assert height // 64 == 10
    assert width // 64 == columns


@pytest.mark.parametrize("label", ["3", "'3'"])
def test_a_class_is_asked_for_by_its_number_or_its_name(
    label: str, conditional: Path, tmp_path: Path
) -> None:
    sample(conditional, f"label={label}", "draw.n=2", f"folder={tmp_path}")
    system = checkpoint.load(conditional).system
    expected = torch.cat(list(drawn(system, range(2), label=3)))
    with Image.open(tmp_path / "seed-000001.png") as picture:
        assert picture.tobytes() == bytes(expected[1].flatten().tolist())


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("shoe", "label=shoe: this model draws no such class. It draws 0, 1, 2"),
        ("10", "label=10: this model draws classes 0 to 9"),
        ("-1", "label=-1: this model draws classes 0 to 9"),
    ],
)
def test_a_class_that_it_does_not_know_is_refused(label: str, said: str, conditional: Path) -> None:
    with pytest.raises(ValueError, match=said):
        sample(conditional, f"label={label}")


def test_a_sheet_of_classes(conditional: Path, tmp_path: Path) -> None:
    sample(conditional, "draw=classes", "draw.n=3", f"folder={tmp_path}")
    assert len(list(tmp_path.glob("class-*.png"))) == 30


def test_data_without_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data.num_classes=7: the data have 10 classes"):
        train(tmp_path / "run", "data.num_classes=7")


def test_the_class_of_an_image_is_found_and_kept_when_it_is_edited(
    conditional: Path, tmp_path: Path
) -> None:
    found, edited = tmp_path / "found", tmp_path / "edited"
    quick = ("draw.n=3", "draw.steps=2", "draw.starts=2", "draw.candidates=16")
    sample(conditional, "draw=inversion", f"folder={found}", *quick)
    labels = [entry["label"] for entry in json.loads((found / "latents.json").read_text())]
    assert set(labels) <= set(range(10))
    few = ("draw.n=1", "draw.steps=3", "draw.samples=1", "draw.seeds=3")
    sample(conditional, "draw=directions", f"draw.latents={found}", f"folder={edited}", *few)
    for number in ("000000", "000001", "000002"):
        with (
            Image.open(found / f"{number}-inverted.png") as inverted,
            Image.open(edited / f"direction-000-{number}-001.png") as unmoved,
        ):
            assert unmoved.tobytes() == inverted.tobytes()
