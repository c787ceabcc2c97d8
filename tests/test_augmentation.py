import math

import pytest
import torch

from darkroom.augmentation import HorizontalFlip, Wobble

N, SIDE = 200, 32
EPOCH, INDEX = torch.zeros(N, dtype=torch.int64), torch.arange(N)
AXIS = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1  # from -1 to 1, at the pixels' centres
# one channel tells where a pixel lay from left to right, the other from top to bottom
RAMPS = torch.stack([AXIS.expand(SIDE, SIDE), AXIS[:, None].expand(SIDE, SIDE)])
each_kind = pytest.mark.parametrize("augment", [HorizontalFlip(), Wobble()])


def ramps(n=N):
    return RAMPS.expand(n, -1, -1, -1)


def changes(images):
    """What was done to ramps: turn, relative scale, shift to the right and down, and distortion."""
    middle = slice(SIDE // 4, -SIDE // 4)  # away from the border
    x, y = (ramp[middle, middle].flatten() for ramp in RAMPS)
    design = torch.stack([x, y, torch.ones_like(x)], dim=1).expand(len(images), -1, -1)
    values = images[:, :, middle, middle].flatten(2).transpose(1, 2)
    (a, c), (b, d), (right, down) = torch.linalg.lstsq(design, values).solution.permute(1, 2, 0)
    distortion = torch.hypot(a - d, b + c)
    return torch.atan2(c, a), torch.hypot(a, c) - 1, right, down, distortion


@each_kind
def test_an_image_is_changed_alike_alone_and_in_company(augment):
    images = torch.rand(8, 3, 9, 9) * 2 - 1
    together = augment(images, 0, EPOCH[:8], INDEX[:8])
    alone = augment(images[5:6], 0, EPOCH[5:6], INDEX[5:6])
    torch.testing.assert_close(together[5], alone[0])


@each_kind
@pytest.mark.parametrize(("seed", "epoch"), [(1, 0), (0, 1)])
def test_another_seed_or_epoch_is_another_change(augment, seed, epoch):
    first = augment(ramps(), 0, EPOCH, INDEX)
    assert not torch.equal(first, augment(ramps(), seed, EPOCH + epoch, INDEX))


@pytest.mark.parametrize(("probability", "low", "high"), [(0, 0, 0), (0.5, 70, 130), (1, N, N)])
def test_a_share_of_the_images_is_mirrored_and_the_rest_left_alone(probability, low, high):
    images = HorizontalFlip(probability)(ramps(), 0, EPOCH, INDEX)
    mirrored = (images == ramps().flip(3)).all((1, 2, 3))
    untouched = (images == ramps()).all((1, 2, 3))
    assert (mirrored ^ untouched).all()
    assert low <= mirrored.sum() <= high


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({"degrees": 10, "scale": 0, "shift": 0}, (math.radians(10), 0, 0, 0, 0)),
        ({"degrees": 0, "scale": 0.1, "shift": 0}, (0, 0.1, 0, 0, 0)),
        ({"degrees": 0, "scale": 0, "shift": 0.05}, (0, 0, 2 * 0.05, 2 * 0.05, 0)),
    ],
    ids=["turn", "scale", "shift"],
)
def test_wobble_goes_as_far_as_asked_to_either_side_and_changes_nothing_else(options, limits):
    for change, limit in zip(
        changes(Wobble(**options)(ramps(), 0, EPOCH, INDEX)), limits, strict=True
    ):
        assert -limit - 1e-4 <= change.min() <= -0.9 * limit + 1e-4
        assert 0.9 * limit - 1e-4 <= change.max() <= limit + 1e-4


def test_wobble_draws_turn_scale_and_shift_independently():
    *drawn, _ = changes(Wobble()(ramps(), 0, EPOCH, INDEX))
    correlations = torch.corrcoef(torch.stack(drawn)) - torch.eye(4)
    assert correlations.abs().max() < 4 / N**0.5


def test_wobble_without_extent_changes_nothing():
    images = Wobble(0, 0, 0)(ramps(), 0, EPOCH, INDEX)
    torch.testing.assert_close(images, ramps(), atol=1e-5, rtol=0)


def test_wobble_draws_no_border_around_a_blank_image():
    blank = torch.full((N, 1, 9, 9), 0.7)
    images = Wobble(45, 0.5, 0.3)(blank, 0, EPOCH, INDEX)
    torch.testing.assert_close(images, blank)


@pytest.mark.parametrize(
    ("kind", "options", "named"),
    [
        (HorizontalFlip, {"probability": -0.1}, "probability=-0.1"),
        (HorizontalFlip, {"probability": 1.5}, "probability=1.5"),
        (Wobble, {"degrees": -1}, "degrees=-1"),
        (Wobble, {"scale": -1}, "scale=-1"),
        (Wobble, {"shift": -1}, "shift=-1"),
    ],
)
def test_an_impossible_option_is_refused_by_name(kind, options, named):
    with pytest.raises(ValueError, match=named):
        kind(**options)
