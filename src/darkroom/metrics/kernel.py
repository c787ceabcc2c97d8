"""How far two sets of features are apart, without a model of either."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom import randomness
from darkroom.images import Features
from darkroom.metrics.estimate import Estimate


def kernel_distance(real: Float[Tensor, "m d"], fake: Float[Tensor, "n d"]) -> float:
    """The unbiased squared maximum mean discrepancy under a cubic kernel, as in KID.

        k(a, b) = (a.b / d + 1)^3
        MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y),    over pairs of different images

    Zero in expectation for two samples of one distribution, so it can come out slightly negative.
    Computed in float64: the three means are large and their difference is small.

    Args:
        real: [m, d], m > 1.
        fake: [n, d], n > 1.

    Source: Binkowski et al. 2018, arXiv 1801.01401, section 4; Gretton et al. 2012, lemma 6.
    """
    x, y = real.double(), fake.double()

    def kernel(products: Tensor) -> Tensor:
        return (products / x.shape[1] + 1) ** 3

    def total(a: Float[Tensor, "m d"], b: Float[Tensor, "n d"]) -> Tensor:
        """Over all pairs, in rows that fit into memory."""
        rows = a.split(max(1, _PAIRS // len(b)))
        return torch.stack([kernel(part @ b.T).sum() for part in rows]).sum()

    def mean_of_pairs(a: Features) -> Tensor:
        n = len(a)
        return (total(a, a) - kernel(a.square().sum(1)).sum()) / (n * (n - 1))

    return float(mean_of_pairs(x) + mean_of_pairs(y) - 2 * total(x, y) / (len(x) * len(y)))


def kernel_distance_with_error(
    real: Float[Tensor, "m d"], fake: Float[Tensor, "n d"], block: int = 1000, seed: int = 0
) -> Estimate:
    """The kernel distance as a mean over blocks of images, and its standard error.

    Either side is shuffled (features often come sorted by class) and dealt into m // block and
    n // block disjoint blocks, at least one. All images are used, so a block has up to twice as
    many. Block i of one side is compared with block i of the other, and the side that has fewer
    starts over. The value is the mean over these comparisons.

    The error is their standard deviation / sqrt(the smaller number of blocks): comparisons that
    share a block are not independent, so repetitions do not make it smaller. It is None if a side
    has a single block.

    Args:
        real: [m, d], m > 1.
        fake: [n, d], n > 1.
        block: Images in a block, at least 2.
        seed: Of the shuffling.

    Raises:
        ValueError: If a block has less than 2 images.
    """
    if block < 2:
        raise ValueError(f"block={block}: pairs of images need at least block=2.")

    def blocks(features: Features, side: str) -> tuple[Tensor, ...]:
        order = randomness.permutation(len(features), seed, "kernel distance", side)
        return torch.tensor_split(features[order], max(1, len(features) // block))

    x, y = blocks(real, "real"), blocks(fake, "fake")
    distances = torch.tensor(
        [kernel_distance(x[i % len(x)], y[i % len(y)]) for i in range(max(len(x), len(y)))],
        dtype=torch.float64,
    )
    independent = min(len(x), len(y))
    error = float(distances.std()) / math.sqrt(independent) if independent > 1 else None
    return Estimate(float(distances.mean()), error)


_PAIRS = 1 << 24  # of images at a time: 128 MiB
