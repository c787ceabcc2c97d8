"""The evidence lower bound: log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)), in nats per image.

Source: Kingma and Welling 2013, arXiv 1312.6114, equation 3. Rate and distortion as in Alemi et al.
2018, arXiv 1711.00464; beta as in Higgins et al. 2017. With several samples of z the bound is
tighter: Burda et al. 2016, arXiv 1509.00519.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.images import Images, PerImage
from darkroom.objectives.likelihoods import Bernoulli, Likelihood


@dataclass(frozen=True)
class Bound:
    """The terms of the bound for each image, in nats.

    Attributes:
        distortion: -E_q[log p(x|z)], from one sample of z.
        rate: KL(q(z|x) || p(z)), summed over the latent levels.
        loss: What is minimised: distortion + beta * rate + auxiliary terms.
        log_ratio: log q(z|x) - log p(z) at that sample, summed over the latent levels.
        rates: The rate of each latent level.
    """

    distortion: PerImage
    rate: PerImage
    loss: PerImage
    log_ratio: PerImage
    rates: tuple[PerImage, ...]

    @property
    def negative_elbo(self) -> PerImage:
        """Distortion + rate, whatever beta was: an upper bound of -log p(x)."""
        return self.distortion + self.rate

    @property
    def log_weight(self) -> PerImage:
        """Log p(x|z) + log p(z) - log q(z|x), whatever beta was, for `importance_weighted`."""
        return -self.distortion - self.log_ratio


class ELBO:
    """The negative bound as a loss: distortion + beta * rate.

    Args:
        likelihood: p(x|z).
        beta: Weight of the rate. Both terms are sums in nats per image, so this is the true beta:
            1 is the bound itself, and no number of pixels or latents hides in it.

    Raises:
        ValueError: If beta is negative.
    """

    def __init__(self, likelihood: Likelihood | None = None, beta: float = 1.0) -> None:
        if beta < 0:
            raise ValueError(
                f"model.objective.beta={beta} rewards a large KL. Type beta=1 for the bound itself."
            )
        self.likelihood = likelihood or Bernoulli()
        self.beta = beta

    def __call__(
        self,
        images: Images,
        parameters: Tensor,
        rates: tuple[PerImage, ...],
        log_ratios: tuple[PerImage, ...],
        auxiliary: Mapping[str, PerImage] | None = None,
    ) -> Bound:
        """The bound of each image.

        Args:
            images: x.
            parameters: What the decoder says of x, for the likelihood.
            rates: KL in nats per image, one for each latent level.
            log_ratios: log q(z|x) - log p(z) in nats per image, one for each latent level.
            auxiliary: Further terms to be added to the loss.
        """
        distortion = -self.likelihood.log_prob(parameters, images)
        rate = torch.stack(rates).sum(0)
        loss = distortion + self.beta * rate
        for term in (auxiliary or {}).values():
            loss = loss + term
        return Bound(distortion, rate, loss, torch.stack(log_ratios).sum(0), rates)


def importance_weighted(log_weights: Float[Tensor, "k batch"]) -> PerImage:
    """A bound of k samples: log p(x) >= E[log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x)].

    For k = 1 it is an estimate of the ELBO; it never falls as k grows, and tends to log p(x).

    Args:
        log_weights: `Bound.log_weight` of k independent samples of z.

    Returns:
        A lower bound of log p(x) in nats per image, [batch].

    Source: Burda et al. 2016, arXiv 1509.00519, equation 8.
    """
    return log_weights.logsumexp(0) - math.log(len(log_weights))


def bits_per_dim(nats: Tensor, dimensions: int, width: float = 1.0) -> Tensor:
    """Nats per image to bits per value (height * width * channels).

    Args:
        nats: -log of a probability, or of a density.
        dimensions: Values of an image.
        width: Of the interval that one grey level takes, where it is a density of dequantised
            values: 2/255 on the scale of images. The result then bounds the bits of the 8-bit
            image from above (Theis et al. 2016, arXiv 1511.01844, section 3.1).
    """
    return nats / (dimensions * math.log(2)) - math.log2(width)
