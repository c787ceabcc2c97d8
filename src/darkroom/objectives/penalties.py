"""What keeps a discriminator smooth, one number per image, before its weight.

Without one, the discriminator of a good generator has no reason to come to rest. All but the
approximations are made of one primitive, the squared length of a logit's gradient at its image.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch

from darkroom.images import Images, Logits, PerImage
from darkroom.randomness import Noise
from darkroom.schedules import Schedule

Critic = Callable[[Images], Logits]


class Judged:
    """Images, and what a critic makes of them.

    Compiled code has no gradient of a gradient (torch issue 91469), so a compiled critic judges
    images that require one as if it were not.

    Args:
        critic: Images to logits, each image judged alone; batch norm would mix them.
        images: Images that require a gradient, if anybody asks for slopes.

    Attributes:
        logits: The critic's judgement.
    """

    def __init__(self, critic: Critic, images: Images) -> None:
        self.critic, self.images = critic, images
        is_twice = images.requires_grad
        with torch.compiler.set_stance("force_eager") if is_twice else nullcontext():
            self.logits = critic(images)

    def squared_slope(self) -> PerImage:
        """|grad_x D(x)|^2, summed over channels, rows and columns; it can be differentiated."""
        # the sum's gradient holds each image's own gradient, because images are judged alone
        (slope,) = torch.autograd.grad(self.logits.sum(), self.images, create_graph=True)
        return slope.square().sum((1, 2, 3))


@runtime_checkable
class Penalty(Protocol):
    """What the discriminator's loss has in addition, times its weight.

    Attributes:
        takes_slopes: Whether it asks for those at the images, which then require a gradient.
        weight: The gamma or lambda of its source.
    """

    takes_slopes: ClassVar[bool]

    @property
    def weight(self) -> float | Schedule: ...

    def __call__(self, real: Judged, fake: Judged, noise: Noise) -> PerImage: ...


@dataclass(frozen=True)
class R1:
    """1/2 |grad D(x)|^2 at real images: no slope where the data are.

    The sum runs over all pixels, so the weight depends on the resolution and on the channels.
    Source: Mescheder et al. 2018, arXiv 1801.04406, equation 9.
    """

    takes_slopes: ClassVar[bool] = True
    weight: float | Schedule

    def __call__(self, real: Judged, fake: Judged, noise: Noise) -> PerImage:
        return real.squared_slope() / 2


@dataclass(frozen=True)
class R2:
    """1/2 |grad D(G(z))|^2 at fakes: no slope where the generator is.

    Source: Mescheder et al. 2018, arXiv 1801.04406, equation 10.
    """

    takes_slopes: ClassVar[bool] = True
    weight: float | Schedule

    def __call__(self, real: Judged, fake: Judged, noise: Noise) -> PerImage:
        return fake.squared_slope() / 2


@dataclass(frozen=True)
class UnitSlope:
    """(|grad D(x)| - 1)^2 at random places between a real image and a fake.

    Source: Gulrajani et al. 2017 (WGAN-GP), arXiv 1704.00028, equation 3.
    """

    takes_slopes: ClassVar[bool] = False
    weight: float | Schedule = 10.0

    def __call__(self, real: Judged, fake: Judged, noise: Noise) -> PerImage:
        u = noise.uniform(1, 1, 1).to(real.images)
        x = (u * real.images + (1 - u) * fake.images).detach().requires_grad_()
        squared = Judged(real.critic, x).squared_slope()
        return ((squared + 1e-12).sqrt() - 1).square()  # a root has no slope at 0


@dataclass(frozen=True)
class _Nudged:
    """1/2 ((D(x + sigma e) - D(x)) / sigma)^2 with normal noise e, one draw for each image.

    Its expectation tends to that of R1 or R2 for small sigma. It needs no gradient of a gradient,
    which some compilers and strategies do not offer; on a CPU it is slower than those.

    Args:
        weight: As for R1 and R2.
        sigma: Size of the noise, in images of -1..1.

    Source: Lin et al. 2025 (Seaweed-APT), arXiv 2501.08316, equation 4.
    """

    takes_slopes: ClassVar[bool] = False
    weight: float | Schedule
    sigma: float = 0.01

    def of(self, judged: Judged, noise: Noise) -> PerImage:
        e = noise.normal(*judged.images.shape[1:]).to(judged.images)
        nudged = judged.critic(judged.images.detach() + self.sigma * e)
        return ((nudged - judged.logits) / self.sigma).square() / 2


class ApproximateR1(_Nudged):
    """R1 by finite differences."""

    def __call__(self, real: Judged, fake: Judged, noise: Noise) -> PerImage:
        return self.of(real, noise)


class ApproximateR2(_Nudged):
    """R2 by finite differences."""

    def __call__(self, real: Judged, fake: Judged, noise: Noise) -> PerImage:
        return self.of(fake, noise)
