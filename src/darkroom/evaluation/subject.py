"""What is judged: a trained generator, or a folder of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from darkroom.data.datasets import ImageSet, spread
from darkroom.images import Pixels
from darkroom.sampling import Generator, drawn
from darkroom.systems import VAE, System

CHUNK = 256


@runtime_checkable
class Subject(Protocol):
    """Images that come in order and can be asked for again.

    Attributes:
        first_seed: The seed of the first one; None where they have none.
    """

    @property
    def first_seed(self) -> int | None: ...

    def __len__(self) -> int: ...

    def batches(self) -> Iterator[Pixels]:
        """All of them, a batch at a time, never all at once in memory."""

    def at(self, places: Sequence[int]) -> Pixels:
        """Some of them, by their places."""


@dataclass(frozen=True)
class Samples:
    """Images of the seeds first_seed, first_seed + 1, ... of a generator.

    Attributes:
        generator: What makes them.
        number: How many.
        first_seed: The first seed.
        batch_size: Images computed at once.
    """

    generator: Generator
    number: int
    first_seed: int = 0
    batch_size: int = 64

    def __len__(self) -> int:
        return self.number

    def batches(self) -> Iterator[Pixels]:
        for first in range(0, self.number, CHUNK):
            yield self.at(range(first, min(first + CHUNK, self.number)))

    def at(self, places: Sequence[int]) -> Pixels:
        seeds = [self.first_seed + place for place in places]
        return torch.cat(list(drawn(self.generator, seeds, self.batch_size)))


def with_prior(system: System, prior: str) -> System:
    """A system as it is to draw images.

    Args:
        system: What was trained.
        prior: learned, as it is; or standard, for N(0, I) in the place of what a VAE's prior
            learned. Where none did, both are the same, and the system itself is returned.

    Raises:
        ValueError: If there is no such prior, or the system is no VAE.
    """
    if prior not in ("learned", "standard"):
        raise ValueError(f"prior={prior}: type learned or standard.")
    if prior == "learned":
        return system
    if not isinstance(system, VAE):
        raise ValueError(
            f"prior=standard: a {type(system).__name__} draws from N(0, I) anyway, and only a VAE "
            "can learn another prior. Leave it out."
        )
    return system.with_standard_prior()


@dataclass(frozen=True)
class Pictures:
    """Images of a set, spread evenly over it.

    Attributes:
        images: The set.
        most: How many at most.
    """

    images: ImageSet
    most: int | None = None
    first_seed: ClassVar[None] = None

    @cached_property
    def places(self) -> Int64[Tensor, " places"]:
        """Where in the set they are."""
        return spread(len(self.images), self.most)

    def __len__(self) -> int:
        return len(self.places)

    def batches(self) -> Iterator[Pixels]:
        for places in self.places.split(CHUNK):
            yield self.images.pixels_at(places)

    def at(self, places: Sequence[int]) -> Pixels:
        return self.images.pixels_at(self.places[list(places)])
