"""Images to feature vectors."""

import torch
from torch.nn.functional import adaptive_avg_pool2d

from darkroom.images import Features, Pixels


def thumbnails(pixels: Pixels, side: int = 8) -> Features:
    """The images themselves, shrunk to `side` x `side`, in float64 and within -1..1.

    No network and no download: it sees shapes, brightness and colours and is blind to fine texture.
    Enough to tell a collapsed generator from a working one; not comparable with a FID.

    Returns:
        [batch, channels * side * side].
    """
    shrunk = adaptive_avg_pool2d(pixels.to(torch.float64), side)
    return (shrunk / 127.5 - 1).flatten(1)
