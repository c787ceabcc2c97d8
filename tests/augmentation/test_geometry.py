import math

import pytest
import torch
from torch.nn import functional
from torchvision.transforms import functional as vision

from darkroom.augmentation import Cutout, Geometry, Translation
from darkroom.randomness import Noise

N = 200
STILL = {"shift": 0, "scale": 0, "degrees": 0, "stretch": 0, "drift": 0}
UPRIGHT = {"flip": 0, "quarter_turn": 0}
each_shape = pytest.mark.parametrize(("height", "width"), [(16, 16), (9, 20), (21, 8)])


def noise(count=N):
    return Noise(3, torch.arange(count))


def numbered(height, width, channels=2):
    """Images in which no two pixels are alike, not even those of different images; none is 0."""
    pixels = torch.arange(1, 1 + N * channels * height * width)
    return pixels.reshape(N, channels, height, width).float()


def count_found(images, candidates):
    """How many of the images are each candidate, exactly; every image has to be one of them."""
    found = torch.stack([(images == candidate).all((1, 2, 3)) for candidate in candidates])
    assert found.any(0).all()
    return found.sum(1)


@each_shape
def test_a_translation_is_a_window_of_the_image_with_zeros_around(height, width):
    images, share = numbered(height, width), 0.2
    down, across = (int(share * side + 0.5) for side in (height, width))
    padded = functional.pad(images, [across, across, down, down])
    windows = [
        padded[..., y : y + height, x : x + width]
        for y in range(2 * down + 1)
        for x in range(2 * across + 1)
    ]
    counts = count_found(Translation(share)(images, noise(), 1.0), windows)
    assert counts.sum() == N
    assert counts.max() < 6 * N / len(windows) + 6


