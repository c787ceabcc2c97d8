"""Which part of the real images the fake ones reach, and how many of them are real enough."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from darkroom.images import Features
from darkroom.metrics.neighbours import nearest, reaches, squared_distances


class Manifold:
    """Images, each with a ball that reaches to its k-th nearest other image.

    The distances are computed once and serve all sets of images that are compared with these.

    Args:
        features: [n, d], n > k.
        k: The largest k that will be asked for.

    Raises:
        ValueError: If there are no more than k images.
    """

    def __init__(self, features: Features, k: int = 5) -> None:
        self.features = features
        self.distances, _ = nearest(features, features, k, exclude_self=True)

    def radii(self, k: int) -> Float64[Tensor, " n"]:
        """Distance of each image to its k-th nearest other one.

        Raises:
            ValueError: If k is larger than it was said to be.
        """
        if not 1 <= k <= self.distances.shape[1]:
            raise ValueError(f"k={k} of a Manifold(k={self.distances.shape[1]}): build a larger.")
        return self.distances[:, k - 1]


@dataclass(frozen=True)
class Overlap:
    """How two sets of images lie among each other, as shares.

    Attributes:
        precision: Fake images that lie in a real image's ball.
        recall: Real images that lie in a fake image's ball.
        density: In how many real balls a fake image lies, divided by k; 1 for fresh real images,
            and above 1 where the fakes keep to the densest regions.
        coverage: Real images that have a fake one in their ball.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(real: Manifold, fake: Manifold, k: int = 3, density_k: int = 5) -> Overlap:
    """Improved precision and recall, density and coverage.

    Balls are closed: an image on the border is inside. Each depends on the numbers of images, so
    that values are comparable for equal numbers only.

    Args:
        real: The real images.
        fake: The fake images.
        k: Neighbours that precision and recall are about.
        density_k: Neighbours that density and coverage are about.

    Source: Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 and 2; Naeem et al. 2020, arXiv
    2002.09797, equations 3 and 4. There k is 3 and 5.
    """
    x, y = real.features, fake.features
    precise = torch.zeros(len(y), dtype=torch.bool)
    recalled, covered = torch.zeros(2, len(x), dtype=torch.bool)
    balls = 0
    for part in squared_distances(y, x):
        precise[part.rows] = reaches(part, y, x, real.radii(k)[None]).any(1)
        recalled |= reaches(part, y, x, fake.radii(k)[part.rows, None]).any(0)
        dense = reaches(part, y, x, real.radii(density_k)[None])
        covered |= dense.any(0)
        balls += int(dense.sum())
    return Overlap(
        precision=float(precise.double().mean()),
        recall=float(recalled.double().mean()),
        density=balls / (density_k * len(y)),
        coverage=float(covered.double().mean()),
    )
