"""What the page shows for what it is sent."""

import json
import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from darkroom.demo.handlers import ANY, Handlers
from darkroom.provenance import origin
from tests.demo import strange_files
from tests.demo.explored import AS_TYPED, explorer, handlers


@pytest.fixture
def one(tmp_path: Path) -> Handlers:
    return handlers(tmp_path, explorer("gan"))


@pytest.fixture
def two(tmp_path: Path) -> Handlers:
    letters = tuple("abcdefghij")
    return handlers(tmp_path, explorer("modern", "left", letters), explorer("mixture", "right"))


def seeds_in(view: str) -> list[int]:
    return [int(seed) for seed in re.findall(r'data-seed="(\d+)"', view)]


def test_a_sheet_shows_seeds_of_which_one_is_chosen(one: Handlers) -> None:
    sheet = one.sheet(10, 4, 12, one.manner(*AS_TYPED))
    assert seeds_in(sheet.view) == [10, 11, 12, 13]
    assert re.findall(r'value="(\d+)" checked', sheet.view) == ["12"]
    assert one.sheet(20, 4, 12, one.manner(*AS_TYPED)).chosen == 20


def test_runs_stand_side_by_side_with_the_same_seeds(two: Handlers) -> None:
    view = two.sheet(3, 2, 3, two.manner(*AS_TYPED)).view
    assert seeds_in(view) == [3, 4, 3, 4]
    assert re.findall("<h3>(.*?)</h3>", view) == ["left", "right"]


def test_a_run_that_knows_no_such_class_says_so(two: Handlers) -> None:
    view = two.sheet(0, 2, 0, two.manner(4.0, "c", "learned")).view
    assert view.count("told of no classes: it draws any") == 1


def test_what_is_taken_away_says_what_made_it(two: Handlers, tmp_path: Path) -> None:
    sheet = two.sheet(3, 2, 3, two.manner(1.5, "c", "learned"))
    with ZipFile(sheet.archive) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
    assert names == [
        "left/seed-000003.png",
        "left/seed-000004.png",
        "right/seed-000003.png",
        "right/seed-000004.png",
    ]
    claim = origin.read(tmp_path / "out" / names[1])
    assert claim is not None
    assert (claim.seed, claim.label, json.loads(claim.draw)["truncation"]) == (4, 2, 1.5)


def test_one_image_is_a_png_of_its_own_size(one: Handlers) -> None:
    shown = one.chosen(7, one.manner(*AS_TYPED))
    (path,) = shown.files
    assert path is not None
    assert Path(path).name == "seed-000007.png"
    with Image.open(path) as image:
        assert image.size == (16, 16)


def test_a_walk_is_a_film_there_and_back_and_a_strip(one: Handlers) -> None:
    shown = one.walk(1, 5, 6, one.manner(*AS_TYPED))
    film, strip = shown.files
    assert film is not None
    assert strip is not None
    with Image.open(film) as image:
        assert image.n_frames == 10
        assert b"darkroom" in image.info["comment"]
    claim = origin.read(Path(strip))
    assert claim is not None
    assert json.loads(claim.draw)["to"] == 5
    assert shown.view.count("<img") == 7


def test_both_ends_alike_ask_for_another(one: Handlers) -> None:
    assert "Choose another" in one.walk(1, 1, 6, one.manner(*AS_TYPED)).view


def test_an_edit_is_kept_while_other_sliders_are_looked_at_and_reset(one: Handlers) -> None:
    directions, latents = "Directions 1-6", "Single latents 1-6"
    edit = one.begun(2, one.manner(*AS_TYPED))
    moved = one.moved(one.moved(edit, directions, [0, 1.5, 0, 0, 0, 0]), latents, [2] + [0] * 5)
    assert [value for _, value in one.sliders(moved, directions)] == [0, 1.5, 0, 0, 0, 0]
    assert [value for _, value in one.sliders(moved, latents)] == [2, 0, 0, 0, 0, 0]
    (path,) = one.edited(moved).files
    assert path is not None
    claim = origin.read(Path(path))
    assert claim is not None
    assert json.loads(claim.draw)["moves"] == {"direction 1": 1.5, "latent 0": 2.0}
    assert one.edited(one.unmoved(moved)).view == one.edited(edit).view != one.edited(moved).view


def test_what_was_found_can_be_edited(two: Handlers) -> None:
    view, edit = two.found(strange_files.good(), 50, lambda share: None)
    assert view.count(" dB</figcaption>") == 2
    moved = two.moved(edit, "Directions 1-6", [3, 0, 0, 0, 0, 0])
    assert two.edited(moved).view.count("your image") == 4  # a caption and a description, each


def test_a_score_comes_with_what_it_does_not_say(two: Handlers) -> None:
    view = two.scored(strange_files.good())
    assert "not what is ill" in view
    assert "scores none" in view  # the GAN beside it
    assert "Rate" in view


def test_a_vae_rebuilds_and_a_gan_says_that_it_cannot(two: Handlers) -> None:
    view = two.rebuilt(strange_files.good())
    assert view.count("rebuilt</figcaption>") == 1
    assert "no encoder" in view


@pytest.mark.promise(
    "A run or a class is called like a piece of HTML",
    "The page shows the text, and nothing in it becomes part of the page.",
)
def test_names_are_text(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    run = handlers(tmp_path, explorer("modern", evil, (evil, *"bcdefghij")), explorer("gan", "b"))
    manner = run.manner(4.0, evil, "learned")
    for view in (run.sheet(0, 1, 0, manner).view, run.chosen(0, manner).view):
        assert "onerror" in view
        assert "<img src=x" not in view


@pytest.mark.parametrize(
    "manner",
    [
        (0.1, ANY, "learned"),
        (float("nan"), ANY, "learned"),
        ("1", ANY, "learned"),
        (4.0, "k", "learned"),
        (4.0, None, "learned"),
        (4.0, ANY, "other"),
        (4.0, ANY, ["learned"]),
    ],
)
def test_a_manner_that_there_is_not_is_refused(
    two: Handlers, manner: tuple[object, object, object]
) -> None:
    with pytest.raises(ValueError, match=r"Truncation|Class|Prior"):
        two.manner(*manner)


@pytest.mark.promise(
    "The page is asked for ten thousand images",
    "It is refused by name and range, and nothing is computed.",
)
def test_numbers_out_of_range_are_refused_by_name(one: Handlers) -> None:
    manner = one.manner(*AS_TYPED)
    edit = one.begun(0, manner)
    for name, asked in {
        "Images": lambda: one.sheet(0, 10_000, 0, manner),
        "Seed": lambda: one.sheet(-1, 4, 0, manner),
        "To seed": lambda: one.walk(0, 2**70, 5, manner),
        "Steps": lambda: one.walk(0, 1, 10_000, manner),
        "Directions 2": lambda: one.moved(edit, "Directions 1-6", [0, 99, 0, 0, 0, 0]),
        "Sliders": lambda: one.moved(edit, "Directions 900-906", [0] * 6),
    }.items():
        with pytest.raises(ValueError, match=rf"^{name}: "):
            asked()
    with pytest.raises(ValueError, match=r"^Steps: "):
        one.found(strange_files.good(), 10**9, lambda share: None)


def test_a_strip_of_any_shape_can_be_opened(one: Handlers) -> None:
    _, strip = one.walk(0, 1, 3, one.manner(*AS_TYPED)).files
    with Image.open(BytesIO(Path(str(strip)).read_bytes())) as image:
        assert image.width > 2 * image.height