def test_translations_reach_every_place_equally_often():
    furthest, side = 4, 32  # the paper's eighth
    impulse = torch.zeros(20_000, 1, side, side)
    impulse[:, :, side // 2, side // 2] = 1
    moved = Translation()(impulse, noise(20_000), 1.0)
    counts = moved.sum((0, 1))
    reached = counts[side // 2 - furthest :, side // 2 - furthest :][:9, :9]
    assert reached.sum() == 20_000
    chi_square = (reached - 20_000 / 81).square().sum() / (20_000 / 81)
    assert chi_square < 80 + 4 * (2 * 80) ** 0.5  # four standard deviations


@each_shape
@pytest.mark.parametrize("share", [0, 0.3, 0.5, 1])
def test_a_cutout_is_a_window_of_zeros_and_nothing_else_changes(height, width, share):
    images = numbered(height, width)
    cut = Cutout(share)(images, noise(), 1.0)
    hole = cut == 0
    assert torch.equal(cut[~hole], images[~hole])
    assert torch.equal(hole[:, 0], hole[:, 1])
    rows, columns = hole[:, 0].any(2), hole[:, 0].any(1)
    assert torch.equal(hole[:, 0], rows[:, :, None] & columns[:, None, :])
    for line, side in ((rows, height), (columns, width)):
        length = int(share * side + 0.5)
        starts = (line.long().diff(dim=1, prepend=torch.zeros(N, 1)) == 1).sum(1)
        assert starts.max() <= 1
        assert line.sum(1).max() == length
        assert line.sum(1).min() >= length // 2


@pytest.mark.parametrize("share", [0.5, 0.4])
def test_a_cutout_falls_where_that_of_the_paper_falls(share):
    """mit-han-lab/data-efficient-gans, DiffAugment_pytorch.py: all places, each equally often."""
    count, side, size = 4000, 10, int(10 * share + 0.5)
    offsets = torch.arange(side + (1 - size % 2))
    place = (offsets[:, None] + torch.arange(size) - size // 2).clamp(0, side - 1)
    expected = torch.zeros(len(offsets), side).scatter(1, place, 1).mean(0)
    cut = Cutout(share)(torch.ones(count, 1, side, side), noise(count), 1.0) == 0
    for axis in (1, 2):
        often = cut[:, 0].any(axis).float().mean(0)
        torch.testing.assert_close(often, expected, atol=4 * 0.5 / count**0.5, rtol=0)


def test_flips_are_exact_and_fall_on_half_of_the_images():
    images = numbered(7, 8)
    flipped = Geometry(**STILL, quarter_turn=0)(images, noise(), 1.0)
    counts = count_found(flipped, [images, vision.hflip(images)])
    assert counts.min() > 70


def test_quarter_turns_are_exact_and_equally_frequent():
    images = numbered(9, 9)
    turned = Geometry(**STILL, flip=0)(images, noise(), 1.0)
    counts = count_found(turned, [images.rot90(k, (2, 3)) for k in range(4)])
    assert counts.min() > 25


@pytest.mark.parametrize(("height", "width"), [(8, 9), (5, 1), (28, 30)])
def test_images_that_are_no_squares_make_half_turns(height, width):
    images = numbered(height, width)
    turned = Geometry(**STILL, flip=0)(images, noise(), 1.0)
    counts = count_found(turned, [images, images.rot90(2, (2, 3))])
    assert counts.min() > 70


@each_shape
def test_shifts_are_exact_windows_of_the_reflected_image(height, width):
    images = numbered(height, width)
    down, across = round(height / 8), round(width / 8)
    padded = functional.pad(images, [across, across, down, down], mode="reflect")
    windows = [
        padded[..., y : y + height, x : x + width]
        for y in range(2 * down + 1)
        for x in range(2 * across + 1)
    ]
    shifted = Geometry(**STILL | {"shift": 0.125}, **UPRIGHT)(images, noise(), 1.0)
    assert (count_found(shifted, windows) > 0).float().mean() > 0.8


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_channels_go_the_same_way(channels):
    images = torch.rand(N, 1, 9, 9).expand(-1, channels, -1, -1)
    after = Geometry()(images, noise(), 1.0)
    assert torch.equal(after, after[:, :1].expand_as(after))


@each_shape
def test_size_turn_and_drift_are_those_of_torchvision(height, width):
    images = torch.rand(N, 3, height, width)
    transform = Geometry(**UPRIGHT, shift=0, stretch=0)
    together = transform(images, noise(), 1.0)
    inside = 0
    for n in range(50):
        drawn = Noise(3, torch.tensor([n]))
        drawn.uniform(8 + 2)
        *_, first, second = 2 * drawn.uniform(4)[0] - 1
        size, _, right, down = drawn.normal(4)[0].tolist()
        options = {
            "angle": 180 * (first + second).item(),
            "translate": [0.125 * width * right, 0.125 * height * down],
            "scale": 2 ** (0.2 * size),
            "shear": [0.0, 0.0],
            "interpolation": vision.InterpolationMode.BILINEAR,
        }
        expected = vision.affine(images[n], **options)
        whole = vision.affine(torch.ones(1, height, width), **options) > 0.9999
        torch.testing.assert_close(
            together[n][whole.expand(3, -1, -1)],
            expected[whole.expand(3, -1, -1)],
            atol=1e-4,
            rtol=0,
        )
        inside += whole.float().mean().item() / 50
    assert inside > 0.5  # that something was compared


@each_shape
@pytest.mark.parametrize("probability", [0.5, 1.0])
def test_the_resampling_is_the_product_of_the_papers_matrices(height, width, probability):
    """NVlabs/stylegan2-ada-pytorch, training/augment.py, with our draws and without wavelets."""
    p_turn = 1 - math.sqrt(1 - probability)
    p = torch.tensor([probability] * 4 + [p_turn, probability, p_turn, probability])
    drawn = noise()
    flip, quarter, shift, scale, turn, stretch, again, drift = (drawn.uniform(8) < p).double().T
    heads, direction = drawn.uniform(2).double().T
    shift_x, shift_y, angle, second = (2 * drawn.uniform(4) - 1).double().T
    size, wide, drift_x, drift_y = drawn.normal(4).double().T
    directions = 4 if height == width else 2

    def matrices(*entries):
        rows = [torch.as_tensor(entry, dtype=torch.float64).expand(N) for entry in entries]
        return torch.stack([*rows, *(torch.full((N,), k) for k in (0, 0, 1))], 1).view(N, 3, 3)

    def moved(x, y):
        return matrices(1, 0, x, 0, 1, y)

    def scaled(x, y):
        return matrices(x, 0, 0, 0, y, 0)

    def turned(theta):
        return matrices(theta.cos(), -theta.sin(), 0, theta.sin(), theta.cos(), 0)

    s, w = 2 ** (0.2 * size * scale), 2 ** (0.2 * wide * stretch)
    forward = (
        moved(0.125 * width * drift_x * drift, 0.125 * height * drift_y * drift)
        @ turned(math.pi * second * again)
        @ scaled(w, 1 / w)
        @ turned(math.pi * angle * turn)
        @ scaled(s, s)
        @ moved(
            (shift_x * 0.125 * width).round() * shift, (shift_y * 0.125 * height).round() * shift
        )
        @ turned(2 * math.pi * (direction * directions).floor() / directions * quarter)
        @ scaled(1 - 2 * (heads < 0.5) * flip, 1)
    )
    # grid_sample counts from -1 at the first pixel's centre to 1 at the last one's
    units = scaled((width - 1) / 2, (height - 1) / 2)
    inverse = units.inverse() @ forward.inverse() @ units
    images = torch.rand(N, 2, height, width, dtype=torch.float64)
    grid = functional.affine_grid(inverse[:, :2], list(images.shape), align_corners=True)
    expected = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=True)
    after = Geometry()(images, noise(), probability)
    torch.testing.assert_close(after, expected, atol=1e-4, rtol=0)
