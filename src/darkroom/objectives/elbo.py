"""The evidence lower bound: log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)), in nats per image.

Source: Kingma and Welling 2013, arXiv 1312.6114, equation 3. Rate and distortion as in Alemi et al.
2018, arXiv 1711.00464; beta as in Higgins et al. 2017.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
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
    """

    distortion: PerImage
    rate: PerImage
    loss: PerImage

    @property
    def negative_elbo(self) -> PerImage:
        """Distortion + rate, whatever beta was: an upper bound of -log p(x)."""
        return self.distortion + self.rate


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
        auxiliary: Mapping[str, PerImage] | None = None,
    ) -> Bound:
        """The bound of each image.

        Args:
            images: x.
            parameters: What the decoder says of x, for the likelihood.
            rates: KL in nats per image, one for each latent level.
            auxiliary: Further terms to be added to the loss.
        """
        distortion = -self.likelihood.log_prob(parameters, images)
        rate = torch.stack(rates).sum(0)
        loss = distortion + self.beta * rate
        for term in (auxiliary or {}).values():
            loss = loss + term
        return Bound(distortion, rate, loss)


def bits_per_dim(nats: Tensor, dimensions: int) -> Tensor:
    """Nats per image to bits per value (height * width * channels)."""
    return nats / (dimensions * math.log(2))
