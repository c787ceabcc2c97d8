"""How good it is: features of images, and what two sets of features say about each other."""

from darkroom.metrics.classes import class_distance, class_shares, classes_reached, reverse_kl
from darkroom.metrics.estimate import Estimate
from darkroom.metrics.features import thumbnails
from darkroom.metrics.frechet import Moments, extrapolated_frechet_distance, frechet_distance
from darkroom.metrics.kernel import kernel_distance, kernel_distance_with_error
from darkroom.metrics.manifold import Manifold, Overlap, overlap
from darkroom.metrics.neighbours import nearest
from darkroom.metrics.originality import Originality, audit

__all__ = [
    "Estimate",
    "Manifold",
    "Moments",
    "Originality",
    "Overlap",
    "audit",
    "class_distance",
    "class_shares",
    "classes_reached",
    "extrapolated_frechet_distance",
    "frechet_distance",
    "kernel_distance",
    "kernel_distance_with_error",
    "nearest",
    "overlap",
    "reverse_kl",
    "thumbnails",
]
