"""Changes of where pixels lie that a gradient passes through."""

import math
from dataclasses import dataclass
from functools import reduce
from itertools import product

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from darkroom.augmentation.transform import Probability, check, happens, signed
from darkroom.images import Images, PerImage
from darkroom.randomness import Noise

Coordinate = Float[Tensor, "3 batch"]  # as a function of a pixel's place: times x, times y, plus
Places = Float[Tensor, "batch height width"]  # of the new pixels in the old image, in pixels
Pixel = Int64[Tensor, "batch height width"]  # the same in whole pixels, along one direction
Line = Bool[Tensor, "batch side"]


@dataclass(frozen=True)
class Translation:
    """Moves each image by whole pixels; what comes in is zero, halfway from black to white.

    Args:
        share: Furthest way in both directions, as a share of the height and of the width.

    Raises:
        ValueError: If the share is not within 0..1.

    Source: Zhao et al. 2020 (DiffAugment), arXiv 2006.10738, "Translation".
    """

    share: float = 0.125

    def __post_init__(self) -> None:
        check(self, 0, 1, "share")

    def __call__(self, images: Images, noise: Noise, probability: Probability) -> Images:
        (moved,) = happens(noise, probability)
        for axis, draw in zip((2, 3), noise.uniform(2).unbind(1), strict=True):
            furthest = _pixels(self.share, images.shape[axis])
            way = _whole(draw, 2 * furthest + 1) - furthest
            images = _shifted(images, axis, way * moved.long())
        return images


@dataclass(frozen=True)
class Cutout:
    """Sets a window of each image to zero, halfway from black to white.

    Its middle lies anywhere in the image, so a part of it may lie outside.

    Args:
        share: The window's height and width, as a share of the image's.

    Raises:
        ValueError: If the share is not within 0..1.

    Source: Zhao et al. 2020 (DiffAugment), arXiv 2006.10738, "Cutout"; DeVries and Taylor 2017,
        arXiv 1708.04552.
    """

    share: float = 0.5

    def __post_init__(self) -> None:
        check(self, 0, 1, "share")

    def __call__(self, images: Images, noise: Noise, probability: Probability) -> Images:
        (cut,) = happens(noise, probability)
        rows, columns = (
            self._window(side, draw)
            for side, draw in zip(images.shape[2:], noise.uniform(2).unbind(1), strict=True)
        )
        window = rows[:, None, :, None] & columns[:, None, None, :]
        return images.masked_fill(window & (cut > 0)[:, None, None, None], 0)

    def _window(self, side: int, draw: PerImage) -> Line:
        """For each image, which pixels the window reaches along one direction."""
        length = _pixels(self.share, side)
        # a window of even length has its middle between two pixels, or on the image's border
        first = _whole(draw, side + (length + 1) % 2) - length // 2
        place = torch.arange(side, device=draw.device) - first[:, None]
        return (place >= 0) & (place < length)


