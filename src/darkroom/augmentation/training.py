"""What happens to training images: small objects on whole batches, on the device."""

import math
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn import functional

from darkroom import randomness
from darkroom.images import Counters, Images, PerImage


@runtime_checkable
class Augmentation(Protocol):
    """A random change of images, drawn from (seed, epoch, index) for each image alone."""

    def __call__(self, images: Images, seed: int, epoch: Counters, index: Counters) -> Images: ...


class _Flip:
    """Mirrors a share of the images along `axis`.

    Args:
        probability: Share of the images that are mirrored.

    Raises:
        ValueError: If the probability is not within 0..1.
    """

    purpose: str
    axis: int

    def __init__(self, probability: float = 0.5) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(
                f"{type(self).__name__}.probability={probability}: type a share from 0 to 1."
            )
        self.probability = probability

    def __call__(self, images: Images, seed: int, epoch: Counters, index: Counters) -> Images:
        draw = randomness.uniform(randomness.key(seed, self.purpose), epoch, index)
        mirrored = (draw < self.probability)[:, None, None, None]
        return torch.where(mirrored, images.flip(self.axis), images)


class HorizontalFlip(_Flip):
    """Mirrors every other image, left and right."""

    purpose, axis = "horizontal flip", 3


class VerticalFlip(_Flip):
    """Mirrors every other image, top and bottom."""

    purpose, axis = "vertical flip", 2


class RandomCrop:
    """Moves each image by whole pixels; the border is reflected.

    The same as a border of reflected pixels around the image, and a random window of its size.

    Args:
        padding: Width of that border, so the furthest way in both directions, in pixels.

    Raises:
        ValueError: If the padding is negative, or no smaller than the images it is applied to.
    """

    def __init__(self, padding: int = 4) -> None:
        if padding < 0:
            raise ValueError(f"RandomCrop.padding={padding}: type a number of pixels from 0 on.")
        self.padding = padding

    def __call__(self, images: Images, seed: int, epoch: Counters, index: Counters) -> Images:
        batch, channels, height, width = images.shape
        if self.padding >= min(height, width):
            raise ValueError(
                f"RandomCrop.padding={self.padding} is too wide for images of {height}x{width} "
                f"pixels: type at most {min(height, width) - 1}."
            )
        purpose = randomness.key(seed, "random crop")
        rows, columns = (
            self._window(side, randomness.uniform(purpose + k, epoch, index))
            for k, side in enumerate((height, width))
        )
        image = torch.arange(batch, device=images.device)[:, None, None, None]
        channel = torch.arange(channels, device=images.device)[:, None, None]
        return images[image, channel, rows[:, None, :, None], columns[:, None, None, :]]

    def _window(self, side: int, draw: PerImage) -> Int64[Tensor, "batch side"]:
        """For each image, the places of its new pixels in the old image, along one direction."""
        places = 2 * self.padding + 1
        # an odd number times the largest draw, 1 - 2^-24, is not rounded up to that number
        first = (draw * places).long() - self.padding
        last = side - 1
        place = first[:, None] + torch.arange(side, device=draw.device)
        return last - (last - place.abs()).abs()  # reflected at 0 and at the last pixel


class Wobble:
    """Turns, scales and moves each image a little; the border is repeated.

    A generator trained on wobbled images draws wobbled images. So this suits pictures that stay
    what they are under such a change, and data sets too small to show it by themselves.

    Args:
        degrees: Furthest turn to either side, rigid in pixels also where images are no squares.
        scale: Largest relative change of size.
        shift: Furthest way in both directions, as a share of the width and of the height.

    Raises:
        ValueError: If one of them is negative.
    """

    def __init__(self, degrees: float = 10, scale: float = 0.1, shift: float = 0.05) -> None:
        for name, value in (("degrees", degrees), ("scale", scale), ("shift", shift)):
            if value < 0:
                raise ValueError(f"Wobble.{name}={value}: type a number from 0 on.")
        self.degrees, self.scale, self.shift = degrees, scale, shift

    def __call__(self, images: Images, seed: int, epoch: Counters, index: Counters) -> Images:
        purpose = randomness.key(seed, "wobble")
        draws = [2 * randomness.uniform(purpose + k, epoch, index) - 1 for k in range(4)]
        angle = draws[0] * math.radians(self.degrees)
        zoom = 1 + draws[1] * self.scale
        right, down = (2 * self.shift * draw for draw in draws[2:])  # each side is 2 long here
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        height, width = images.shape[2:]
        rows = [cos, -sin * (height / width), right, sin * (width / height), cos, down]
        inverse = torch.stack(rows, dim=1).reshape(-1, 2, 3)
        grid = functional.affine_grid(inverse, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
