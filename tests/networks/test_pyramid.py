import pytest
import torch
from torch.nn import functional

from darkroom.images import sides
from darkroom.networks.pyramid import Pyramid


def pyramid(resolution=64, channels=1, width=64):
    return Pyramid("model.generator", resolution, channels, width)


@pytest.mark.parametrize(
    ("resolution", "widths", "smallest", "remaining", "crop"),
    [
        (16, (64, 128), 4, 4, slice(0, 16)),
        (28, (64, 128), 7, 7, slice(0, 28)),
        (31, (64, 128), 8, 7, slice(0, 31)),
        (37, (64, 128, 256), 5, 4, slice(1, 38)),
        (64, (64, 128, 256, 512), 4, 4, slice(0, 64)),
        (100, (64, 128, 256, 512), 7, 6, slice(6, 106)),
        (256, (64, 128, 256, 512, 512, 512), 4, 4, slice(0, 256)),
    ],
)
def test_a_square_is_divided_into_levels(resolution, widths, smallest, remaining, crop):
    for levels in map(pyramid, (resolution, [resolution, resolution])):
        assert levels.widths == widths
        assert levels.smallest == (smallest, smallest)
        assert levels.remaining == (remaining, remaining)
        assert levels.crop == (crop, crop)


@pytest.mark.parametrize(
    ("resolution", "widths", "smallest", "remaining", "crop"),
    [
        ([48, 64], (64, 128, 256), (6, 8), (6, 8), (slice(0, 48), slice(0, 64))),
        ([64, 48], (64, 128, 256), (8, 6), (8, 6), (slice(0, 64), slice(0, 48))),
        ([17, 40], (64, 128), (5, 10), (4, 10), (slice(1, 18), slice(0, 40))),
        ([16, 129], (64, 128), (4, 33), (4, 32), (slice(0, 16), slice(1, 130))),
    ],
)
def test_the_shorter_side_tells_the_levels(resolution, widths, smallest, remaining, crop):
    levels = pyramid(resolution)
    assert levels.widths == widths
    assert (levels.smallest, levels.remaining, levels.crop) == (smallest, remaining, crop)


@pytest.mark.parametrize("resolution", [16, 31, 37, 100, [17, 40], [16, 129], [41, 63]])
def test_margins_surround_the_image_by_what_the_crop_cuts_off(resolution):
    levels = pyramid(resolution)
    image = torch.ones(sides(resolution))
    canvas = functional.pad(image, levels.margins)
    assert canvas.shape == tuple(side * 2**levels.depth for side in levels.smallest)
    assert canvas[levels.crop].equal(image)
    assert canvas.sum() == image.sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 15}, r"resolution=15 .*Type data\.resolution=16"),
        ({"resolution": [15, 40]}, r"resolution=\[15, 40\] .*Type data\.resolution=\[16,40\]"),
        ({"resolution": [40, 15]}, r"resolution=\[40, 15\] .*Type data\.resolution=\[40,16\]"),
        ({"channels": 0}, r"channels=0.*Type data\.channels=3"),
        ({"channels": 5}, r"channels=5.*Type data\.channels=3"),
        ({"width": 0}, "width=0: type a width"),
    ],
)
def test_what_cannot_be_made_is_refused_with_its_option_and_a_remedy(options, message):
    with pytest.raises(ValueError, match=rf"model\.generator\.{message}"):
        pyramid(**options)
