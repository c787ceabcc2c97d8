"""Latents to images, and back. Image k depends on seed k alone."""

from darkroom.sampling.attributes import Attribute, Labelled
from darkroom.sampling.directions import Directions, Traversal
from darkroom.sampling.inversion import Inversion
from darkroom.sampling.seeds import (
    Generator,
    develop,
    drawn,
    labels_of,
    latents_of,
    shares_of,
)
from darkroom.sampling.sheets import (
    Classes,
    HeldOut,
    Interpolation,
    Reconstruction,
    Reconstructs,
    Samples,
    Sheet,
    no_images,
    slerp,
)

__all__ = [
    "Attribute",
    "Classes",
    "Directions",
    "Generator",
    "HeldOut",
    "Interpolation",
    "Inversion",
    "Labelled",
    "Reconstruction",
    "Reconstructs",
    "Samples",
    "Sheet",
    "Traversal",
    "develop",
    "drawn",
    "labels_of",
    "latents_of",
    "no_images",
    "shares_of",
    "slerp",
]
