from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from darkroom.intake import fitting
from darkroom.intake.fitting import MODES, fitted, pixels_of
from darkroom.intake.pack import Reading, read_image

FITS = ["crop", "pad", "stretch"]
WHITE, ORANGE = (255, 255, 255), (255, 136, 0)
GREY_OF_ORANGE = round(0.299 * 255 + 0.587 * 136)


def image_of(array):
    """Out of [channels, height, width]."""
    array = np.asarray(array, np.uint8)
    return Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))


def fit(array, size, kind, background=WHITE, channels=None):
    """[channels, height, width] in and out."""
    image = fitted(image_of(array), size, kind, background, channels)
    return pixels_of(image, background, channels)


def random_image(channels, height, width, seed=0):
    return np.random.default_rng(seed).integers(1, 256, (channels, height, width), np.uint8)


def sprite(colour, hidden, side=64, edge=29):
    """Opaque on the left of an edge, and fully transparent with another colour on its right."""
    array = np.zeros((4, side, side), np.uint8)
    array[:3] = np.array(hidden)[:, None, None]
    array[:3, :, :edge] = np.array(colour)[:, None, None]
    array[3, :, :edge] = 255
    return array


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_image_of_the_right_size_is_not_touched(channels, kind):
    image = random_image(channels, 5, 8)
    assert np.array_equal(fit(image, (5, 8), kind), image)
    assert np.array_equal(fit(image, (5, 8), kind, ORANGE, channels), image)


