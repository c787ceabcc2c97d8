import inspect

import pytest
import torch

from darkroom.images import (
    composited,
    pil,
    sides,
    tile,
    to_float,
    to_pixels,
    visible_scale,
)

ALL_VALUES = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)


@pytest.mark.parametrize(
    ("resolution", "height_width"), [(64, (64, 64)), ([48, 64], (48, 64)), ((17, 40), (17, 40))]
)
def test_a_resolution_is_one_side_of_a_square_or_height_and_width(resolution, height_width):
    assert sides(resolution) == height_width


@pytest.mark.parametrize(
    "resolution",
    [[], [32], [48, 64, 3], True, [48, True], 64.0, [48, 64.0], "64", ["48", "64"], None],
)
def test_any_other_resolution_is_refused_with_a_remedy(resolution):
    with pytest.raises(ValueError, match=r"type one side such as 64, or \[height,width\]") as error:
        inspect.unwrap(sides)(resolution)  # without the tests' type checker, which would be first
    assert str(error.value).startswith(f"data.resolution={resolution}: ")


def test_floats_span_minus_one_to_one():
    assert to_float(ALL_VALUES).min() == -1
    assert to_float(ALL_VALUES).max() == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_pixel_value_survives_the_way_to_floats_and_back(dtype):
    assert torch.equal(to_pixels(to_float(ALL_VALUES).to(dtype)), ALL_VALUES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_images_in_half_precision_lose_nothing_more_on_their_way_to_pixels(dtype):
    images = to_float(ALL_VALUES).to(dtype)
    assert torch.equal(to_pixels(images), to_pixels(images.float()))


def test_pixels_are_rounded_and_clamped():
    step = 1 / 127.5
    images = torch.tensor([-1.2, -1 + 0.4 * step, -1 + 0.6 * step, 1.2]).reshape(1, 1, 2, 2)
    assert to_pixels(images).flatten().tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_refused(value):
    images = torch.zeros(2, 1, 4, 4)
    images[1, 0, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        to_pixels(images)


def test_tiles_stand_in_reading_order_with_a_black_pixel_between_them():
    pixels = torch.tensor([1, 2, 3], dtype=torch.uint8).reshape(3, 1, 1, 1).expand(3, 1, 1, 2)
    expected = [[1, 1, 0, 2, 2], [0, 0, 0, 0, 0], [3, 3, 0, 0, 0]]
    assert tile(pixels, columns=2)[0].tolist() == expected


def test_tiles_are_enlarged_by_whole_pixels_in_every_channel():
    pixels = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).reshape(2, 2, 1, 1)
    first, second = tile(pixels, columns=2, scale=2).tolist()
    assert first == [[1, 1, 0, 3, 3]] * 2
    assert second == [[2, 2, 0, 4, 4]] * 2


@pytest.mark.parametrize(("height", "scale"), [(8, 8), (28, 2), (64, 1), (200, 1)])
def test_small_images_are_enlarged_for_the_eye(height, scale):
    assert visible_scale(height) == scale


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_a_picture_has_the_mode_of_its_channels(channels, mode):
    picture = torch.arange(channels * 6, dtype=torch.uint8).reshape(channels, 2, 3)
    image = pil(picture)
    assert (image.mode, image.size) == (mode, (3, 2))
    assert list(image.tobytes()) == picture.permute(1, 2, 0).flatten().tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_images_without_transparency_are_seen_as_they_are(channels):
    pixels = ALL_VALUES.expand(2, channels, 16, 16)
    assert torch.equal(composited(pixels), pixels)


@pytest.mark.parametrize("colours", [1, 3])
def test_transparency_is_seen_over_grey(colours):
    alpha = torch.tensor([0, 51, 255], dtype=torch.uint8)  # none, a fifth, all
    colour = torch.full((1, colours, 1, 3), 228, dtype=torch.uint8)
    seen = composited(torch.cat([colour, alpha.reshape(1, 1, 1, 3)], dim=1))
    assert (seen.shape, seen.dtype) == ((1, colours, 1, 3), torch.uint8)
    assert seen[0].tolist() == [[[128, 148, 228]]] * colours
    seen = composited(torch.cat([colour, alpha.reshape(1, 1, 1, 3)], dim=1), grey=0)
    assert seen[0].tolist() == [[[0, 46, 228]]] * colours


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_pillow_gets_every_channel(channels, mode):
    picture = torch.arange(channels * 6, dtype=torch.uint8).reshape(channels, 2, 3)
    image = pil(picture)
    assert (image.mode, image.size) == (mode, (3, 2))
    last = image.getpixel((2, 1))
    assert list(last if channels > 1 else [last]) == picture[:, 1, 2].tolist()
