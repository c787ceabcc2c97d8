"""Numbers that change while a run goes on: functions of the images seen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """A number as a function of the images seen."""

    def __call__(self, images_seen: int) -> float: ...


@dataclass(frozen=True)
class _Ramp:
    """From one number to another, and constant after that.

    Args:
        start: The number at the beginning of the run.
        end: The number from the images `share * of` on.
        share: The part of `of` that the way takes.
        of: Images that the run will see, ${trainer.max_images} in a config.

    Raises:
        ValueError: If the way takes no images.
    """

    start: float
    end: float
    of: int
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.share * self.of <= 0:
            raise ValueError(
                f"{type(self).__name__}.share={self.share} of {self.of} images: type positive "
                "numbers, or the end of the way alone where nothing is to change."
            )

    def __call__(self, images_seen: int) -> float:
        return self.start + (self.end - self.start) * self._way(
            min(images_seen / (self.share * self.of), 1.0)
        )

    def _way(self, t: float) -> float:
        """The part of the way done at the time t, both within 0..1."""
        raise TypeError(f"{type(self).__name__} has to say how it goes.")


class Linear(_Ramp):
    """In a straight line: start + (end - start) t."""

    def _way(self, t: float) -> float:
        return t


class Cosine(_Ramp):
    """Along half a cosine, slowly at both ends: start + (end - start) (1 - cos(pi t)) / 2.

    Source: Huang et al. 2024 (R3GAN), arXiv 2501.05441, for everything that they let change.
    """

    def _way(self, t: float) -> float:
        return (1 - math.cos(math.pi * t)) / 2


def at(value: float | Schedule, images_seen: int) -> float:
    """The value at a time of the training's clock; a plain number never changes."""
    return value(images_seen) if isinstance(value, Schedule) else value


def changing(values: Mapping[str, float | Schedule], images_seen: int) -> dict[str, float]:
    """What those of the values are now that are no plain numbers."""
    return {k: v(images_seen) for k, v in values.items() if isinstance(v, Schedule)}