@pytest.mark.parametrize("kind", FITS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shrinking_averages_what_is_too_fine_to_be_seen(channels, kind):
    board = np.indices((256, 256)).sum(0) % 2 * 255
    image = np.broadcast_to(board, (channels, 256, 256)).copy()
    image[3:] = 255
    small = fit(image, (16, 16), kind)
    assert np.abs(small[:3] - 127.5).max() <= 2
    assert (small[3:] == 255).all()


@pytest.mark.parametrize("kind", FITS)
def test_shrinking_averages_along_each_axis_by_its_own_scale(kind):
    stripes = np.zeros((1, 8, 512), np.uint8)
    stripes[..., ::2] = 255
    small = fit(stripes, (8, 16), kind, background=(0, 0, 0))
    inner = small if kind != "pad" else small[small > 0]
    assert (kind == "crop") == bool(np.ptp(inner) > 100)  # whose centre keeps its size


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_crop_is_the_centre(channels):
    wide, tall = random_image(channels, 6, 10), random_image(channels, 10, 6)
    if channels in (2, 4):
        wide[-1] = tall[-1] = 255  # where it is not, Pillow rounds twice: see below
    assert np.array_equal(fit(wide, (6, 4), "crop"), wide[:, :, 3:7])
    assert np.array_equal(fit(wide, (6, 6), "crop"), wide[:, :, 2:8])
    assert np.array_equal(fit(tall, (4, 6), "crop"), tall[:, 3:7])


@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_seen_of_a_translucent_crop_is_right_within_rounding(channels):
    image = random_image(channels, 6, 10)
    cropped, expected = fit(image, (6, 4), "crop"), image[:, :, 3:7]
    assert np.array_equal(cropped[-1], expected[-1])
    seen, right = (one[:-1].astype(int) * expected[-1] / 255 for one in (cropped, expected))
    assert np.abs(seen - right).max() <= 1


def test_a_crop_is_as_large_as_the_image_allows():
    image = np.zeros((1, 8, 32), np.uint8)
    image[..., 8:24] = 200  # the centre of the target's shape
    for size in ((4, 8), (16, 32), (5, 10)):
        cropped = fit(image, size, "crop")
        assert cropped.min() > 100  # not 200: at the edges, neighbours outside have a say
        assert (cropped[:, :, 3:-3] == 200).all()
    assert fit(image, (4, 16), "crop").min() == 0


@pytest.mark.parametrize(
    ("channels", "border"),
    [
        (1, [GREY_OF_ORANGE]),
        (2, [GREY_OF_ORANGE, 0]),
        (3, [*ORANGE]),
        (4, [*ORANGE, 0]),
    ],
)
@pytest.mark.parametrize("present", [1, 2, 3, 4])
def test_a_padded_image_stands_in_the_middle_of_the_background(present, channels, border):
    image = random_image(present, 2, 6)
    image[[1, 3][present // 4] :][: present % 2 == 0] = 255  # opaque, if there is alpha
    padded = fit(image, (7, 6), "pad", ORANGE, channels)
    expected = np.broadcast_to(np.array(border)[:, None, None], (channels, 7, 6)).copy()
    colours = {1: 1, 2: 1, 3: 3, 4: 3}
    if colours[present] == colours[channels] or channels > 2:
        expected[: colours[channels], 2:4] = image[: colours[present]]
    else:
        expected[0, 2:4] = np.asarray(image_of(image[:3]).convert("L"))
    if channels in (2, 4):
        expected[-1, 2:4] = 255
    assert np.array_equal(padded, expected)


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(10, 20, (2, 6), (0, 8)), (20, 10, (0, 8), (2, 6)), (2, 4, (2, 6), (0, 8))],
)
def test_all_of_a_padded_image_is_there(height, width, rows, columns):
    image = np.full((3, height, width), 9, np.uint8)
    padded = fit(image, (8, 8), "pad", ORANGE)
    expected = np.broadcast_to(np.array(ORANGE)[:, None, None], (3, 8, 8)).copy()
    expected[:, slice(*rows), slice(*columns)] = 9
    assert np.array_equal(padded, expected)


@pytest.mark.parametrize(("height", "width"), [(1, 100), (100, 1)])
def test_a_thin_image_does_not_vanish_in_its_padding(height, width):
    padded = fit(np.full((1, height, width), 9, np.uint8), (8, 8), "pad")
    assert (padded == 9).sum() == 8


def test_a_stretched_image_fills_both_sides():
    image = np.zeros((1, 4, 16), np.uint8)
    image[..., 8:] = 255
    stretched = fit(image, (12, 8), "stretch")[0]
    assert stretched.shape == (12, 8)
    assert (stretched == stretched[:1]).all()
    assert stretched[0, [0, 1, 2, 5, 6, 7]].tolist() == [0, 0, 0, 255, 255, 255]
    image = np.zeros((1, 16, 4), np.uint8)
    image[:, 8:] = 255
    stretched = fit(image, (8, 12), "stretch")[0]
    assert stretched[[0, 1, 2, 5, 6, 7], 0].tolist() == [0, 0, 0, 255, 255, 255]


@pytest.mark.parametrize(
    ("channels", "background", "seen"),
    [(1, ORANGE, [GREY_OF_ORANGE]), (3, ORANGE, [*ORANGE]), (3, WHITE, [*WHITE])],
)
@pytest.mark.parametrize("present", [2, 4])
def test_what_is_transparent_shows_the_background(present, channels, background, seen):
    image = np.full((present, 2, 3), 40, np.uint8)
    image[-1] = [[0, 255, 0], [128, 0, 255]]
    flat = fit(image, (2, 3), "crop", background, channels)
    assert flat.shape == (channels, 2, 3)
    assert flat[:, 0, 0].tolist() == flat[:, 0, 2].tolist() == flat[:, 1, 1].tolist() == seen
    assert flat[:, 0, 1].tolist() == flat[:, 1, 2].tolist() == [40] * channels
    half = (40 * 128 + np.array(seen) * 127) / 255
    assert np.abs(flat[:, 1, 0] - half).max() <= 1


@pytest.mark.parametrize(("present", "under"), [(2, [GREY_OF_ORANGE]), (4, [*ORANGE])])
def test_the_background_lies_beneath_what_is_transparent(present, under):
    image = random_image(present, 2, 3)
    image[-1, 0, 0] = 0
    seen = fit(image, (2, 3), "crop", ORANGE)
    assert seen[:, 0, 0].tolist() == [*under, 0]
    image[:, 0, 0] = [*under, 0]
    assert np.array_equal(seen, image)


@pytest.mark.parametrize("kind", FITS)
def test_hidden_colours_do_not_bleed_into_an_edge(kind):
    image = sprite(colour=(255, 0, 0), hidden=(0, 255, 0))
    red = fit(image, (16, 16), kind, background=(255, 0, 0), channels=3)
    assert np.array_equal(red, np.broadcast_to([[[255]], [[0]], [[0]]], red.shape))
    kept = fit(image, (16, 16), kind, background=(255, 0, 0), channels=4)
    assert np.array_equal(kept[:3], red)
    assert np.ptp(kept[3]) == 255
    assert len(np.unique(kept[3])) > 2  # there is an edge with mixed pixels


@pytest.mark.parametrize("present", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_are_made_of_those_there_are(present, channels):
    image = random_image(present, 4, 5)
    if present in (2, 4):
        image[-1] = 255
    made = fit(image, (4, 5), "crop", ORANGE, channels)
    colours = image[:3] if present > 2 else np.repeat(image[:1], 3, 0)
    red, green, blue = colours.astype(int)
    grey = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16  # ITU-R 601, as Pillow
    expected = colours if channels > 2 else grey[None]
    if channels in (2, 4):
        expected = np.concatenate([expected, np.full((1, 4, 5), 255)])
    assert np.array_equal(made, expected)


def test_an_image_keeps_its_own_channels_if_none_are_asked_for():
    for channels, mode in MODES.items():
        image = fitted(image_of(random_image(channels, 9, 9)), (4, 6), "crop", ORANGE, None)
        assert (image.mode, image.size) == (mode, (6, 4))
        assert pixels_of(image, ORANGE, None).shape == (channels, 4, 6)


SIDES = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(
    height=SIDES,
    width=SIDES,
    size=st.tuples(SIDES, SIDES),
    kind=st.sampled_from(FITS),
    present=st.sampled_from([1, 2, 3, 4]),
    channels=st.sampled_from([None, 1, 2, 3, 4]),
    value=st.integers(0, 255),
)
def test_any_constant_image_of_any_size_stays_constant(
    height, width, size, kind, present, channels, value
):
    image = np.full((present, height, width), value, np.uint8)
    if present in (2, 4):
        image[-1] = 255
    seen = fit(image, size, kind, (value, value, value), channels)
    wanted = channels or present
    assert seen.shape == (wanted, *size)
    assert seen.dtype == np.uint8
    assert seen.flags.c_contiguous
    opaque = wanted - (wanted in (2, 4))
    assert (seen[:opaque] == value).all()
    if wanted in (2, 4):
        assert set(np.unique(seen[-1])) <= ({0, 255} if kind == "pad" else {255})
        assert (seen[-1] == 255).any()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), channels=st.sampled_from([1, 2, 3, 4]), kind=st.sampled_from(FITS))
