import math

import pytest
import torch
from torch.nn import functional

from darkroom.augmentation import HorizontalFlip, RandomCrop, VerticalFlip, Wobble

N = 200
EPOCH, INDEX = torch.zeros(N, dtype=torch.int64), torch.arange(N)
each_kind = pytest.mark.parametrize(
    "augment", [HorizontalFlip(), VerticalFlip(), RandomCrop(), Wobble()]
)
each_shape = pytest.mark.parametrize(
    ("height", "width"), [(32, 32), (24, 40), (64, 20)], ids=["square", "wide", "tall"]
)


def ramps(height=32, width=32):
    """One channel tells where a pixel lay from left to right, the other from top to bottom.

    In pixels from the centre of the image.
    """
    x = torch.arange(width) - (width - 1) / 2
    y = torch.arange(height) - (height - 1) / 2
    pair = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    return pair.expand(N, -1, -1, -1)


def changes(images):
    """What was done to ramps: turn, relative scale, shift to the right and down, and distortion.

    Shifts are shares of the width and of the height.
    """
    height, width = images.shape[2:]
    # away from the border
    middle = (..., slice(height // 4, -height // 4), slice(width // 4, -width // 4))
    x, y = ramps(height, width)[0][middle].flatten(1)
    design = torch.stack([x, y, torch.ones_like(x)], dim=1).expand(len(images), -1, -1)
    values = images[middle].flatten(2).transpose(1, 2)
    (a, c), (b, d), (right, down) = torch.linalg.lstsq(design, values).solution.permute(1, 2, 0)
    distortion = torch.hypot(a - d, b + c)
    return torch.atan2(c, a), torch.hypot(a, c) - 1, right / width, down / height, distortion


def numbered(height, width):
    """Images in which no two pixels are alike, not even those of different images."""
    return torch.arange(2 * N * height * width).reshape(N, 2, height, width).float()


@each_kind
def test_an_image_is_changed_alike_alone_and_in_company(augment):
    images = torch.rand(8, 3, 9, 12) * 2 - 1
    together = augment(images, 0, EPOCH[:8], INDEX[:8])
    alone = augment(images[5:6], 0, EPOCH[5:6], INDEX[5:6])
    torch.testing.assert_close(together[5], alone[0])


@each_kind
@pytest.mark.parametrize(("seed", "epoch"), [(1, 0), (0, 1)])
def test_another_seed_or_epoch_is_another_change(augment, seed, epoch):
    first = augment(ramps(), 0, EPOCH, INDEX)
    assert not torch.equal(first, augment(ramps(), seed, EPOCH + epoch, INDEX))


@pytest.mark.parametrize(("kind", "axis"), [(HorizontalFlip, 3), (VerticalFlip, 2)])
@pytest.mark.parametrize(("probability", "low", "high"), [(0, 0, 0), (0.5, 70, 130), (1, N, N)])
def test_a_share_of_the_images_is_mirrored_and_the_rest_left_alone(
    kind, axis, probability, low, high
):
    images = numbered(5, 7)
    augmented = kind(probability)(images, 0, EPOCH, INDEX)
    mirrored = (augmented == images.flip(axis)).all((1, 2, 3))
    untouched = (augmented == images).all((1, 2, 3))
    assert (mirrored ^ untouched).all()
    assert low <= mirrored.sum() <= high


def test_the_flips_fall_independently():
    flips = [kind()(numbered(3, 3), 0, EPOCH, INDEX) for kind in (HorizontalFlip, VerticalFlip)]
    across, down = ((images != numbered(3, 3)).any((1, 2, 3)) for images in flips)
    assert 70 <= (across ^ down).sum() <= 130


def windows(images, padding):
    """All that a crop could give: torch's own reflection, cut out by slices."""
    *_, height, width = images.shape
    padded = functional.pad(images, [padding] * 4, mode="reflect")
    places = range(2 * padding + 1)
    return [padded[..., y : y + height, x : x + width] for y in places for x in places]


@pytest.mark.parametrize(
    ("height", "width", "padding"), [(5, 7, 0), (5, 7, 1), (5, 7, 4), (7, 5, 4), (16, 16, 4)]
)
def test_a_crop_is_a_window_of_the_reflected_image(height, width, padding):
    images = numbered(height, width)
    crops = RandomCrop(padding)(images, 0, EPOCH, INDEX)
    found = [(crops == window).all((1, 2, 3)) for window in windows(images, padding)]
    assert torch.stack(found).any(0).all()


def test_crops_fall_on_every_place_equally_often():
    n, places = 10_000, 5 * 5
    image = numbered(4, 6)[:1]
    crops = RandomCrop(2)(image.expand(n, -1, -1, -1), 0, EPOCH[:1].expand(n), torch.arange(n))
    counts = torch.stack([(crops == window).all((1, 2, 3)).sum() for window in windows(image, 2)])
    assert counts.sum() == n
    chi_square = (counts - n / places).square().sum() / (n / places)
    freedom = places - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5  # four standard deviations


@pytest.mark.parametrize(("height", "width"), [(4, 9), (9, 4)])
def test_a_border_that_the_images_cannot_fill_is_refused(height, width):
    with pytest.raises(ValueError, match=rf"RandomCrop\.padding=4 .*{height}x{width}.*at most 3"):
        RandomCrop()(numbered(height, width), 0, EPOCH, INDEX)


@each_shape
@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({"degrees": 10, "scale": 0, "shift": 0}, (math.radians(10), 0, 0, 0, 0)),
        ({"degrees": 0, "scale": 0.1, "shift": 0}, (0, 0.1, 0, 0, 0)),
        ({"degrees": 0, "scale": 0, "shift": 0.05}, (0, 0, 0.05, 0.05, 0)),
    ],
    ids=["turn", "scale", "shift"],
)
def test_wobble_goes_as_far_as_asked_to_either_side_and_changes_nothing_else(
    options, limits, height, width
):
    images = Wobble(**options)(ramps(height, width), 0, EPOCH, INDEX)
    for change, limit in zip(changes(images), limits, strict=True):
        assert -limit - 1e-4 <= change.min() <= -0.9 * limit + 1e-4
        assert 0.9 * limit - 1e-4 <= change.max() <= limit + 1e-4


