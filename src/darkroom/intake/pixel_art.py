"""Drawings that were enlarged by repeating their pixels, as game art often is."""

import math
from collections.abc import Iterable

import numpy as np


def block(values: np.ndarray) -> int:
    """The side of the largest squares of one colour that an image consists of throughout.

    Colours may change only at multiples of it, so it is the greatest common divisor of all the rows
    and columns at which they do, and of the height and the width.

    Args:
        values: [height, width] or [height, width, channels].

    Returns:
        1 for a photograph; 0 for an image of one colour, which consists of squares of any size.
    """
    sides = []
    for axis in (0, 1):
        rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        if len(rows) > 1 and (rows[0] != rows[1]).any():  # as in nearly every photograph
            return 1
        changes = 1 + np.flatnonzero((rows[1:] != rows[:-1]).any(1))
        sides.append(math.gcd(*changes.tolist()))
    side = math.gcd(*sides)
    return side and math.gcd(side, *values.shape[:2])


def lossless(block: int, shortest: int, least: int) -> int:
    """How many times smaller images of such blocks can be drawn without a loss.

    Args:
        block: Side of the squares of one colour that they consist of.
        shortest: Their shortest side.
        least: What is to be left of it.
    """
    divisors = (k for k in range(block, 1, -1) if block % k == 0)
    return next((k for k in divisors if shortest // k >= least), 1)


def common_block(blocks: Iterable[int]) -> int:
    """The same of several images together; 1 if none of them tells."""
    return math.gcd(*blocks) or 1
