"""Finite scalar quantisation: numbers rounded to a few levels each, so that latents are codes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

Vectors = Float[Tensor, "*batch dimensions"]


class Quantiser(nn.Module):
    """Any numbers to the points of a grid: y = tanh(z), then the nearest of L levels in -1..1.

    The levels of a dimension lie evenly from -1 to 1, both included; the grid's points are the
    codes. There is no codebook to learn, so no loss to learn it by, and no code that dies because
    nothing was near it. Rounding has no gradient of its own: it hands on the one it gets.

    Args:
        levels: How many levels each dimension has.

    Raises:
        ValueError: If there is no dimension, or one with fewer than two levels.

    Source: Mentzer et al. 2023 (FSQ), arXiv 2309.15505, section 3. There an even number of levels
    reaches from -1 to just below 1, with a level at 0; here it lies evenly about 0.
    """

    steps: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(
                f"model.network.levels={list(levels)}: type two or more levels for each dimension "
                "of a code, such as [8,5,5,5]."
            )
        steps = torch.tensor([float(number - 1) for number in levels])
        self.register_buffer("steps", steps, persistent=False)

    def forward(self, z: Vectors) -> Vectors:
        """The grid's points of unbounded numbers."""
        return self.nearest(z.tanh())

    def nearest(self, y: Vectors) -> Vectors:
        """The grid's points nearest to numbers that are meant to lie within -1..1."""
        # away from the grid the rounded numbers themselves would be lost: y - y is exactly 0
        return self.snapped(y.detach()) + (y - y.detach())

    def snapped(self, y: Vectors) -> Vectors:
        """The same without a gradient."""
        steps = self.steps.to(y.dtype)
        return ((y.clamp(-1, 1) + 1) / 2 * steps).round() * 2 / steps - 1
