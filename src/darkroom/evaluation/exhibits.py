"""The pictures of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from darkroom.images import Pixels


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

    samples: Pixels
    real: Pixels
    pairs: Pixels | None = None
    reconstructions: Pixels | None = None
    classes: Mapping[str, Pixels] = field(default_factory=dict)
