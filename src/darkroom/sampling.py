"""Latents to images. Image k depends on seed k alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.images import Images, Labels, Latents, Pixels, to_float, to_pixels
from darkroom.randomness import Noise, key, uniform


@runtime_checkable
class Generator(Protocol):
    """Whatever makes images of latents; every system does."""

    latent_dim: int

    def __call__(self, latents: Latents, labels: Labels | None = None) -> Images: ...


@runtime_checkable
class Reconstructs(Generator, Protocol):
    """A generator that can also find the latents of an image."""

    def reconstruct(self, images: Images) -> Images: ...


HeldOut = Callable[[int], Pixels]
"""Brings so many images that were never trained on, for a drawing that needs them."""


def latents_of(seeds: Sequence[int], latent_dim: int) -> Latents:
    """One standard normal latent for each seed, whatever the others are."""
    return Noise(key("sample"), torch.tensor(seeds, dtype=torch.int64)).normal(latent_dim)


def shares_of(generator: Generator) -> Float[Tensor, " classes"] | None:
    """How often each class occurs in what a generator has learned; None if it knows none."""
    return getattr(generator, "class_shares", None)


def labels_of(
    seeds: Sequence[int], generator: Generator, label: int | None = None
) -> Labels | None:
    """One class for each seed, as often as the data have it; or the same class for all.

    Args:
        seeds: The seeds.
        generator: What is to draw them.
        label: A class to take instead.

    Returns:
        The classes; None if the generator knows none.

    Raises:
        ValueError: If the generator does not know the class that is asked for.
    """
    shares = shares_of(generator)
    if shares is None:
        if label is not None:
            raise ValueError(
                f"label={label}: this model was not told of any classes. Leave label out, or train "
                "one with data.num_classes=auto."
            )
        return None
    ends = shares.double().cpu().cumsum(0)
    if label is not None:
        if not 0 <= label < len(ends):
            raise ValueError(
                f"label={label}: this model draws classes 0 to {len(ends) - 1}. Type one of them."
            )
        return torch.full((len(seeds),), label)
    draws = uniform(key("class"), torch.tensor(seeds, dtype=torch.int64)).double()
    return torch.searchsorted(ends / ends[-1], draws)


@torch.inference_mode()
def develop(
    generator: Generator, latents: Latents, batch_size: int = 64, labels: Labels | None = None
) -> Iterator[Pixels]:
    """Images of latents, in batches, on the CPU.

    The last batch is filled up before the generator sees it, so that it always computes the same
    shapes, and an image is the same in any company.
    """
    for first in range(0, len(latents), batch_size):
        chunk = latents[first : first + batch_size]
        filled = torch.zeros(batch_size, latents.shape[1])
        filled[: len(chunk)] = chunk
        classes = None
        if labels is not None:
            classes = torch.zeros(batch_size, dtype=torch.int64)
            classes[: len(chunk)] = labels[first : first + batch_size]
        yield to_pixels(generator(filled, classes))[: len(chunk)].cpu()


def drawn(
    generator: Generator, seeds: Sequence[int], batch_size: int = 64, label: int | None = None
) -> Iterator[Pixels]:
    """The images of seeds, in batches, on the CPU; of one class if a label is given."""
    latents = latents_of(seeds, generator.latent_dim)
    return develop(generator, latents, batch_size, labels_of(seeds, generator, label))


@dataclass(frozen=True)
class Sheet:
    """A set of images to be looked at together.

    Attributes:
        pixels: The images, in reading order.
        names: A file name for each image, without ending.
        columns: How many stand in a row.
    """

    pixels: Pixels
    names: tuple[str, ...]
    columns: int


@dataclass(frozen=True)
class Samples:
    """Images of the seeds first_seed, first_seed + 1, ...

    Args:
        n: How many.
        first_seed: The first seed.
        columns: Images in a row.
        label: The class of all; by default each seed has its own.
    """

    n: int = 64
    first_seed: int = 0
    columns: int = 8
    label: int | None = None

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        seeds = range(self.first_seed, self.first_seed + self.n)
        pixels = torch.cat(list(drawn(generator, seeds, batch_size, self.label)))
        return Sheet(pixels, tuple(f"seed-{seed:06d}" for seed in seeds), self.columns)


@dataclass(frozen=True)
class Classes:
    """A row for each class, with the same seeds in every row.

    Args:
        n: How many seeds.
        first_seed: The first seed.
    """

    n: int = 8
    first_seed: int = 0

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        shares = shares_of(generator)
        if shares is None:
            raise ValueError(
                "draw=classes needs a model that was told of classes: train one with "
                "data.num_classes=auto."
            )
        seeds = range(self.first_seed, self.first_seed + self.n)
        labels = range(len(shares))
        rows = [b for k in labels for b in drawn(generator, seeds, batch_size, k)]
        names = [f"class-{label:03d}-seed-{seed:06d}" for label in labels for seed in seeds]
        return Sheet(torch.cat(rows), tuple(names), self.n)


@dataclass(frozen=True)
class Interpolation:
    """Rows of images, each from one seed's image to the next seed's, along the sphere.

    Args:
        n: How many rows; row k leads from seed first_seed + k to the next one.
        first_seed: The first seed.
        steps: Images in a row, both ends included.
        label: The class of all; by default a row has the class of the seed that it begins with.

    Source: White 2016, arXiv 1609.04468: normal latents lie close to a sphere, which a straight
    line leaves.
    """

    n: int = 8
    first_seed: int = 0
    steps: int = 10
    label: int | None = None

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        seeds = range(self.first_seed, self.first_seed + self.n + 1)
        latents = latents_of(seeds, generator.latent_dim)
        labels = labels_of(seeds[:-1], generator, self.label)
        if labels is not None:
            labels = labels.repeat_interleave(self.steps)
        t = torch.linspace(0, 1, self.steps)
        paths = torch.cat([slerp(a, b, t) for a, b in pairwise(latents)])
        pixels = torch.cat(list(develop(generator, paths, batch_size, labels)))
        names = [
            f"seed-{s:06d}-to-{s + 1:06d}-{k:03d}" for s in seeds[:-1] for k in range(self.steps)
        ]
        return Sheet(pixels, tuple(names), self.steps)


@dataclass(frozen=True)
class Reconstruction:
    """Images that were never trained on, each followed by its reconstruction.

    Args:
        n: How many images.
        columns: Images in a row; an even number keeps the pairs together.
    """

    n: int = 32
    columns: int = 8

    @torch.inference_mode()
    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        if not isinstance(generator, Reconstructs):
            raise ValueError(
                "draw=reconstruction needs a model with an encoder, such as model=vae; a GAN has "
                "none. Type draw=samples or draw=interpolation."
            )
        originals = held_out(self.n)
        copies = [
            to_pixels(generator.reconstruct(to_float(chunk))).cpu()
            for chunk in originals.split(batch_size)
        ]
        pairs = torch.stack([originals, torch.cat(copies)], dim=1).flatten(0, 1)
        names = [f"{k:06d}-{kind}" for k in range(len(originals)) for kind in ("real", "rebuilt")]
        return Sheet(pairs, tuple(names), self.columns)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Latents:
    """Points on the great circle from a to b: sin((1-t) w)/sin w a + sin(t w)/sin w b.

    Args:
        a: One latent, [latent_dim].
        b: Another, not parallel to the first.
        t: Where, each within 0..1, [steps].

    Source: Shoemake 1985, with w the angle between a and b.
    """
    w = torch.arccos(torch.nn.functional.cosine_similarity(a, b, dim=0))
    weight_a, weight_b = torch.sin((1 - t) * w) / torch.sin(w), torch.sin(t * w) / torch.sin(w)
    return weight_a[:, None] * a + weight_b[:, None] * b
