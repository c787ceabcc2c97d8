"""Does it copy? Samples beside the images that it was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Originality:
    """The audit of a generator's samples.

    Attributes:
        samples: How many were judged.
        accused: Share of the samples that are too close to a training image.
        expected: The same of held-out images, which are no copies.
        copied: Estimated share of copies, beyond what is expected.
        interval: Its 95% confidence interval, low and high.
        c_t: The data-copying test; far below 0 means copying.
        authentic: Share of samples that are farther from their nearest training image than that
            image is from its own nearest (AuthPct, 0..1).
        authentic_floor: The same of held-out images.
        pairs: The most suspicious ones: place of the sample, place of the training image, and the
            calibrated distance (1: as far as the image's other neighbours; 0: the same image).
        verdict: In words.
    """

    samples: int
    accused: float
    expected: float
    copied: float
    interval: tuple[float, float]
    c_t: float
    authentic: float
    authentic_floor: float
    pairs: Sequence[tuple[int, int, float]]
    verdict: str
