"""Images to feature vectors."""

from darkroom.metrics.features.contracts import FeatureNetwork, Instrument, Lesson, Yardstick
from darkroom.metrics.features.thumbnail import thumbnails

__all__ = ["FeatureNetwork", "Instrument", "Lesson", "Yardstick", "thumbnails"]
