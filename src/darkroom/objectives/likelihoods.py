"""p(x|z): how probable an image is, given what the decoder says, in nats per image."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from darkroom.images import Images, PerImage


@runtime_checkable
class Likelihood(Protocol):
    """A distribution over images, with the decoder's output as its parameters.

    Attributes:
        is_density: Whether it is a density on the scale of images, -1..1. Then its nats, of
            dequantised images, tell bits per dimension that others' can be compared with.
        note: What its nats mean, in one sentence.
    """

    is_density: bool

    @property
    def note(self) -> str: ...

    def log_prob(self, parameters: Tensor, images: Images) -> PerImage:
        """Log p(x|z) in nats per image: a sum over channels and pixels."""

    def mean(self, parameters: Tensor) -> Images:
        """The expected image."""


class Bernoulli:
    """Each value is the probability of white: log p = x log y + (1 - x) log(1 - y), y = sigmoid.

    Exact for black-and-white images. For grey values in between it is the usual cross-entropy,
    whose exponential does not integrate to one: compare such numbers only with each other.

    Source: Kingma and Welling 2013, appendix C.1.
    """

    is_density = False
    note = (
        "The likelihood is a Bernoulli: on grey values it is a cross-entropy, whose exponential "
        "does not integrate to one, so its nats can be compared only with those of other Bernoulli "
        "models of the same images, and there are no bits per dimension."
    )

    def log_prob(self, parameters: Tensor, images: Images) -> PerImage:
        x = (images + 1) / 2
        return (
            -F.binary_cross_entropy_with_logits(parameters, x, reduction="none").flatten(1).sum(1)
        )

    def mean(self, parameters: Tensor) -> Images:
        return 2 * torch.sigmoid(parameters) - 1


class Gaussian:
    """log p = -(x - mu)^2 / (2 sigma^2) - log sigma - log(2 pi) / 2, with one fixed sigma.

    Args:
        sigma: Standard deviation on the scale of the images, -1..1. It sets the exchange rate
            between distortion and rate: half the sigma weighs an error four times.

    Raises:
        ValueError: If sigma is not positive.
    """

    is_density = True

    def __init__(self, sigma: float = 0.2) -> None:
        if sigma <= 0:
            raise ValueError(f"likelihood.sigma={sigma} must be positive. Type sigma=0.2.")
        self.sigma = sigma
        self.note = (
            f"The likelihood is a Gaussian of sigma {sigma:g}: its nats are of a density on the "
            "scale -1..1 of the images, so they can be below zero."
        )

    def log_prob(self, parameters: Tensor, images: Images) -> PerImage:
        normalised = (images - parameters) / self.sigma
        log_density = -0.5 * normalised**2 - math.log(self.sigma) - 0.5 * math.log(2 * math.pi)
        return log_density.flatten(1).sum(1)

    def mean(self, parameters: Tensor) -> Images:
        return parameters.clamp(-1, 1)