@dataclass(frozen=True)
class Geometry:
    """Mirrors, turns, scales, stretches and moves each image in one resampling.

    In this order: flip, quarter turns, a shift by whole pixels; then size, a turn, a stretch,
    another turn, and a drift by parts of pixels. The first three move pixels and mix none, and so
    an image that nothing else happens to comes out exact. Between pixels it is interpolated
    linearly, and outside the image it is reflected. Images that are no squares make half turns in
    place of quarter turns. A strength of 0 leaves a change out.

    Args:
        flip: Share of the probability with which left and right are tossed.
        quarter_turn: Share of the probability with which one of four directions is drawn.
        shift: Furthest way by whole pixels in both directions, as a share of width and height.
        scale: Standard deviation of log2 of the size.
        degrees: Furthest turn to either side, before the stretch and after it.
        stretch: Standard deviation of log2 of the width, when the height is changed inversely.
        drift: Standard deviation of the way by parts of pixels, as a share of width and height.

    Raises:
        ValueError: If a strength is negative, flip, quarter_turn or shift above 1, or degrees
            above 180.

    Source: Karras et al. 2020 (ADA), arXiv 2006.06676, appendix B, with its strengths. Their
        images are interpolated at twice the size, enlarged and reduced by wavelets, which keeps
        more of the finest detail and takes four times the pixels.
    """

    flip: float = 1.0
    quarter_turn: float = 1.0
    shift: float = 0.125
    scale: float = 0.2
    degrees: float = 180
    stretch: float = 0.2
    drift: float = 0.125

    def __post_init__(self) -> None:
        check(self, 0, 1, "flip", "quarter_turn", "shift")
        check(self, 0, math.inf, "scale", "stretch", "drift")
        check(self, 0, 180, "degrees")

    def __call__(self, images: Images, noise: Noise, probability: Probability) -> Images:
        height, width = images.shape[2:]
        p = probability
        p_turn = 1 - (1 - p) ** 0.5  # of each of two turns, so that p is that of at least one
        flipped, quartered, shifted, scaled, turned, stretched, turned_again, drifted = happens(
            noise, p * self.flip, p * self.quarter_turn, p, p, p_turn, p, p_turn, p
        )
        heads, direction = noise.uniform(2).unbind(1)
        shift_x, shift_y, angle, second_angle = signed(noise, 4)
        size, stretch, drift_x, drift_y = noise.normal(4).unbind(1)
        directions = 4 if height == width else 2
        quarters = _whole(direction, directions) * (4 // directions) * quartered
        furthest = math.radians(self.degrees)

        # from a pixel's place in the new image back to that in the old one, so last things first
        x, y, one = torch.eye(3, device=images.device)[:, :, None]  # seen from the image's middle
        x = x - self.drift * width * drift_x * drifted * one
        y = y - self.drift * height * drift_y * drifted * one
        turn = furthest * second_angle * turned_again
        x, y = _turned(x, y, turn.cos(), turn.sin())
        wider = torch.exp2(self.stretch * stretch * stretched)
        x, y = x / wider, y * wider
        turn = furthest * angle * turned
        x, y = _turned(x, y, turn.cos(), turn.sin())
        larger = torch.exp2(self.scale * size * scaled)
        x, y = x / larger, y / larger
        x = x - (self.shift * width * shift_x).round() * shifted * one
        y = y - (self.shift * height * shift_y).round() * shifted * one
        turn = math.pi / 2 * quarters
        x, y = _turned(x, y, turn.cos().round(), turn.sin().round())  # exactly -1, 0 or 1
        x = x * (1 - 2 * flipped * (heads < 0.5))
        return _resampled(images, *_places(x, y, height, width))


def _pixels(share: float, side: int) -> int:
    """A share of a side in whole pixels."""
    return int(share * side + 0.5)


def _whole(draw: PerImage, choices: int) -> Int64[Tensor, " batch"]:
    """A number of 0..choices-1 from a draw within (0, 1), each as likely."""
    return (draw * choices).long().clamp(max=choices - 1)  # a product may be rounded up


def _shifted(images: Images, axis: int, way: Int64[Tensor, " batch"]) -> Images:
    """Each image moved by its own way along one axis, zeros coming in."""
    side = images.shape[axis]
    place = (torch.arange(side, device=images.device) - way[:, None])[:, None]
    place = place.unsqueeze(5 - axis)  # [B, 1, H, 1] or [B, 1, 1, W]
    moved = images.gather(axis, place.clamp(0, side - 1).expand_as(images))
    return moved.masked_fill((place < 0) | (place >= side), 0)


def _turned(
    x: Coordinate, y: Coordinate, cos: PerImage, sin: PerImage
) -> tuple[Coordinate, Coordinate]:
    return cos * x + sin * y, cos * y - sin * x


def _places(x: Coordinate, y: Coordinate, height: int, width: int) -> tuple[Places, Places]:
    """Where the new pixels lie in the old image, counted from its first pixel."""
    column = torch.arange(width, device=x.device) - (width - 1) / 2
    row = torch.arange(height, device=x.device)[:, None] - (height - 1) / 2
    # not as a product of matrices, which autocast and TF32 would round to parts of pixels
    x, y = x[:, :, None, None], y[:, :, None, None]
    from_left = x[0] * column + x[1] * row + x[2] + (width - 1) / 2
    from_top = y[0] * column + y[1] * row + y[2] + (height - 1) / 2
    return from_left, from_top


def _resampled(images: Images, x: Places, y: Places) -> Images:
    """The images at these places, linear between pixels and reflected outside.

    A weighted sum of four gathers. `grid_sample` is faster on a CPU, but some versions of torch
    lack its second derivative, and its coordinates from -1 to 1 do not name a pixel exactly.
    """
    channels, height, width = images.shape[1:]
    pixels = images.flatten(2)
    left, top = x.floor(), y.floor()
    right, below = x - left, y - top  # the weights of the neighbours to the right and below
    columns = [(_reflected(left.long() + k, width), w) for k, w in enumerate((1 - right, right))]
    rows = [(_reflected(top.long() + k, height), w) for k, w in enumerate((1 - below, below))]
    corners = []
    for (row, down), (column, across) in product(rows, columns):
        place = (row * width + column).flatten(1)[:, None].expand(-1, channels, -1)
        weight = (down * across).flatten(1)[:, None].to(images)
        corners.append(weight * pixels.gather(2, place))
    return reduce(torch.add, corners).view_as(images)


def _reflected(place: Pixel, side: int) -> Pixel:
    """Places outside of 0..side-1 mirrored at the first and the last pixel, however far away."""
    last = side - 1
    return last - (last - place.remainder(max(2 * last, 1))).abs()
