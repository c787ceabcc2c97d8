"""What is found in images that were made to hold it, and in others not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageDraw, ImageEnhance, ImageOps

from darkroom.findings import findings
from darkroom.inspection import Mirror, mirror_test, near_duplicates
from tests.inspected import folder, inspected
from tests.pictures import album, break_file, picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def scene(number: int, side: int = 96) -> Image.Image:
    """Large soft spots of colour, other ones for each number: something like a photograph."""
    seeds = np.random.default_rng(number).integers(40, 216, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(seeds).resize((side, side), Image.Resampling.BICUBIC)


def ring(colour: str) -> Image.Image:
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).ellipse((12, 8, 50, 56), fill=colour, outline="black", width=4)
    return image


def groups(root: Path, **options: Any) -> list[set[str]]:
    images = folder(root, **{"resolution": 32, **options}).read()
    return [{images.names[place] for place in group} for group in near_duplicates(images)]


# --- near-duplicates


ALTERED: dict[str, Callable[[Image.Image, Path], None]] = {
    "as JPEG": lambda image, root: image.save(root / "copy.jpg", quality=80),
    "smaller": lambda image, root: image.resize((60, 60)).save(root / "copy.png"),
    "larger": lambda image, root: image.resize((150, 150)).save(root / "copy.png"),
    "brighter": lambda image, root: (
        ImageEnhance.Brightness(image).enhance(1.04).save(root / "copy.png")
    ),
    "as it was": lambda image, root: image.save(root / "copy.webp", lossless=True),
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_picture_saved_again_is_a_near_duplicate(how: str, root: Path) -> None:
    for number in range(8):
        scene(number).save(root / f"{number}.png")
    ALTERED[how](scene(5), root)
    (group,) = groups(root)
    assert {Path(name).stem for name in group} == {"5", "copy"}


def test_different_pictures_are_no_near_duplicates(root: Path) -> None:
    album(root, *(f"noise/{k}.png" for k in range(40)), size=(32, 32))
    (root / "scenes").mkdir()
    for number in range(40):
        scene(number).save(root / "scenes" / f"{number}.png")
    assert groups(root) == []


def test_one_outline_in_two_colours_is_two_pictures(root: Path) -> None:
    for colour in ("red", "blue", "yellow"):
        ring(colour).save(root / f"{colour}.png")
    ring("#f80000").save(root / "nearly red.png")
    assert groups(root) == [{"red.png", "nearly red.png"}]


def test_what_resembles_a_relative_is_a_relative(root: Path) -> None:
    for step in range(12):  # each 3% brighter than the one before
        ImageEnhance.Brightness(scene(1)).enhance(0.7 + 0.03 * step).save(root / f"{step:02d}.png")
    scene(2).save(root / "other.png")
    first, last = Image.open(root / "00.png"), Image.open(root / "11.png")
    assert np.abs(np.asarray(first, int) - np.asarray(last, int)).mean() > 20  # alike they are not
    assert groups(root) == [{f"{step:02d}.png" for step in range(12)}]


def test_largest_groups_come_first_and_identical_images_are_all_in_theirs(root: Path) -> None:
    for number in range(2):
        for copy in range(2 + number):
            scene(number).save(root / f"{number}-{copy}.png")
    assert groups(root) == [{"1-0.png", "1-1.png", "1-2.png"}, {"0-0.png", "0-1.png"}]


def half_hidden(hidden: str, alpha: int) -> Image.Image:
    """A scene whose upper half is of one colour that nobody sees."""
    image = scene(3, 32).convert("RGBA")
    image.paste((*ImageColor.getrgb(hidden), alpha), (0, 0, 32, 16))
    return image


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("alpha", [0, 1])
def test_what_lies_beneath_transparency_makes_no_difference(
    alpha: int, channels: int, root: Path
) -> None:
    for hidden in ("red", "blue"):
        half_hidden(hidden, alpha).save(root / f"{hidden}.png")
    result, _, _ = inspected(root, resolution=32, channels=channels)
    assert [set(group) for group in result.similar] == [{"red.png", "blue.png"}]
    if alpha == 0:
        assert result.identical == result.similar


# --- leaks


def leaks(root: Path, **options: Any) -> tuple[list[set[str]], bool]:
    result, _, _ = inspected(root, resolution=32, **options)
    return [set(group) for group in result.leaks], result.given_split


def split_album(root: Path, **parts: range) -> None:
    for part, numbers in parts.items():
        (root / part).mkdir()
        for number in numbers:
            scene(number).save(root / part / f"{number}.png")


@pytest.mark.parametrize("part", ["val", "test"])
def test_a_near_duplicate_across_a_given_split_is_a_leak(part: str, root: Path) -> None:
    split_album(root, train=range(6), val=range(10, 13), test=range(20, 23))
    scene(2).save(root / part / "copy.jpg", quality=85)
    scene(3).save(root / "train" / "copy.jpg", quality=85)  # beside its like: no leak
    assert leaks(root) == ([{"train/2.png", f"{part}/copy.jpg"}], True)


def test_identical_images_across_a_given_split_are_a_leak(root: Path) -> None:
    split_album(root, train=range(6), val=range(5, 8))
    assert leaks(root) == ([{"train/5.png", "val/5.png"}], True)


def test_a_split_without_held_out_images_is_one_of_chance(root: Path) -> None:
    split_album(root, train=range(6), test=range(5, 8))
    assert leaks(root) == ([{"train/5.png", "test/5.png"}], False)


def test_near_duplicates_leak_through_a_random_split_and_identical_ones_do_not(root: Path) -> None:
    for number in range(10):
        scene(number).save(root / f"{number}.png")
        scene(number).save(root / f"{number}-again.png")
        scene(number).save(root / f"{number}.jpg", quality=85)
    (found_leaks, given) = leaks(root, validation=0.4)
    assert not given
    assert found_leaks
    for group in found_leaks:
        assert len(group) == 3
    result, _, _ = inspected(root, resolution=32, validation=0.4)
    assert len(result.similar) == len(result.identical) == 10


# --- facts


def test_what_each_file_is_is_counted(root: Path) -> None:
    for kind in ("cats", "dogs"):
        (root / kind).mkdir()
    for k in range(3):
        picture(k, "RGB", (20, 10)).save(root / "cats" / f"{k}.png")
    picture(4, "L", (16, 16)).save(root / "dogs" / "grey.png")
    picture(5, "RGBA", (16, 16)).save(root / "dogs" / "alpha.png")
    Image.new("RGB", (16, 16), "red").save(root / "dogs" / "flat.bmp")
    frames = [picture(k, "L") for k in range(3)]
    frames[0].save(root / "dogs" / "moving.gif", save_all=True, append_images=frames[1:])
    for name, highest in (("shallow", 4095), ("deep", 4096)):
        Image.fromarray(np.linspace(0, highest, 256).reshape(16, 16).astype(np.uint16)).save(
            root / "dogs" / f"{name}.png"
        )
    picture(6).save(root / "dogs" / "broken.png")
    break_file(root / "dogs" / "broken.png")
    (root / "notes.txt").touch()
    result, _, _ = inspected(root, validation=0.25)
    assert (result.images, result.shape) == (9, (3, 16, 16))
    assert result.sizes == [(10, 20)] * 3 + [(16, 16)] * 6
    assert result.modes == {
        "PNG RGB": 3,
        "PNG I;16": 2,
        "PNG RGBA": 1,
        "BMP RGB": 1,
        "PNG L": 1,
        "GIF P": 1,
    }
    assert result.classes == {"cats": 3, "dogs": 6}
    assert result.splits == {"training": 7, "held out": 2, "test": 0}
    assert result.broken.keys() == {"dogs/broken.png"}
    assert result.ignored == {".txt": 1}
    assert result.flat == ["dogs/flat.bmp"]
    assert (result.shallow, result.deep) == (["dogs/shallow.png"], 2)
    assert result.animated == ["dogs/moving.gif"]
    assert result.coloured == pytest.approx(5 / 9)
    assert result.alpha == pytest.approx(1 / 9)
    assert result.mirror is None


@pytest.mark.parametrize(
    ("size", "packed", "lost"),
    [
        ((32, 32), [16, 16], 0),
        ((64, 32), [16, 16], 1 / 2),  # width 64: half of it goes
        ((32, 96), [16, 16], 2 / 3),
        ((30, 20), [10, 10], 1 / 3),
        ((64, 32), [16, 32], 0),
        ((32, 32), [8, 32], 3 / 4),
    ],
)
def test_the_cropped_share_is_that_of_the_area(
    size: tuple[int, int], packed: list[int], lost: float, root: Path
) -> None:
    album(root, n=3, size=size)
    assert inspected(root, resolution=packed)[0].lost == pytest.approx(lost)


@pytest.mark.parametrize(("fit", "enlarged"), [("crop", 3 / 4), ("stretch", 3 / 4), ("pad", 1 / 4)])
def test_the_enlarged_share_is_that_of_files_whose_pixels_become_larger(
    fit: str, enlarged: float, root: Path
) -> None:
    for name, size in {"small": (8, 8), "wide": (40, 8), "high": (8, 40), "fits": (16, 16)}.items():
        picture(0, size=size).save(root / f"{name}.png")
    assert inspected(root, fit=fit)[0].enlarged == enlarged


@pytest.mark.parametrize("n", [1, 2, 3])
def test_very_few_images_are_inspected_like_others(n: int, root: Path) -> None:
    album(root, n=n)
    result, images, _ = inspected(root)
    assert (result.images, result.similar, result.mirror) == (n, [], None)
    assert sum(result.splits.values()) == n
    assert "images are few" in list(findings(result, images.pack.reading, ""))[-1].what


# --- mirroring


def shaded(number: int) -> Image.Image:
    """Lighter to the right, with some noise."""
    ramp = np.linspace(40, 200, 16)[None, :, None] + np.zeros((16, 1, 3))
    noise = np.random.default_rng(number).normal(0, 15, (16, 16, 3))
    return Image.fromarray((ramp + noise).clip(0, 255).astype(np.uint8))


def test_mirroring_is_harmless_where_mirrored_images_are_there_already(root: Path) -> None:
    for number in range(60):
        shaded(number).save(root / f"{number}.png")
        ImageOps.mirror(shaded(number)).save(root / f"{number}-mirrored.png")
    mirror = mirror_test(folder(root).read())
    assert mirror is not None
    assert mirror.harmless


def test_mirroring_is_harmless_where_both_sides_are_alike(root: Path) -> None:
    for number in range(100):
        half = picture(number, size=(8, 16))
        whole = Image.new("RGB", (16, 16))
        whole.paste(half, (0, 0))
        whole.paste(ImageOps.mirror(half), (8, 0))
        whole.save(root / f"{number}.png")
    mirror = mirror_test(folder(root).read())
    assert mirror is not None
    assert mirror.harmless
    assert mirror.distance == pytest.approx(mirror.floor)


def test_mirroring_is_no_good_where_all_look_the_same_way(root: Path) -> None:
    for number in range(100):
        shaded(number).save(root / f"{number}.png")
    mirror = mirror_test(folder(root).read())
    assert mirror is not None
    assert not mirror.harmless
    assert mirror.distance > 0.1 > abs(mirror.floor)


def test_a_mirror_test_needs_a_hundred_images_and_always_answers_the_same(root: Path) -> None:
    album(root, n=100, size=(16, 16))
    images = folder(root).read()
    assert mirror_test(images) == mirror_test(images) is not None
    assert mirror_test(folder(root, limit=99).read()) is None


@pytest.mark.parametrize(("distance", "harmless"), [(0.49, True), (0.51, False)])
def test_three_standard_deviations_are_taken_for_chance(distance: float, harmless: bool) -> None:
    assert Mirror(distance, floor=0.2, spread=0.1).harmless is harmless
