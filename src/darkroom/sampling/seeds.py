"""Seeds to latents and classes, and these to images."""

import math
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.images import Images, Labels, Latents, Pixels, to_pixels
from darkroom.randomness import Noise, key, uniform


@runtime_checkable
class Generator(Protocol):
    """Whatever makes images of latents; every system does."""

    latent_dim: int

    def __call__(self, latents: Latents, labels: Labels | None = None) -> Images: ...


def latents_of(seeds: Sequence[int], latent_dim: int, truncation: float | None = None) -> Latents:
    """One standard normal latent for each seed, whatever the others are.

    With a truncation t each coordinate is standard normal within -t..t:

        z = sqrt(2) erfinv((2u - 1) erf(t / sqrt(2))),    u uniform, the seed's own

    so a seed keeps its signs and its order among seeds, and a large t leaves its latent as it is.
    These latents have no mean latent that one could pull them towards, as a mapping network's have.

    Args:
        seeds: The seeds.
        latent_dim: Length of the latents.
        truncation: The largest size of a coordinate. It costs variety; whether images look better
            for it depends on the network, which has hardly seen such short latents before.

    Source: Brock et al. 2019 (BigGAN), arXiv 1809.11096, section 3.1, which draws again what lies
    outside: the same distribution.
    """
    noise = Noise(key("sample"), torch.tensor(seeds, dtype=torch.int64))
    if truncation is None:
        return noise.normal(latent_dim)
    t = truncation
    u = noise.uniform(latent_dim).double()  # in float32 the tails would be coarse
    return (math.sqrt(2) * torch.erfinv((2 * u - 1) * math.erf(t / math.sqrt(2)))).float()


def check_counts(least: int = 1, **counts: int) -> None:
    """Refuses numbers of images, rows or steps with which nothing would be drawn.

    Raises:
        ValueError: If one of them is below the least.
    """
    for name, count in counts.items():
        if count < least:
            raise ValueError(f"draw.{name}={count}: type a number from {least} on.")


def check_truncation(truncation: float | None) -> None:
    """Refuses what leaves no latents.

    Raises:
        ValueError: If it is not positive.
    """
    if truncation is not None and not truncation > 0:
        raise ValueError(
            f"draw.truncation={truncation}: type a positive number such as 1.5, or null for none."
        )


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
    ends = shares.cpu().double().cumsum(0)  # in this order: not every device has float64
    if label is not None:
        if not 0 <= label < len(ends):
            raise ValueError(
                f"label={label}: this model draws classes 0 to {len(ends) - 1}. Type one of them."
            )
        return torch.full((len(seeds),), label)
    draws = uniform(key("class"), torch.tensor(seeds, dtype=torch.int64)).double()
    return torch.searchsorted(ends / ends[-1], draws)


def develop(
    generator: Generator, latents: Latents, batch_size: int = 64, labels: Labels | None = None
) -> Iterator[Pixels]:
    """Images of latents, in batches, on the CPU.

    The last batch is filled up before the generator sees it, so that it always computes the same
    shapes, and an image is the same in any company.
    """
    for images in exposed(generator, latents, batch_size, labels):
        yield to_pixels(images).cpu()


@torch.inference_mode()
def exposed(
    generator: Generator, latents: Latents, batch_size: int = 64, labels: Labels | None = None
) -> Iterator[Images]:
    """The same as floats, where the generator made them."""
    for first in range(0, len(latents), batch_size):
        chunk = latents[first : first + batch_size]
        filled = torch.zeros(batch_size, latents.shape[1])
        filled[: len(chunk)] = chunk
        classes = None
        if labels is not None:
            classes = torch.zeros(batch_size, dtype=torch.int64)
            classes[: len(chunk)] = labels[first : first + batch_size]
        yield generator(filled, classes)[: len(chunk)]


def drawn(
    generator: Generator,
    seeds: Sequence[int],
    batch_size: int = 64,
    label: int | None = None,
    truncation: float | None = None,
) -> Iterator[Pixels]:
    """The images of seeds, in batches, on the CPU; of one class if a label is given."""
    latents = latents_of(seeds, generator.latent_dim, truncation)
    return develop(generator, latents, batch_size, labels_of(seeds, generator, label))
