"""Sheets of images to be looked at together: samples, classes, paths between, reconstructions."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from torch import Tensor

from darkroom.images import (
    Images,
    Latents,
    Pixels,
    tile,
    to_float,
    to_pixels,
    visible_scale,
)
from darkroom.sampling.found import Found
from darkroom.sampling.seeds import (
    Generator,
    check_counts,
    check_truncation,
    develop,
    drawn,
    labels_of,
    latents_of,
    shares_of,
)

HeldOut = Callable[[int], Pixels]
"""Brings so many images that were never trained on, for a drawing that needs them."""


def no_images(n: int) -> Pixels:
    """For drawings that look at none."""
    raise AssertionError("this drawing needs no images")


@runtime_checkable
class Reconstructs(Generator, Protocol):
    """A generator that can also find the latents of an image."""

    def reconstruct(self, images: Images) -> Images: ...


@dataclass(frozen=True)
class Sheet:
    """A set of images to be looked at together.

    Attributes:
        pixels: The images, in reading order.
        names: A file name for each image, without ending.
        columns: How many stand in a row.
        note: What is to be said of them.
        found: The latents that were found for them, if that is what was done.
    """

    pixels: Pixels
    names: tuple[str, ...]
    columns: int
    note: str = ""
    found: Found | None = None

    @property
    def grid(self) -> UInt8[Tensor, "channels rows columns"]:
        """All images in one picture, large enough to be looked at."""
        return tile(self.pixels, self.columns, visible_scale(self.pixels.shape[2]))


@dataclass(frozen=True)
class Samples:
    """Images of the seeds first_seed, first_seed + 1, ...

    Args:
        n: How many.
        first_seed: The first seed.
        columns: Images in a row.
        label: The class of all; by default each seed has its own.
        truncation: The largest size of a latent's coordinates, such as 1.5, for less various
            images; see `latents_of`.
    """

    n: int = 64
    first_seed: int = 0
    columns: int = 8
    label: int | None = None
    truncation: float | None = None

    def __post_init__(self) -> None:
        check_counts(n=self.n, columns=self.columns)
        check_truncation(self.truncation)

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        seeds = range(self.first_seed, self.first_seed + self.n)
        pixels = torch.cat(list(drawn(generator, seeds, batch_size, self.label, self.truncation)))
        return Sheet(pixels, tuple(f"seed-{seed:06d}" for seed in seeds), self.columns)


@dataclass(frozen=True)
class Classes:
    """A row for each class, with the same seeds in every row.

    Args:
        n: How many seeds.
        first_seed: The first seed.
        truncation: The largest size of a latent's coordinates, such as 1.5, for less various
            images; see `latents_of`.
    """

    n: int = 8
    first_seed: int = 0
    truncation: float | None = None

    def __post_init__(self) -> None:
        check_counts(n=self.n)
        check_truncation(self.truncation)

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        shares = shares_of(generator)
        if shares is None:
            raise ValueError(
                "draw=classes needs a model that was told of classes: train one with "
                "data.num_classes=auto."
            )
        seeds = range(self.first_seed, self.first_seed + self.n)
        labels = range(len(shares))
        rows = [b for k in labels for b in drawn(generator, seeds, batch_size, k, self.truncation)]
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
        truncation: The largest size of a latent's coordinates, such as 1.5, for less various
            images; see `latents_of`.

    Source: White 2016, arXiv 1609.04468: normal latents lie close to a sphere, which a straight
    line leaves.
    """

    n: int = 8
    first_seed: int = 0
    steps: int = 10
    label: int | None = None
    truncation: float | None = None

    def __post_init__(self) -> None:
        check_counts(n=self.n, steps=self.steps)
        check_truncation(self.truncation)

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        seeds = range(self.first_seed, self.first_seed + self.n + 1)
        latents = latents_of(seeds, generator.latent_dim, self.truncation)
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

    def __post_init__(self) -> None:
        check_counts(n=self.n, columns=self.columns)

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
