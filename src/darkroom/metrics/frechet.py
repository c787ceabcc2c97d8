"""The Fréchet distance of two sets of features, each taken for a Gaussian."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from darkroom import randomness
from darkroom.images import Features
from darkroom.metrics.estimate import Estimate


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of features: all that the Fréchet distance knows of them.

    Attributes:
        mean: [d].
        covariance: [d, d], unbiased (divided by n - 1); zero for a single image.
        count: Images that they were taken from.
    """

    mean: Float64[Tensor, " d"]
    covariance: Float64[Tensor, "d d"]
    count: int

    @classmethod
    def of(cls, features: Features) -> "Moments":
        """Those of [n, d] features, n > 0.

        Raises:
            ValueError: If there are no features, or if one is not finite.
        """
        if len(features) == 0:
            raise ValueError("There are no features to take the mean of. Give at least one image.")
        x = features.double()
        mean = x.mean(0)
        centred = x - mean
        covariance = centred.T @ centred / max(1, len(x) - 1)
        if not covariance.isfinite().all():
            raise ValueError("The features contain NaN or infinity, so their network is broken.")
        return cls(mean, covariance, len(x))

    def merged(self, other: "Moments") -> "Moments":
        """Those of both sets together, so that features can arrive in batches.

        Source: Chan, Golub and LeVeque 1979, "Updating formulae", equations 2.1.
        """
        n = self.count + other.count
        step = other.mean - self.mean
        scatter = (
            (self.count - 1) * self.covariance
            + (other.count - 1) * other.covariance
            + self.count * other.count / n * torch.outer(step, step)
        )
        return Moments(self.mean + step * other.count / n, scatter / (n - 1), n)

    @cached_property
    def root(self) -> Float64[Tensor, "d d"]:
        """The symmetric square root of the covariance, computed once."""
        values, vectors = torch.linalg.eigh(self.covariance)
        # a covariance of fewer images than dimensions has zeros, which come out as -1e-16
        return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def frechet_distance(a: Moments, b: Moments) -> float:
    """The squared 2-Wasserstein distance of two Gaussians, as in FID.

        |mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr(sqrt(R S_b R)),    R = sqrt(S_a)

    R S_b R is symmetric and has the eigenvalues of S_a S_b, so no root of a general matrix is
    needed and no imaginary part has to be thrown away. R is kept in `a`: in a series against one
    reference, that one goes first.

    Two samples of one distribution have a distance above 0, and the more so the fewer images there
    are: compare values of equal numbers of images, or see `extrapolated_frechet_distance`.

    Source: Dowson and Landau 1982; Heusel et al. 2017, arXiv 1706.08500, equation 6.
    """
    product = a.root @ b.covariance @ a.root
    # eigvalsh reads one triangle: without the mean of both, a's and b's exchange would be visible
    eigenvalues = torch.linalg.eigvalsh((product + product.T) / 2)
    overlap = eigenvalues.clamp(min=0).sqrt().sum()
    step = a.mean - b.mean
    distance = step @ step + a.covariance.trace() + b.covariance.trace() - 2 * overlap
    return max(0.0, float(distance))  # rounding can leave -1e-9 where it is 0


def extrapolated_frechet_distance(
    reference: Moments, fake: Float[Tensor, "n d"], sizes: int = 15, seed: int = 0
) -> Estimate:
    """FD-infinity: the Fréchet distance that infinitely many fake images would have.

    The bias of the distance falls as 1/N and depends on the model, so that equal numbers of images
    do not make two models comparable. The distance is measured on subsets of `sizes` sizes N, and a
    straight line in 1/N through them is read off at 0. The smallest subset has a tenth of the
    images, and at least four times as many as there are dimensions, as below that the bias is no
    longer a straight line; if there are too few images for this, it is half of them, and the value
    comes out too low. The bias that the reference has by its own number of images stays. So the
    value can be negative.

    All subsets are of the same n images, so the scatter around the line does not show what other n
    images would have given. The error holds both, as a root of squares: the usual standard error of
    an intercept, and the sampling error of the distance of all n images (see `_sampling_error`).

    Args:
        reference: Moments of the real images.
        fake: [n, d], n >= 20.
        sizes: Number of subsets.
        seed: Of the subsets.

    Raises:
        ValueError: If there are fewer than 20 fake images, or fewer than 3 sizes.

    Source: Chong and Forsyth 2020, arXiv 1911.07023, section 4; 15 sizes from a tenth of the images
    as in Stein et al. 2023, arXiv 2306.04675. The sampling error is ours.
    """
    n, d = fake.shape
    if n < 20 or sizes < 3:
        raise ValueError(
            f"{n} fake images in {sizes} sizes: a line needs at least 20 images and 3 sizes."
        )
    smallest = max(n // 10, min(4 * d, n // 2))
    counts = torch.linspace(smallest, n, sizes).round().long().unique().tolist()
    distances = [
        frechet_distance(
            reference,
            Moments.of(fake[randomness.permutation(n, seed, "frechet distance", count)[:count]]),
        )
        for count in counts
    ]
    value, error = _intercept(
        1 / torch.tensor(counts, dtype=torch.float64), torch.tensor(distances, dtype=torch.float64)
    )
    return Estimate(value, math.hypot(error, _sampling_error(reference, fake)))


def _intercept(x: Float64[Tensor, " n"], y: Float64[Tensor, " n"]) -> tuple[float, float]:
    """Where the least-squares line crosses 0, and its standard error."""
    spread = x - x.mean()
    slope = spread @ y / (spread @ spread)
    value = y.mean() - slope * x.mean()
    residuals = y - value - slope * x
    variance = residuals @ residuals / (len(x) - 2)
    error = (variance * (1 / len(x) + x.mean() ** 2 / (spread @ spread))).sqrt()
    return float(value), float(error)


def _sampling_error(reference: Moments, fake: Features) -> float:
    """Standard error of the Fréchet distance by the choice of the fake images, to first order.

    One image x, with y = x - mu_b, moves the distance in proportion to

        2 (mu_b - mu_a).y + y.(I - T) y,    T = R (R S_b R)^(-1/2) R

    where T is the covariance part of the map that carries the fakes to the reference.
    """
    b = Moments.of(fake)
    values, vectors = torch.linalg.eigh(reference.root @ b.covariance @ reference.root)
    # directions without fakes have no image that could move anything: their inverse is left out
    there = values > len(values) * torch.finfo(values.dtype).eps * values.max()
    half = reference.root @ vectors[:, there] / values[there] ** 0.25
    y = fake.double() - b.mean
    influence = 2 * y @ (b.mean - reference.mean) + y.square().sum(1) - (y @ half).square().sum(1)
    return float(influence.std() / math.sqrt(len(fake)))
