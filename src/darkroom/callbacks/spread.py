"""How different a generator's images are, from each other and from what they were."""

from collections.abc import Mapping
from typing import Any

import torch

from darkroom.callbacks.measurement import Measurement
from darkroom.images import Features
from darkroom.metrics import thumbnails
from darkroom.sampling import drawn
from darkroom.systems import System
from darkroom.trainer import Trainer


class Spread(Measurement):
    """Logs two numbers about the samples of any generator, in distances between 8x8 thumbnails.

    `vitals/diversity` is the mean distance between two samples over that between two held-out
    images: 1 if they are as different, 0 if all are the same.

    `vitals/drift` is the mean distance between the sample of a seed now and at the measurement
    before, over the same: towards 0 as the training converges. While it stays large the generator
    goes from one set of images to the next.

    Both with the averaged weights and the same seeds every time.

    Args:
        every: Interval in images.
        n: How many samples and, at most, how many held-out images.
    """

    def __init__(self, every: int, n: int = 256) -> None:
        super().__init__(every, n)
        self.previous: Features | None = None

    def measure(self, trainer: Trainer, system: System) -> Mapping[str, float]:
        real = thumbnails(trainer.datamodule.held_out.specimens(self.n).images)
        between_real = torch.pdist(real).mean()
        samples = torch.cat([thumbnails(pixels) for pixels in drawn(system, range(self.n))])
        measured = {"vitals/diversity": float(torch.pdist(samples).mean() / between_real)}
        if self.previous is not None:
            moved = (samples - self.previous).norm(dim=1).mean()
            measured["vitals/drift"] = float(moved / between_real)
        self.previous = samples
        return measured

    def state_dict(self) -> dict[str, Any]:
        return {"previous": self.previous}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        previous = state_dict["previous"]
        self.previous = previous if previous is not None and len(previous) == self.n else None
