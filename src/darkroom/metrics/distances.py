"""How far two sets of features are apart: pure functions of two arrays."""

from jaxtyping import Float
from torch import Tensor

from darkroom.images import Features


def kernel_distance(real: Float[Tensor, "m d"], fake: Float[Tensor, "n d"]) -> float:
    """The unbiased squared maximum mean discrepancy under a cubic kernel, as in KID.

        k(a, b) = (a.b / d + 1)^3
        MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y),    over pairs of different images

    Zero in expectation for two samples of one distribution, so it can come out slightly negative.

    Args:
        real: [m, d], m > 1.
        fake: [n, d], n > 1.

    Source: Binkowski et al. 2018, arXiv 1801.01401, section 4; Gretton et al. 2012, lemma 6.
    """

    def kernel(a: Float[Tensor, "m d"], b: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def mean_of_pairs(features: Features) -> Tensor:
        gram, n = kernel(features, features), len(features)
        return (gram.sum() - gram.trace()) / (n * (n - 1))

    return float(mean_of_pairs(real) + mean_of_pairs(fake) - 2 * kernel(real, fake).mean())
