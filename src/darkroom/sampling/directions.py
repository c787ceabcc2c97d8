"""Directions in which a generator's latents change its images most, found without labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.images import Labels, Latents
from darkroom.sampling import found
from darkroom.sampling.seeds import (
    Generator,
    check_counts,
    develop,
    exposed,
    labels_of,
    latents_of,
    shares_of,
)
from darkroom.sampling.sheets import HeldOut, Sheet

STEP = 0.1  # standard deviations to either side: smooths over a ReLU's kinks, and no rounding shows

Axes = Float[Tensor, "n latent_dim"]  # orthonormal, as rows
Response = Float[Tensor, "latent_dim latent_dim"]


@dataclass(frozen=True)
class Directions:
    """Images moved along the directions in which the images change most; a row for each image.

    The directions are the eigenvectors of `response_of`, the first ones of the largest
    eigenvalues; the largest coordinate of each is positive. They are global: the same for every
    image. What one of them means, if anything, is for the eye to say.

    Args:
        n: How many directions.
        first: The first direction, to leave out those before it.
        seeds: How many images are moved along each.
        first_seed: The seed of the first.
        steps: Images in a row; of an odd number the middle one is not moved.
        reach: How far a row goes to either side, in standard deviations of the latents.
        samples: At how many latents the generator's response is measured.
        label: The class of all; by default each image has its own.
        latents: A folder that `draw=inversion` wrote. Its images are edited instead of those of
            seeds, and `first_seed` counts them from 0.

    Raises:
        ValueError: If an option makes no sense.
    """

    n: int = 8
    first: int = 0
    seeds: int = 2
    first_seed: int = 0
    steps: int = 9
    reach: float = 3.0
    samples: int = 16
    label: int | None = None
    latents: str | None = None

    def __post_init__(self) -> None:
        check_counts(n=self.n, seeds=self.seeds, samples=self.samples)
        check_counts(least=2, steps=self.steps)
        check_counts(least=0, first=self.first)
        if not 0 < self.reach < math.inf:
            raise ValueError(f"draw.reach={self.reach}: type a positive number such as 3.")

    def __call__(self, generator: Generator, held_out: HeldOut, batch_size: int = 64) -> Sheet:
        last = self.first + self.n
        if last > generator.latent_dim:
            raise ValueError(
                f"draw.first={self.first} and draw.n={self.n}: this model's latents have "
                f"{generator.latent_dim} directions. Type smaller numbers."
            )
        origins, labels, names = self.origins(generator)
        response = response_of(generator, self.samples, batch_size, self.label)
        axes, strengths = self.axes(response)
        offsets = torch.linspace(-self.reach, self.reach, self.steps)
        moves = offsets[:, None] * axes[self.first : last, None, None]  # [n, 1, steps, latent_dim]
        moved = (origins[:, None] + moves).flatten(0, 2)
        if labels is not None:
            labels = labels.repeat_interleave(self.steps).repeat(self.n)
        pixels = torch.cat(list(develop(generator, moved, batch_size, labels)))
        names = [
            f"direction-{k:03d}-{name}-{step:03d}"
            for k in range(self.first, last)
            for name in names
            for step in range(self.steps)
        ]
        total = strengths.sum().clamp(min=1e-300)  # 0 if the images do not depend on the latents
        shares = (100 * strengths / total)[self.first : last]
        note = ", ".join(f"{share:.1f}" for share in shares.tolist())
        return Sheet(
            pixels, tuple(names), self.steps, note=f"share of the images' response, in %: {note}"
        )

    def axes(self, response: Response) -> tuple[Axes, Float[Tensor, " latent_dim"]]:
        """All directions, the strongest first, and how strongly images respond to each."""
        return principal(response)

    def origins(self, generator: Generator) -> tuple[Latents, Labels | None, Sequence[str]]:
        """Latents, classes and names of the images that are moved."""
        places = range(self.first_seed, self.first_seed + self.seeds)
        if self.latents is None:
            latents = latents_of(places, generator.latent_dim)
            names = [f"seed-{seed:06d}" for seed in places]
            return latents, labels_of(places, generator, self.label), names
        shares = shares_of(generator)
        known = found.read(self.latents, generator.latent_dim, 0 if shares is None else len(shares))
        total = len(known.names)
        if not 0 <= self.first_seed < total:
            raise ValueError(
                f"draw.first_seed={self.first_seed}: draw.latents={self.latents} holds {total} "
                f"latents. Type a number from 0 to {total - 1}."
            )
        there = slice(self.first_seed, self.first_seed + self.seeds)
        latents, labels = known.latents[there], known.labels
        if self.label is not None:
            labels = labels_of(range(total), generator, self.label)
        return latents, None if labels is None else labels[there], known.names[there]


class Traversal(Directions):
    """Images moved along single latents, the most active first; a row for each image.

    For a VAE, whose training gives single latents a meaning of their own now and then and leaves
    those that it does not need without any effect. Options as for Directions; `direction-003` is
    the fourth most active latent.

    Source: Higgins et al. 2017 (beta-VAE), ICLR, whose figures show such traversals.
    """

    def axes(self, response: Response) -> tuple[Axes, Float[Tensor, " latent_dim"]]:
        activity, order = response.diagonal().sort(descending=True, stable=True)
        return torch.eye(len(activity))[order], activity


def response_of(
    generator: Generator, samples: int, batch_size: int = 64, label: int | None = None
) -> Response:
    """How the images respond to their latents: M = mean over z of J(z)^T J(z).

    J(z) = dG/dz is the Jacobian of all pixels, by central differences. v^T M v is how much the
    images change with a small step along v, so the eigenvectors of M with the largest eigenvalues
    change them most. For a linear G(z) = A z this is A^T A, whose eigenvectors are the right
    singular vectors of A. That is SeFa's equation with the whole generator in the place of its
    first layer, which needs no knowledge of layers and counts what is seen. The eigenvectors are
    global because J^T J differs little from place to place. It costs two images for each latent
    coordinate and sample.

    Args:
        generator: What is looked into.
        samples: At how many latents, with seeds from 0 on.
        batch_size: Images computed at once.
        label: The class of all; by default each seed has its own.

    Source: Wang and Ponce 2021, arXiv 2101.06006, for averages of this metric, and that they are
    enough; Shen and Zhou 2021 (SeFa), arXiv 2007.06600, for A^T A.
    """
    size = generator.latent_dim
    seeds = range(samples)
    steps = STEP * torch.eye(size)
    labels = labels_of(seeds, generator, label)
    response = torch.zeros(size, size, dtype=torch.float64)
    for place, z in enumerate(latents_of(seeds, size)):
        around = torch.cat([z + steps, z - steps])
        classes = None if labels is None else labels[place].expand(len(around))
        images = torch.cat(list(exposed(generator, around, batch_size, classes)))
        ahead, behind = images.flatten(1).cpu().double().chunk(2)
        jacobian = (ahead - behind) / (2 * STEP)  # transposed: [latent_dim, pixels]
        response += jacobian @ jacobian.T / samples
    return response


def principal(response: Response) -> tuple[Axes, Float[Tensor, " latent_dim"]]:
    """Eigenvectors as rows and their eigenvalues, the largest first.

    The sign of an eigenvector is open: the largest of its coordinates is made positive.
    """
    values, vectors = torch.linalg.eigh(response)
    vectors = vectors.T.flip(0)
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return (vectors * largest.sign()).float(), values.flip(0).clamp(min=0)
