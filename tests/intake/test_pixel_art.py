"""Enlarged pixel art is recognised, and made small again without a loss."""

import numpy as np
import pytest
from PIL import Image

from darkroom.intake.fitting import fitted
from darkroom.intake.pixel_art import block, common_block, lossless
from tests.inspected import folder, inspected


def art(height=16, width=16, channels=3, seed=0):
    """A drawing whose neighbouring pixels all differ."""
    drawn = np.random.default_rng(seed).integers(0, 128, (height, width, channels), np.uint8)
    drawn += 128 * (np.indices((height, width)).sum(0) % 2).astype(np.uint8)[..., None]
    return drawn[..., 0] if channels == 1 else drawn


def enlarged(drawn, times):
    return drawn.repeat(times, 0).repeat(times, 1)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("times", [1, 2, 3, 4, 7])
def test_the_block_is_how_often_each_pixel_was_repeated(times, channels):
    assert block(enlarged(art(channels=channels), times)) == times


def test_it_is_no_larger_than_the_finest_detail_in_either_direction():
    drawn = art(8, 8)
    assert block(drawn.repeat(6, 0).repeat(4, 1)) == 2
    smooth = enlarged(art(), 4)
    smooth[40, 41] = 7  # one pixel was painted afterwards
    assert block(smooth) == 1


def test_lines_of_one_direction_are_measured_by_the_other_one_too():
    stripes = np.zeros((12, 8), np.uint8)
    stripes[4:8] = 255
    assert block(stripes) == 4
    assert block(stripes[:, :6]) == 2  # a block is square, and fits into the width


def test_one_colour_tells_nothing_and_spoils_nothing():
    assert block(np.full((32, 32, 3), 9, np.uint8)) == 0
    assert common_block([0, 4, 6]) == 2
    assert common_block([0, 0]) == common_block([]) == 1


@pytest.mark.parametrize(
    ("side", "shortest", "times"),
    [(1, 64, 1), (2, 32, 2), (2, 30, 1), (4, 64, 4), (8, 64, 4), (6, 48, 3), (5, 64, 1)],
)
def test_what_is_left_is_not_too_small(side, shortest, times):
    assert lossless(side, shortest, 16) == times


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("side", "times"), [(2, 2), (4, 2), (4, 4), (3, 3)])
def test_it_becomes_small_again_to_the_last_bit(fit, side, times):
    drawn = enlarged(art(16, 24, 4), side // times)
    image = Image.fromarray(enlarged(drawn, times))
    small = fitted(image, drawn.shape[:2], fit, (255, 255, 255), 4, block=side)
    visible = drawn[..., 3] > 0
    assert np.array_equal(np.asarray(small)[visible], drawn[visible])


def test_where_a_block_would_be_cut_pixels_are_mixed():
    image = Image.fromarray(enlarged(art(), 2))
    mixed = fitted(image, (8, 8), "crop", (255, 255, 255), 3, block=1)
    assert np.array_equal(
        np.asarray(fitted(image, (8, 8), "crop", (255, 255, 255), 3, block=2)), np.asarray(mixed)
    )


@pytest.fixture
def sprites(tmp_path):
    """Forty drawings of 16x16, each pixel of which was repeated twice."""
    place = tmp_path / "sprites"
    place.mkdir()
    drawings = [art(seed=number) for number in range(40)]
    for number, drawn in enumerate(drawings):
        Image.fromarray(enlarged(drawn, 2)).save(place / f"{number:02}.png")
    return place, drawings


def test_a_folder_of_it_is_trained_on_as_it_was_drawn(sprites, capsys):
    place, drawings = sprites
    images = folder(place, resolution="auto").read()
    said = "data.resolution=auto: 16 (all were 16x16 before they were enlarged 2 times)"
    assert said in capsys.readouterr().out
    expected = np.stack(drawings).transpose(0, 3, 1, 2)
    assert np.array_equal(images.first(40).numpy(), expected)


def test_a_photograph_among_it_leaves_the_size_as_it_is(sprites):
    place, _ = sprites
    Image.fromarray(art(32, 32)).save(place / "photo.png")
    assert folder(place, resolution="auto").read().shape == (3, 32, 32)


@pytest.mark.parametrize(("resolution", "shrunk", "lossless"), [(32, 1, 2), (16, 2, 1)])
def test_what_could_still_be_done_is_known(sprites, resolution, shrunk, lossless):
    place, _ = sprites
    found, *_ = inspected(place, resolution=resolution)
    assert (found.block, found.shrunk, found.lossless) == (2, shrunk, lossless)
