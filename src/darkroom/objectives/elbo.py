"""The evidence lower bound: log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z)), in nats per image.

Source: Kingma and Welling 2013, arXiv 1312.6114, equation 3. Rate and distortion as in Alemi et al.
2018, arXiv 1711.00464; beta as in Higgins et al. 2017. With several samples of z the bound is
tighter: Burda et al. 2016, arXiv 1509.00519.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from darkroom.images import Images, PerImage
from darkroom.objectives.likelihoods import Bernoulli, Likelihood
from darkroom.schedules import Schedule, at


@dataclass(frozen=True)
class Bound:
    """The terms of the bound for each image, in nats.

    Attributes:
        distortion: -E_q[log p(x|z)], from one sample of z.
        rates: KL(q(z|x) || p(z)) of each latent level.
        log_ratio: log q(z|x) - log p(z) at that sample, summed over the latent levels.
        auxiliary: Further terms of the loss, by name.
    """

    distortion: PerImage
    rates: tuple[PerImage, ...]
    log_ratio: PerImage
    auxiliary: Mapping[str, PerImage] = field(default_factory=dict)

    @property
    def rate(self) -> PerImage:
        """KL(q(z|x) || p(z)), summed over the latent levels."""
        return torch.stack(self.rates).sum(0)

    @property
    def negative_elbo(self) -> PerImage:
        """Distortion + rate, whatever the loss makes of them: an upper bound of -log p(x)."""
        return self.distortion + self.rate

    @property
    def log_weight(self) -> PerImage:
        """Log p(x|z) + log p(z) - log q(z|x), for `importance_weighted`."""
        return -self.distortion - self.log_ratio


class Objective:
    """What a latent model minimises: a likelihood, and a loss made of the bound's terms.

    Args:
        likelihood: p(x|z).
        samples: Samples of z for each image.
    """

    def __init__(self, likelihood: Likelihood | None = None, samples: int = 1) -> None:
        self.likelihood = likelihood or Bernoulli()
        self.samples = samples

    def bound(
        self,
        images: Images,
        parameters: Tensor,
        rates: tuple[PerImage, ...],
        log_ratios: tuple[PerImage, ...],
        auxiliary: Mapping[str, PerImage] | None = None,
    ) -> Bound:
        """The bound's terms of each image, from one sample of z.

        Args:
            images: x.
            parameters: What the decoder says of x, for the likelihood.
            rates: KL in nats per image, one for each latent level.
            log_ratios: log q(z|x) - log p(z) in nats per image, one for each latent level.
            auxiliary: Further terms of the loss.
        """
        distortion = -self.likelihood.log_prob(parameters, images)
        return Bound(distortion, rates, torch.stack(log_ratios).sum(0), auxiliary or {})

    def loss(self, bound: Bound, images_seen: int = 0) -> PerImage:
        """What is minimised, for each image.

        Args:
            bound: Of `samples` samples of z for each image, those of an image after one another.
            images_seen: The time of the training's clock.
        """
        raise TypeError(f"{type(self).__name__} has to say what it minimises.")

    def settings(self) -> Mapping[str, float | Schedule]:
        """What may change while the run goes on, by name."""
        return {}


class ELBO(Objective):
    """The negative bound as a loss: distortion + beta * sum_l max(rate_l, free) + auxiliary terms.

    Args:
        likelihood: p(x|z).
        beta: Weight of the rate, or how it changes. Both terms are sums in nats per image, so this
            is the true beta: 1 is the bound itself, and no number of pixels or latents hides in it.
        free_nats: What an image may say at each latent level at no cost.

    Raises:
        ValueError: If a number is negative.

    Source: Kingma et al. 2016, arXiv 1606.04934, appendix C.8, for free bits; here for each image,
    where theirs are of a batch's mean.
    """

    def __init__(
        self,
        likelihood: Likelihood | None = None,
        beta: float | Schedule = 1.0,
        free_nats: float = 0.0,
    ) -> None:
        super().__init__(likelihood)
        if at(beta, 0) < 0:
            raise ValueError(
                f"model.objective.beta={beta} rewards a large KL. Type beta=1 for the bound itself."
            )
        if free_nats < 0:
            raise ValueError(
                f"model.objective.free_nats={free_nats}: type the nats of each latent level that "
                "cost nothing, such as 1, or 0 for none."
            )
        self.beta, self.free_nats = beta, free_nats

    def loss(self, bound: Bound, images_seen: int = 0) -> PerImage:
        charged = torch.stack([self.charged(rate) for rate in bound.rates]).sum(0)
        loss = bound.distortion + at(self.beta, images_seen) * charged
        for term in bound.auxiliary.values():
            loss = loss + term
        return loss

    def charged(self, rate: PerImage) -> PerImage:
        """What a level's rate costs."""
        return rate.clamp(min=self.free_nats)

    def settings(self) -> Mapping[str, float | Schedule]:
        return {"beta": self.beta}


class ImportanceWeighted(Objective):
    """The tighter bound of k samples as a loss: -log 1/k sum_i p(x|z_i) p(z_i) / q(z_i|x).

    Args:
        likelihood: p(x|z).
        samples: k. Each is computed in full, so a step takes k times as long.

    Raises:
        ValueError: If there are no samples.

    Source: Burda et al. 2016 (IWAE), arXiv 1509.00519, equation 8.
    """

    def __init__(self, likelihood: Likelihood | None = None, samples: int = 5) -> None:
        if samples < 1:
            raise ValueError(f"model.objective.samples={samples}: type a number from 1 on.")
        super().__init__(likelihood, samples)

    def loss(self, bound: Bound, images_seen: int = 0) -> PerImage:
        loss = -importance_weighted(self._of_image(bound.log_weight))
        for term in bound.auxiliary.values():
            loss = loss + self._of_image(term).mean(0)
        return loss

    def _of_image(self, terms: PerImage) -> Float[Tensor, "samples images"]:
        return terms.reshape(-1, self.samples).T


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
