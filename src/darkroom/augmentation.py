"""What happens to training images: small objects on whole batches, on the device."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch.nn import functional

from darkroom import randomness
from darkroom.images import Counters, Images


@runtime_checkable
class Augmentation(Protocol):
    """A random change of images, drawn from (seed, epoch, index) for each image alone."""

    def __call__(self, images: Images, seed: int, epoch: Counters, index: Counters) -> Images: ...


class HorizontalFlip:
    """Mirrors every other image, left and right.

    Args:
        probability: Share of the images that are mirrored.

    Raises:
        ValueError: If the probability is not within 0..1.
    """

    def __init__(self, probability: float = 0.5) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"HorizontalFlip.probability={probability}: type a share from 0 to 1.")
        self.probability = probability

    def __call__(self, images: Images, seed: int, epoch: Counters, index: Counters) -> Images:
        draw = randomness.uniform(randomness.key(seed, "horizontal flip"), epoch, index)
        mirrored = (draw < self.probability)[:, None, None, None]
        return torch.where(mirrored, images.flip(3), images)


class Wobble:
    """Turns, scales and moves each image a little; the border is repeated.

    A generator trained on wobbled images draws wobbled images. So this suits pictures that stay
    what they are under such a change, and data sets too small to show it by themselves.

    Args:
        degrees: Furthest turn to either side.
        scale: Largest relative change of size.
        shift: Furthest way in both directions, as a share of the side.

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
        right, down = (2 * self.shift * draw for draw in draws[2:])  # the side is 2 wide here
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        inverse = torch.stack([cos, -sin, right, sin, cos, down], dim=1).reshape(-1, 2, 3)
        grid = functional.affine_grid(inverse, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
