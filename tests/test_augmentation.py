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


def affine_maps(images):
    """The matrices [batch, 2, 3] of (x, y, 1) that made ramps of ramps, away from the border."""
    middle = slice(SIDE // 4, -SIDE // 4)
    x, y = (ramp[middle, middle].flatten() for ramp in RAMPS)
    design = torch.stack([x, y, torch.ones_like(x)], dim=1)
    values = images[:, :, middle, middle].flatten(2).transpose(1, 2)
    return torch.linalg.lstsq(design.expand(len(images), -1, -1), values).solution.transpose(1, 2)


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
    ("furthest", "options"),
    [
        (math.radians(10), {"degrees": 10, "scale": 0, "shift": 0}),
        (0.1, {"degrees": 0, "scale": 0.1, "shift": 0}),
        (2 * 0.05, {"degrees": 0, "scale": 0, "shift": 0.05}),
    ],
    ids=["turn", "scale", "shift"],
)
def test_wobble_does_what_it_was_asked_for_to_either_side_and_nothing_else(furthest, options):
    images = Wobble(**options)(ramps(), 0, EPOCH, INDEX)
    a, b, right, c, d, down = affine_maps(images).flatten(1).unbind(1)
    done = {
        "degrees": torch.atan2(c, a),
        "scale": torch.hypot(a, c) - 1,
        "shift": torch.stack([right, down]),
    }
    torch.testing.assert_close(torch.stack([a, b]), torch.stack([d, -c]), atol=1e-4, rtol=0)
    for option, change in done.items():
        limit = furthest if options[option] else 0
        assert change.abs().max() <= limit + 1e-4
        assert change.max() >= 0.9 * limit - 1e-4
        assert change.min() <= -0.9 * limit + 1e-4


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
