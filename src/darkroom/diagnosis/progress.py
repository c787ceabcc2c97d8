"""Whether the images of a run get better."""

from dataclasses import dataclass

from darkroom.curves import Curve
from darkroom.diagnosis.finding import Case

RESOLUTION = 0.006  # of a kernel distance of 1,000 samples: twice its noise of 0.003
SLOW = 0.1  # a gain in the last third below this share is no progress
ENOUGH = 6  # measurements, so that each third of the training has two


@dataclass(frozen=True)
class Progress:
    """The course of a quality, of which less is better.

    Attributes:
        name: The series.
        curve: Its finite points, at least `ENOUGH`.
    """

    name: str
    curve: Curve

    @property
    def first(self) -> float:
        return float(self.curve.values[0])

    @property
    def level(self) -> float:
        """Over the last third."""
        return self.curve.tail(1 / 3).level()

    @property
    def before(self) -> float:
        """Over the third before the last one."""
        return self.curve.head(2 / 3).tail(1 / 2).level()

    @property
    def resolution(self) -> float:
        """Differences below are noise: the measure's own, or more where the curve shows more."""
        return max(RESOLUTION, 2 * self.curve.noise())

    @property
    def gain(self) -> float:
        """By which share it has got better in the last third; 0 if noise hides it."""
        gained = self.before - self.level
        return gained / self.before if gained > self.resolution else 0.0

    @property
    def is_stuck(self) -> bool:
        """Whether it gets no better: less than a tenth, or little since the start."""
        return self.gain < SLOW or self.is_at_start

    @property
    def is_at_start(self) -> bool:
        """Whether it is still half as bad as at the first measurement, or worse."""
        return self.level > self.first / 2

    def __str__(self) -> str:
        return f"{self.name} went from {self.before:.3g} to {self.level:.3g} in the last third"


def progress(case: Case) -> Progress | None:
    """The quality that best.ckpt is judged by, else another; None before it can be judged."""
    measured = sorted(name for name in case.curves if name.startswith("quality/"))
    chosen = case.options.get("callbacks.checkpoints.monitor")
    for name in sorted(measured, key=lambda name: name != chosen):
        curve = case.curve(name, ENOUGH)
        if curve is not None:
            return Progress(name, curve)
    return None
