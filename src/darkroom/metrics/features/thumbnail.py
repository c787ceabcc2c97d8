"""Images as their own features."""

import torch
from torch.nn.functional import adaptive_avg_pool2d

from darkroom.images import Features, Pixels
from darkroom.metrics.features.applying import rgb
from darkroom.metrics.features.contracts import Instrument, Lesson

BATCH = 1024  # images; their float64 copies would not fit into memory all at once


def thumbnails(pixels: Pixels, side: int = 8) -> Features:
    """The images themselves, shrunk to `side` x `side`, in float64 and within -1..1.

    No network and no download: it sees shapes, brightness and colours and is blind to fine texture.
    Enough to tell a collapsed generator from a working one; not comparable with a FID.

    Returns:
        [batch, channels * side * side].
    """
    shrunk = adaptive_avg_pool2d(pixels.to(torch.float64), side)
    return (shrunk / 127.5 - 1).flatten(1)


class Thumbnail:
    """Thumbnails: at once and everywhere, but blind to fine texture.

    Args:
        side: Of the thumbnails, in pixels.

    Raises:
        ValueError: If the side is not positive.
    """

    def __init__(self, side: int = 8) -> None:
        if side < 1:
            raise ValueError(f"features.side={side}: type a number from 1 on.")
        self.side = side
        form = f"{side}x{side} means of blocks, RGB, transparency over grey"
        self.instrument = Instrument("thumbnail", "", form)

    def fitted(self, lesson: Lesson) -> "Thumbnail":
        """Itself: there is nothing to learn."""
        return self

    def __call__(self, pixels: Pixels) -> Features:
        """[batch, 3 * side * side], float32."""
        parts = [thumbnails(rgb(part), self.side).float() for part in pixels.split(BATCH)]
        return torch.cat(parts)
