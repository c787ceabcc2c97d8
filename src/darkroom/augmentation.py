"""What happens to training images: small objects on whole batches, on the device."""

from typing import Protocol

import torch
from jaxtyping import Int64
from torch import Tensor

from darkroom import randomness
from darkroom.images import Images


class Augmentation(Protocol):
    """A random change of images, drawn from (seed, epoch, index) for each image alone."""

    def __call__(
        self, images: Images, seed: int, epoch: Int64[Tensor, " batch"], index: Int64[Tensor, " batch"]
    ) -> Images: ...


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

    def __call__(
        self, images: Images, seed: int, epoch: Int64[Tensor, " batch"], index: Int64[Tensor, " batch"]
    ) -> Images:
        draw = randomness.uniform(randomness.key(seed, "horizontal flip"), epoch, index)
        mirrored = (draw < self.probability)[:, None, None, None]
        return torch.where(mirrored, images.flip(3), images)
