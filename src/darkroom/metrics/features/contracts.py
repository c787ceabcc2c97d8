"""What turns images into feature vectors, and what of it a number has to carry."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from darkroom.images import Features, Labels, Pixels


@dataclass(frozen=True)
class Instrument:
    """What two numbers have to share in order to be comparable.

    Attributes:
        name: As in the names of metrics: fd_<name>.
        weights: A hash of the network's weights; empty where there are none.
        form: How images reach it: size, filter, colours.
    """

    name: str
    weights: str
    form: str


@dataclass(frozen=True)
class Lesson:
    """Labelled images, for feature networks that have to be taught.

    Attributes:
        pixels: The images.
        labels: Their classes.
        class_names: Names of the classes; empty where there are none, and then nothing can be
            taught.
        fingerprint: Hash of images and labels.
        per_channel: The images are one channel each of what is to be judged, and the class of the
            whole is written by those of its channels, as digits write a number.
    """

    pixels: Pixels
    labels: Labels
    class_names: tuple[str, ...]
    fingerprint: str
    per_channel: bool = False


@runtime_checkable
class FeatureNetwork(Protocol):
    """Images of any size and 1 to 4 channels to vectors of one length."""

    instrument: Instrument

    def __call__(self, pixels: Pixels) -> Features:
        """Features of a batch, on the CPU; an image's do not depend on its company."""
        ...


@runtime_checkable
class Yardstick(Protocol):
    """What a config names: it becomes a network once the data are known."""

    def fitted(self, lesson: Lesson) -> FeatureNetwork:
        """The network for these data; one that needs no teaching returns itself."""
        ...
