"""The pictures of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import UInt8
from torch import Tensor

Shown = UInt8[Tensor, "_ channels height width"]  # of one form, and as many as there are


@dataclass(frozen=True)
class Exhibits:
    """What a reader should see beside the numbers.

    Attributes:
        samples: Images of the first seeds.
        real: As many images of the reference.
        pairs: The most suspicious samples, each followed by its nearest training image.
        reconstructions: Held-out images, each followed by its reconstruction; None without encoder.
        classes: Samples of each class, by its name, as a classifier sees them; often empty.
    """

    samples: Shown
    real: Shown
    pairs: Shown | None = None
    reconstructions: Shown | None = None
    classes: Mapping[str, Shown] = field(default_factory=dict)
