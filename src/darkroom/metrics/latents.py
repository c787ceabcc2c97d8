"""What latents say: which of them are used, and how well each stands for one factor."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BINS = 20


def active_units(
    means: Float[Tensor, "batch units"], threshold: float = 0.01
) -> Bool[Tensor, " units"]:
    """Which latents the encoder uses: Var_x(E_q(z|x)[z]) > 0.01.

    A latent that is not used has the prior's mean for every image.

    Args:
        means: Means of q(z|x) of many images.
        threshold: The variance above which a latent is used.

    Source: Burda et al. 2016, arXiv 1509.00519, section 5.2.
    """
    return means.var(0) > threshold


def mutual_information_gap(
    means: Float[Tensor, "batch units"],
    factors: Int64[Tensor, "batch factors"],
    bins: int = BINS,
) -> float:
    """MIG: how much more the best latent tells of a factor than the second best one does.

        1/K sum_k (I(z_first; v_k) - I(z_second; v_k)) / H(v_k)

    0 where factors are spread over latents, 1 where each has one of its own. The information is
    that of a histogram of the means with bins of equal width, as in disentanglement_lib (Locatello
    et al. 2019). With few images it comes out too large, but for both latents.

    Args:
        means: Means of q(z|x).
        factors: What is known of the same images, as whole numbers.
        bins: Bins of a latent.

    Raises:
        ValueError: If a factor is the same for all images.

    Source: Chen et al. 2018, arXiv 1802.04942, equation 6.
    """
    low, high = means.amin(0), means.amax(0)
    width = torch.where(high > low, high - low, 1.0) / bins
    binned = ((means - low) / width).long().clamp(max=bins - 1)
    gaps = []
    for k, factor in enumerate(factors.unbind(1)):
        _, values = factor.unique(return_inverse=True)
        entropy = _information(values, values)
        if entropy == 0:
            raise ValueError(f"factors[:, {k}] is the same for all images. Leave it out.")
        information = [_information(latent, values) for latent in binned.unbind(1)]
        first, second, *_ = *sorted(information, reverse=True), 0.0  # one latent has no second
        gaps.append((first - second) / entropy)
    return sum(gaps) / len(gaps)


def _information(a: Int64[Tensor, " batch"], b: Int64[Tensor, " batch"]) -> float:
    """I(a; b) of whole numbers from 0 on, in nats; of a and itself it is the entropy."""
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    counts = torch.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns)
    joint = counts.double() / len(a)
    independent = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    there = joint > 0
    return float((joint[there] * (joint[there] / independent[there]).log()).sum())
