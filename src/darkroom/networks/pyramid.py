"""How a resolution is divided into levels, each half as large as the one before."""

import math


class Pyramid:
    """The levels between an image and a map of 4 to 8 pixels a side.

    Args:
        option: The config path to name in errors.
        resolution: Side of the image in pixels.
        channels: Channels of the image.
        width: Channels of the level below the image.

    Attributes:
        widths: Channels of each level, from the image downwards: width, 2 width, ... 8 width.
        smallest: Side of the smallest map from which doubling reaches the resolution or beyond.
        remaining: Side of the map that halving (rounded down) leaves of the resolution.
        crop: The slice that cuts the image out of the doubled map, at its centre.

    Raises:
        ValueError: If the resolution is under 16, the channels are not 1 to 4, or the width is 0.
    """

    def __init__(self, option: str, resolution: int, channels: int, width: int) -> None:
        if resolution < 16:
            raise ValueError(
                f"{option}.resolution={resolution} is too small: the networks need at least 16 "
                "pixels. Type data.resolution=16 to enlarge the images."
            )
        if channels not in (1, 2, 3, 4):
            raise ValueError(
                f"{option}.channels={channels}: an image has 1 (grey) to 4 (RGBA) channels. "
                "Type data.channels=3."
            )
        if width < 1:
            raise ValueError(f"{option}.width={width}: type a width of at least 1, such as 64.")
        depth = int(math.log2(resolution / 4))
        self.widths = tuple(width * min(2**level, 8) for level in range(depth))
        self.smallest = -(-resolution // 2**depth)
        self.remaining = resolution // 2**depth
        margin = self.smallest * 2**depth - resolution
        self.crop = slice(margin // 2, margin // 2 + resolution)
