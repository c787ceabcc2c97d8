"""What stands behind a convolution where images have to stand alone."""

import math

from torch import nn


def activation(width: int) -> list[nn.Module]:
    """Group norm, in 8 groups or as many as the width can be divided into, and SiLU."""
    return [nn.GroupNorm(math.gcd(width, 8), width), nn.SiLU()]
