"""What happens to images before a network sees them: on whole batches, on the device."""

from darkroom.augmentation.colour import Colour, ColourMatrix
from darkroom.augmentation.discriminator import DiscriminatorAugmentation, Unaugmented
from darkroom.augmentation.geometry import Cutout, Geometry, Translation
from darkroom.augmentation.probability import Adaptive
from darkroom.augmentation.training import (
    Augmentation,
    HorizontalFlip,
    RandomCrop,
    VerticalFlip,
    Wobble,
)
from darkroom.augmentation.transform import Transform

__all__ = [
    "Adaptive",
    "Augmentation",
    "Colour",
    "ColourMatrix",
    "Cutout",
    "DiscriminatorAugmentation",
    "Geometry",
    "HorizontalFlip",
    "RandomCrop",
    "Transform",
    "Translation",
    "Unaugmented",
    "VerticalFlip",
    "Wobble",
]
