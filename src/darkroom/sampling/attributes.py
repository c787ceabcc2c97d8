"""Attributes as vectors: what tells one class from another, added to the latents of images."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.images import Images, Labels, Latents, Pixels, to_float
from darkroom.sampling.seeds import Generator, check_counts, develop
from darkroom.sampling.sheets import HeldOut, Sheet


@runtime_checkable
class Labelled(Protocol):
    """What brings held-out images, and training images with their classes as well."""

    def __call__(self, n: int) -> Pixels: ...

    def labelled(self) -> tuple[Pixels, Labels, tuple[str, ...]]:
        """Training images, their classes, and the names of these."""


class _Coder(Generator, Protocol):
    def encode(self, images: Images, labels: Labels | None = None) -> Latents: ...

    def likeliest(self, images: Images) -> Labels | None: ...


@runtime_checkable
class Codes(Protocol):
    """A generator with an encoder, whose latents can be had past a prior that learned."""

    def with_standard_prior(self) -> _Coder: ...


@dataclass(frozen=True)
class Attribute:
    """Images with more and less of what one class has and another has not; a row for each.

    The attribute's vector is a difference of means of latents,

        v = mean of z over the images of `plus` - mean of z over the images of `minus`

    A row shows an image and then what z + t v draws, for t from -reach to reach: at 1, an image of
    `minus` should have become one of `plus`. The latents are the encoder's means, past a prior that
    has learned, whose noise would be bent. Whatever else the two classes differ in, such as the
    side that the light comes from, is in the vector too.

    A model that was told of the classes keeps them out of its latents, and little is left to move.

    Args:
        plus: The class that has the attribute.
        minus: The class that has it not; by default all others together.
        n: How many images are moved.
        steps: How often each is drawn; of an odd number the middle one is the reconstruction.
        reach: The largest t.
        samples: How many images of each class a mean is taken over, at most.

    Raises:
        ValueError: If an option makes no sense.

    Source: White 2016, arXiv 1609.04468, section 3.3.
    """

    plus: str | int
    minus: str | int | None = None
    n: int = 8
    steps: int = 9
    reach: float = 2.0
    samples: int = 1000

    def __post_init__(self) -> None:
        check_counts(n=self.n, samples=self.samples)
        check_counts(least=2, steps=self.steps)
        if not 0 < self.reach < math.inf:
            raise ValueError(f"draw.reach={self.reach}: type a positive number such as 2.")
        if self.plus == self.minus:
            raise ValueError(f"draw.plus and draw.minus are both {self.plus}: type two classes.")

    @torch.inference_mode()
    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        if not isinstance(generator, Codes):
            raise ValueError(
                "draw=attribute needs a model with an encoder, such as model=vae; a GAN has none. "
                "Type draw=directions."
            )
        assert isinstance(held_out, Labelled), "sample.py knows the data of its run"
        coder = generator.with_standard_prior()
        vector, compared = self.vector(coder, held_out, batch_size)
        originals = held_out(self.n)
        labels = _told(coder, originals, batch_size)
        latents = _encoded(coder, originals, labels, batch_size)
        t = torch.linspace(-self.reach, self.reach, self.steps)
        moved = (latents[:, None] + t[:, None] * vector).flatten(0, 1)
        if labels is not None:
            labels = labels.repeat_interleave(self.steps)
        drawn = torch.cat(list(develop(coder, moved, batch_size, labels)))
        rows = torch.cat([originals[:, None], drawn.unflatten(0, (-1, self.steps))], dim=1)
        kinds = ("real", *(f"{step:03d}" for step in range(self.steps)))
        names = [f"{k:06d}-{kind}" for k in range(len(originals)) for kind in kinds]
        length = float(vector.norm())
        return Sheet(
            rows.flatten(0, 1),
            tuple(names),
            len(kinds),
            note=f"{compared}: a vector of length {length:.2f}, in latents' standard deviations",
        )

    def vector(
        self, coder: _Coder, held_out: Labelled, batch_size: int = 64
    ) -> tuple[Float[Tensor, " latent_dim"], str]:
        """The difference of the means, and what was compared.

        Raises:
            ValueError: If the data have no such class.
        """
        pixels, labels, class_names = held_out.labelled()
        has = labels == self.number_of("plus", class_names)
        has_not = ~has if self.minus is None else labels == self.number_of("minus", class_names)
        means, counts = [], []
        for there in (has, has_not):
            chosen = there.nonzero().flatten()[: self.samples]
            images = pixels[chosen]
            told = labels[chosen] if getattr(coder, "class_shares", None) is not None else None
            means.append(_encoded(coder, images, told, batch_size).double().mean(0))
            counts.append(len(images))
        others = "all others" if self.minus is None else self.minus
        compared = f"{self.plus} ({counts[0]:,} images) and {others} ({counts[1]:,})"
        return (means[0] - means[1]).float(), compared

    def number_of(self, option: str, class_names: tuple[str, ...]) -> int:
        """The number of the class that an option names.

        Raises:
            ValueError: If there is none.
        """
        name = str(getattr(self, option))
        if name not in class_names:
            there = (
                f"They have {', '.join(class_names)}"
                if class_names
                else "They have none: sort them into a folder for each class, and train anew"
            )
            raise ValueError(f"draw.{option}={name}: the run's images have no such class. {there}.")
        return class_names.index(name)


def _told(coder: _Coder, pixels: Pixels, batch_size: int) -> Labels | None:
    """The class that explains each image best, if the model was told of any."""
    parts = [coder.likeliest(to_float(chunk)) for chunk in pixels.split(batch_size)]
    known = [part.cpu() for part in parts if part is not None]
    return torch.cat(known) if known else None


def _encoded(coder: _Coder, pixels: Pixels, labels: Labels | None, batch_size: int) -> Latents:
    """The encoder's means, on the CPU."""
    latents = []
    for places in torch.arange(len(pixels)).split(batch_size):
        told = None if labels is None else labels[places]
        latents.append(coder.encode(to_float(pixels[places]), told).cpu())
    return torch.cat(latents)
