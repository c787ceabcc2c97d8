"""Images to feature vectors."""

from darkroom.metrics.features.automatic import Automatic
from darkroom.metrics.features.classifier import Classifier
from darkroom.metrics.features.contracts import FeatureNetwork, Instrument, Lesson, Yardstick
from darkroom.metrics.features.dinov2 import DINOv2
from darkroom.metrics.features.inception import Inception
from darkroom.metrics.features.lite0 import Lite0
from darkroom.metrics.features.thumbnail import Thumbnail, thumbnails

__all__ = [
    "Automatic",
    "Classifier",
    "DINOv2",
    "FeatureNetwork",
    "Inception",
    "Instrument",
    "Lesson",
    "Lite0",
    "Thumbnail",
    "Yardstick",
    "thumbnails",
]
