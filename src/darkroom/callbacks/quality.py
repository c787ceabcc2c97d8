"""How good the samples are, while there is still time to do something about it."""

from collections.abc import Mapping

import torch

from darkroom.callbacks.measurement import Measurement
from darkroom.images import Features, Pixels
from darkroom.metrics import kernel_distance
from darkroom.metrics.features import FeatureNetwork, Lesson, Yardstick
from darkroom.metrics.features.thumbnail import Thumbnail
from darkroom.sampling import drawn
from darkroom.systems import System
from darkroom.trainer import Trainer

LESSON = 10_000  # images at most that a feature network is taught with
BATCH_SIZE = 64


class Quality(Measurement):
    """Measures how far samples are from held-out images, the same way for every model.

    Logs `quality/kid_<features>`: the kernel distance of features, 0 for a perfect generator; with
    the averaged weights.

    Args:
        every: Interval in images.
        n: How many samples and, at most, how many held-out images.
        features: What images are compared by; their 8x8 thumbnails, which cost nothing.
    """

    network: FeatureNetwork
    real: Features

    def __init__(
        self, every: int, n: int = 1000, features: Yardstick | FeatureNetwork | None = None
    ) -> None:
        super().__init__(every, n)
        self.features = features or Thumbnail()

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        super().on_train_start(trainer, system)
        if trainer.is_global_zero:
            self.network = self._network(trainer)
            self.real = self._described(trainer.datamodule.held_out.some(self.n))

    def measure(self, trainer: Trainer, system: System) -> Mapping[str, float]:
        samples = drawn(system, range(self.n))
        fake = torch.cat([self.network(pixels) for pixels in samples]).double()
        distance = kernel_distance(self.real, fake)
        return {f"quality/kid_{self.network.instrument.name}": distance}

    def _network(self, trainer: Trainer) -> FeatureNetwork:
        if isinstance(self.features, FeatureNetwork):  # it needs no lesson
            return self.features
        data = trainer.datamodule
        labelled = data.labelled(LESSON)
        return self.features.fitted(
            Lesson(
                labelled.pixels,
                labelled.labels,
                labelled.class_names,
                labelled.fingerprint(),
                data.per_channel,
            )
        )

    def _described(self, pixels: Pixels) -> Features:
        return torch.cat([self.network(part) for part in pixels.split(BATCH_SIZE)]).double()
