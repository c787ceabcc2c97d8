"""p(x|z): how probable an image is, given what the decoder says, in nats per image.

Each is an nn.Module, so that a scale that is learned is saved, and moves to the device, with the
weights.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from darkroom.images import Images, PerImage
from darkroom.randomness import Noise

GREY_LEVEL = 2 / 255  # its width on the scale of images
LEAST_LOG_SIGMA = -6.0  # below it the density of an exact copy would know no bounds

Mean = Callable[[Tensor], Tensor]
"""The mean over all devices of what each has."""


class Likelihood(nn.Module):
    """A distribution over images, with the decoder's output as its parameters.

    Attributes:
        parameters_per_value: How many numbers the decoder says of each value of an image.
        level_width: How wide a grey level is in its measure: 2/255 for a density on the scale of
            images, 1 for probabilities of the 256 levels themselves. None if its nats are neither,
            and so tell no bits per dimension that others' can be compared with.
        note: What its nats mean, in one sentence.
    """

    parameters_per_value = 1
    level_width: float | None = None
    note: str

    def __init__(self) -> None:
        super().__init__()

    def log_prob(self, parameters: Tensor, images: Images) -> PerImage:
        """Log p(x|z) in nats per image: a sum over channels and pixels."""
        raise TypeError(f"{type(self).__name__} has to say how probable an image is.")

    def mean(self, parameters: Tensor) -> Images:
        """The expected image, within -1..1."""
        raise TypeError(f"{type(self).__name__} has to say which image it expects.")

    def shown(self, images: Images, noise: Noise) -> Images:
        """Images as this likelihood is trained on: as they are, unless it has them drawn anew."""
        return images

    def dequantised(self, images: Images, noise: Noise) -> Images:
        """Images as this likelihood is to be judged by: as they are shown, unless it is a density.

        A density is judged by images with noise that is uniform over one grey level, centred on
        it. Integrated over the level it is a probability of 8-bit images, and the mean of its
        logarithm is a lower bound of that probability's.

        Source: Theis et al. 2016, arXiv 1511.01844, section 3.1.
        """
        return self.shown(images, noise)

    def observe(self, parameters: Tensor, images: Images, images_seen: int, mean: Mean) -> None:
        """Looks at a training batch, after its loss; most likelihoods learn nothing from it.

        Args:
            parameters: What the decoder says, without gradient.
            images: The images.
            images_seen: The time of the training's clock.
            mean: Over all devices.
        """


class Bernoulli(Likelihood):
    """Each value is the probability of white: log p = x log y + (1 - x) log(1 - y), y = sigmoid.

    Exact for black-and-white images. For grey values in between it is the usual cross-entropy,
    whose exponential does not integrate to one: compare such numbers only with each other.

    Source: Kingma and Welling 2013, appendix C.1.
    """

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


class Binarised(Bernoulli):
    """The same of black-and-white images, which are drawn from grey ones: exact nats.

    Each value is white with the probability that its grey says: anew whenever the model learns from
    it, and by the image's place where the model is judged.

    Source: Salakhutdinov and Murray 2008, "On the quantitative analysis of deep belief networks",
    section 6; drawn anew as in Burda et al. 2016, arXiv 1509.00519, section 5.
    """

    note = (
        "The likelihood is a Bernoulli of binarised images: each value is white with the "
        "probability that its grey says, drawn once for each held-out image. Its nats are of "
        "probabilities of these black-and-white images, and not of the grey ones."
    )

    def shown(self, images: Images, noise: Noise) -> Images:
        white = noise.uniform(*images.shape[1:]).to(images.device) < (images + 1) / 2
        return 2 * white.to(images) - 1


class _Normal(Likelihood):
    """A density on the scale of images, -1..1: log p = -(x - mu)^2 / (2 sigma^2) - log sigma - ...

    One sigma for all pixels; what tells them apart is only where it comes from.
    """

    level_width = GREY_LEVEL
    width: str  # in words, for the note

    @property
    def note(self) -> str:  # type: ignore[override]
        return (
            f"The likelihood is a Gaussian {self.width}: its nats are of a density on the scale "
            "-1..1 of the images, so they can be below zero. Images are dequantised with uniform "
            "noise as wide as one grey level, so that bits per dimension bound those of the 8-bit "
            "images from above (Theis et al. 2016)."
        )

    def log_sigma(self) -> Tensor:
        """The logarithm of the standard deviation, on the scale of images."""
        raise TypeError(f"{type(self).__name__} has to say how wide it is.")

    def log_prob(self, parameters: Tensor, images: Images) -> PerImage:
        log_sigma = self.log_sigma()
        normalised = (images - parameters) * (-log_sigma).exp()
        log_density = -0.5 * normalised**2 - log_sigma - 0.5 * math.log(2 * math.pi)
        return log_density.flatten(1).sum(1)

    def mean(self, parameters: Tensor) -> Images:
        return parameters.clamp(-1, 1)

    def dequantised(self, images: Images, noise: Noise) -> Images:
        return images + GREY_LEVEL * (noise.uniform(*images.shape[1:]).to(images) - 0.5)


class Gaussian(_Normal):
    """A Gaussian with one fixed sigma.

    Args:
        sigma: Standard deviation on the scale of the images, -1..1. It sets the exchange rate
            between distortion and rate: half the sigma weighs an error four times.

    Raises:
        ValueError: If sigma is not positive.
    """

    def __init__(self, sigma: float = 0.2) -> None:
        if sigma <= 0:
            raise ValueError(f"likelihood.sigma={sigma} must be positive. Type sigma=0.2.")
        super().__init__()
        self.fixed = torch.tensor(math.log(sigma), dtype=torch.float64)  # of the config, not state
        self.width = f"of sigma {sigma:g}"

    def log_sigma(self) -> Tensor:
        return self.fixed


class LearnedGaussian(_Normal):
    """A Gaussian with one sigma that is a weight like others.

        log sigma = l + softplus(weight - l),    l = LEAST_LOG_SIGMA

    so that a sigma which has come near the least one can still grow again.

    Args:
        sigma: What it begins with, on the scale of the images.

    Raises:
        ValueError: If sigma is not above the least one.

    Source: Dai and Wipf 2019, arXiv 1903.05789.
    """

    width = "of one learned sigma"

    def __init__(self, sigma: float = 1.0) -> None:
        least = math.exp(LEAST_LOG_SIGMA)
        if sigma <= least:
            raise ValueError(f"likelihood.sigma={sigma} must be above {least:.4f}. Type sigma=1.")
        super().__init__()
        # the inverse of `log_sigma`
        self.learned = nn.Parameter(torch.tensor(math.log(sigma) + math.log1p(-least / sigma)))

    def log_sigma(self) -> Tensor:
        return LEAST_LOG_SIGMA + F.softplus(self.learned - LEAST_LOG_SIGMA)


class OptimalGaussian(_Normal):
    """A Gaussian with the most probable sigma: sigma^2 is the mean squared error itself.

    The error is a running mean over training batches, of all devices, so that an image's terms
    depend on that image alone, and held-out images do not choose their own sigma. At the optimum
    the gradient is that of the error's logarithm, which the source minimises.

    Args:
        half_life: Half-life of the running mean, in images; of the run's first twentieth less.

    Raises:
        ValueError: If the half-life is not positive.

    Source: Rybkin, Daniilidis and Levine 2021 (sigma-VAE), arXiv 2006.13202, equation 5.
    """

    RAMP_UP = 0.05

    variance: Tensor
    width = "whose sigma is the root of the training images' mean squared error"

    def __init__(self, half_life: float = 5000) -> None:
        if half_life <= 0:
            raise ValueError(
                f"likelihood.half_life={half_life}: type a positive number of images, such as 5000."
            )
        super().__init__()
        self.half_life = half_life
        self.images_seen = 0
        self.register_buffer("variance", torch.ones(()))

    def log_sigma(self) -> Tensor:
        return (0.5 * self.variance.log()).clamp(min=LEAST_LOG_SIGMA)

    def observe(self, parameters: Tensor, images: Images, images_seen: int, mean: Mean) -> None:
        error = mean((images - parameters).float().square().mean())
        half_life = min(self.half_life, self.RAMP_UP * images_seen)
        share = 1 - 0.5 ** ((images_seen - self.images_seen) / half_life)
        self.images_seen = images_seen
        taken = torch.lerp(self.variance.float(), error, share)
        self.variance.copy_(torch.where(error.isfinite(), taken, self.variance))

    def get_extra_state(self) -> int:
        return self.images_seen

    def set_extra_state(self, state: int) -> None:
        self.images_seen = state


class DiscretisedLogistic(Likelihood):
    """A mixture of logistics, integrated over each of the 256 grey levels: honest bits.

        p(x) = sum_i pi_i [S((x + h - mu_i) / s_i) - S((x - h - mu_i) / s_i)],    h = 1/255

    with S the sigmoid, and all that lies beyond them given to the darkest and the lightest level.
    The values of a pixel are independent, given z. The decoder says of each value the logits of
    pi, then mu, then log s.

    Args:
        components: How many logistics; 1 for a single one.

    Raises:
        ValueError: If there are none.

    Source: Salimans et al. 2017 (PixelCNN++), arXiv 1701.05517, equation 2.
    """

    LEAST_LOG_SCALE = -7.0
    MOST_LOG_SCALE = 7.0  # flat over all levels; much larger ones would overflow

    level_width = 1.0

    def __init__(self, components: int = 1) -> None:
        if components < 1:
            raise ValueError(f"likelihood.components={components}: type a number from 1 on.")
        super().__init__()
        self.components = components
        self.parameters_per_value = 3 * components
        self.note = (
            f"The likelihood is a mixture of {components} discretised logistic(s): its nats are of "
            "probabilities of 8-bit images, so their bits per dimension are exact bounds."
        )

    def log_prob(self, parameters: Tensor, images: Images) -> PerImage:
        logits, mu, log_s = self._split(parameters)
        x, h = images.unsqueeze(2), GREY_LEVEL / 2
        s = log_s.exp()
        upper, lower = (x - mu + h) / s, (x - mu - h) / s
        # S(u) - S(l) = S(u) S(-l) (1 - exp(l - u)), which loses no precision far away from mu;
        # for l - u itself there are too few digits where mu is large
        within = F.logsigmoid(upper) + F.logsigmoid(-lower) + (-torch.expm1(-2 * h / s)).log()
        log_p = torch.where(
            x < -1 + h, F.logsigmoid(upper), torch.where(x > 1 - h, F.logsigmoid(-lower), within)
        )
        return (logits.log_softmax(2) + log_p).logsumexp(2).flatten(1).sum(1)

    def mean(self, parameters: Tensor) -> Images:
        logits, mu, _ = self._split(parameters)
        return (logits.softmax(2) * mu.clamp(-1, 1)).sum(2)

    def _split(
        self, parameters: Tensor
    ) -> tuple[Float[Tensor, "batch channels components height width"], ...]:
        """The logits of pi, mu and log s."""
        of_values = parameters.float().unflatten(1, (-1, self.parameters_per_value))
        logits, mu, log_s = of_values.chunk(3, dim=2)
        return logits, mu, log_s.clamp(self.LEAST_LOG_SCALE, self.MOST_LOG_SCALE)