def test_wobble_draws_turn_scale_and_shift_independently():
    *drawn, _ = changes(Wobble()(ramps(), 0, EPOCH, INDEX))
    correlations = torch.corrcoef(torch.stack(drawn)) - torch.eye(4)
    assert correlations.abs().max() < 4 / N**0.5


def test_wobble_without_extent_changes_nothing():
    images = Wobble(0, 0, 0)(ramps(), 0, EPOCH, INDEX)
    torch.testing.assert_close(images, ramps(), atol=1e-4, rtol=0)


def test_wobble_draws_no_border_around_a_blank_image():
    blank = torch.full((N, 1, 9, 9), 0.7)
    images = Wobble(45, 0.5, 0.3)(blank, 0, EPOCH, INDEX)
    torch.testing.assert_close(images, blank)


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        (HorizontalFlip, {"probability": -0.1}, "probability=-0.1"),
        (HorizontalFlip, {"probability": 1.5}, "probability=1.5"),
        (VerticalFlip, {"probability": 1.5}, r"VerticalFlip\.probability=1.5"),
        (RandomCrop, {"padding": -1}, r"RandomCrop\.padding=-1"),
        (Wobble, {"degrees": -1}, "degrees=-1"),
        (Wobble, {"scale": -1}, "scale=-1"),
        (Wobble, {"shift": -1}, "shift=-1"),
    ],
)
def test_an_impossible_option_is_refused_by_name(kind, options, named):
    with pytest.raises(ValueError, match=named):
        kind(**options)
