"""How good it is: features of images, and distances between two sets of features."""

from darkroom.metrics.distances import kernel_distance
from darkroom.metrics.features import thumbnails

__all__ = ["kernel_distance", "thumbnails"]
