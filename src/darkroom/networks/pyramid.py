"""How a resolution is divided into levels, each half as large as the one before."""

import math
from collections.abc import Sequence

from darkroom.images import sides


class Pyramid:
    """The levels between an image and a map of 4 to 8 pixels along its shorter side.

    Args:
        option: The config path to name in errors.
        resolution: Side of the image in pixels, or height and width.
        channels: Channels of the image.
        width: Channels of the level below the image.

    Attributes:
        depth: How often the resolution is halved.
        widths: Channels of each level, from the image downwards: width, 2 width, ... 8 width.
        smallest: Height and width of the smallest map from which doubling reaches the resolution
            or beyond.
        remaining: Height and width of the map that halving (rounded down) leaves of the resolution.
        crop: The rows and the columns that cut the image out of the doubled map, at its centre.
        margins: What enlarges the image to the doubled map again: columns on the left and on the
            right, rows above and below.

    Raises:
        ValueError: If a side is under 16, the channels are not 1 to 4, or the width is 0.
    """

    def __init__(
        self, option: str, resolution: int | Sequence[int], channels: int, width: int
    ) -> None:
        rows, columns = sides(resolution)
        if min(rows, columns) < 16:
            enough = 16 if rows == columns else f"[{max(rows, 16)},{max(columns, 16)}]"
            raise ValueError(
                f"{option}.resolution={resolution} is too small: the networks need at least 16 "
                f"pixels a side. Type data.resolution={enough} to enlarge the images."
            )
        if channels not in (1, 2, 3, 4):
            raise ValueError(
                f"{option}.channels={channels}: an image has 1 (grey) to 4 (RGBA) channels. "
                "Type data.channels=3."
            )
        if width < 1:
            raise ValueError(f"{option}.width={width}: type a width of at least 1, such as 64.")
        depth = int(math.log2(min(rows, columns) / 4))
        scale = 2**depth
        self.depth = depth
        self.widths = tuple(width * min(2**level, 8) for level in range(depth))
        self.smallest = (-(-rows // scale), -(-columns // scale))
        self.remaining = (rows // scale, columns // scale)
        above, below = _margins(rows, scale)
        left, right = _margins(columns, scale)
        self.crop = (slice(above, above + rows), slice(left, left + columns))
        self.margins = (left, right, above, below)


def _margins(side: int, scale: int) -> tuple[int, int]:
    """What is missing before and after `side` pixels to the next multiple of `scale`."""
    missing = -side % scale
    return missing // 2, missing - missing // 2