def test_a_png_of_its_own_size_and_channels_comes_through_unchanged(data, channels, kind):
    shape = (channels, data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12)))
    image = data.draw(arrays(np.uint8, shape))
    if channels in (2, 4):
        image[-1] |= 1  # beneath what is fully transparent lies the background
    file = BytesIO()
    image_of(image).save(file, "PNG")
    reading = Reading(shape[1:], channels, fit=kind, background=ORANGE)
    pixels, _ = read_image(file.getvalue(), "image.png", reading, channels)
    assert np.array_equal(pixels, image)
    assert np.array_equal(read_image(file.getvalue(), "image.png", reading, None)[0], image)


@pytest.mark.parametrize(
    ("name", "colour"),
    [
        ("white", WHITE),
        ("#ff8800", ORANGE),
        ("#F80", ORANGE),
        ("rgb(255, 136, 0)", ORANGE),
        ("#ff880000", ORANGE),
    ],
)
def test_a_colour_has_many_names(name, colour):
    assert fitting.colour(name) == colour


@pytest.mark.parametrize("name", ["", "whyte", "#ff", "255,0,0", "x" * 200])
def test_what_is_no_colour_is_refused_with_a_remedy(name):
    with pytest.raises(ValueError, match=r"data\.background=.* is no colour\. Type a name such as"):
        fitting.colour(name)
