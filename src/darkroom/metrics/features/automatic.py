"""Features by what is at hand."""

from darkroom.metrics.features import dinov2, inception, lite0
from darkroom.metrics.features.applying import has_accelerator
from darkroom.metrics.features.classifier import Classifier
from darkroom.metrics.features.contracts import FeatureNetwork, Lesson, Yardstick
from darkroom.metrics.features.dinov2 import DINOv2
from darkroom.metrics.features.inception import Inception
from darkroom.metrics.features.lite0 import Lite0
from darkroom.metrics.features.thumbnail import Thumbnail

SMALL = 64  # pixels: larger images have texture that a small classifier does not look for
CLASSES = 3  # fewer tell little about an image


class Automatic:
    """Takes the most telling features that these data and this machine allow, and says which.

    Nothing is fetched. Numbers of different features cannot be compared: for a comparison across
    machines name the features.

    Args:
        cache: Folder in which taught networks are kept.
        device: What looks at images: cpu, cuda, mps; auto takes the accelerator, if there is one.
    """

    def __init__(self, cache: str = "data/features", device: str = "auto") -> None:
        self.cache, self.device = cache, device

    def fitted(self, lesson: Lesson) -> FeatureNetwork:
        """The network for these data."""
        name, reason = choice(lesson, accelerated=has_accelerator() and self.device != "cpu")
        others = [other for other in ("lite0", "classifier", "thumbnail") if other != name]
        print(f"features=auto: {name}, {reason}. Others: features={', '.join(others)}, ...")
        return self._yardstick(name).fitted(lesson)

    def _yardstick(self, name: str) -> Yardstick:
        match name:
            case "dinov2":
                return DINOv2(device=self.device)
            case "inception":
                return Inception(device=self.device)
            case "lite0":
                return Lite0(device=self.device)
            case "classifier":
                return Classifier(cache=self.cache, device=self.device)
        return Thumbnail()


def choice(lesson: Lesson, accelerated: bool) -> tuple[str, str]:
    """The name of the features, and why these.

    Args:
        lesson: The data.
        accelerated: Whether there is an accelerator; large networks are for those only.
    """
    colours, classes = lesson.pixels.shape[1] > 2, len(lesson.class_names)
    if lesson.per_channel:
        return "classifier", "because each channel has a class of its own"
    if not colours and max(lesson.pixels.shape[2:]) <= SMALL and classes >= CLASSES:
        return "classifier", f"because the images are small, grey and of {classes} classes"
    if accelerated and dinov2.at_hand():
        return "dinov2", "because its weights and an accelerator are there"
    if accelerated and inception.at_hand():
        return "inception", "because its weights and an accelerator are there"
    if lite0.at_hand():
        return "lite0", "because it is installed and quick enough for any machine"
    if classes > 1:
        return "classifier", f"because lite0 is not installed and there are {classes} classes"
    return "thumbnail", "because lite0 is not installed and there are no classes"
