"""The game of generator and discriminator, as pairs of losses on logits, one number per image.

    min over G, max over D of V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]

(Goodfellow et al. 2014, equation 1.) With D = sigmoid(logits), log D is -softplus(-logits) and
log(1 - D) is -softplus(logits), which do not overflow. Real comes before fake everywhere. The
systems take the mean.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch.nn.functional import relu, softplus

from darkroom.images import Logits, PerImage


class Reading(NamedTuple):
    """How a game's logits are to be read.

    Attributes:
        name: What `of` makes of them.
        of: Logits to what a log should show.
    """

    name: str
    of: Callable[[Logits], PerImage]


PROBABILITY = Reading("probability", torch.sigmoid)  # that an image is real
LOGIT = Reading("logit", torch.clone)

Opinion = Callable[[], Logits]
"""What the discriminator says of the real images, for those games in which G has to know it."""


@runtime_checkable
class Adversarial(Protocol):
    """Two losses, each minimised by its player.

    Attributes:
        reading: How the logits are to be read that these losses lead to.
    """

    reading: Reading

    def discriminator(self, real: Logits, fake: Logits) -> PerImage: ...

    def generator(self, real: Opinion, fake: Logits) -> PerImage: ...


class MinMax:
    """The value function itself: the generator minimises log(1 - D(G(z))), which saturates.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, equation 1.
    """

    reading = PROBABILITY

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return softplus(-real) + softplus(fake)

    def generator(self, real: Opinion, fake: Logits) -> PerImage:
        return -softplus(fake)


class NonSaturating:
    """The article's loop: the generator minimises -log D(G(z)), the cross-entropy with label 1.

    Same fixed point as MinMax, with a strong gradient where the discriminator is sure.

    Source: Goodfellow et al. 2014, section 3.
    """

    reading = PROBABILITY

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return softplus(-real) + softplus(fake)

    def generator(self, real: Opinion, fake: Logits) -> PerImage:
        return softplus(-fake)


class LeastSquares:
    """Logits are drawn to 1 where images are real and to 0 where they are not.

    Source: Mao et al. 2017 (LSGAN), arXiv 1611.04076, equation 9.
    """

    reading = LOGIT

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return ((real - 1).square() + fake.square()) / 2

    def generator(self, real: Opinion, fake: Logits) -> PerImage:
        return (fake - 1).square() / 2


class Hinge:
    """The discriminator stops where it is right by a margin of 1.

    Source: Lim and Ye 2017 (Geometric GAN), arXiv 1705.02894; Miyato et al. 2018 (SNGAN), arXiv
    1802.05957, equations 16 and 17.
    """

    reading = LOGIT

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return relu(1 - real) + relu(1 + fake)

    def generator(self, real: Opinion, fake: Logits) -> PerImage:
        return -fake


class Wasserstein:
    """The distance of earth movers, if a penalty keeps the discriminator's slope at most 1.

    Source: Arjovsky et al. 2017 (WGAN), arXiv 1701.07875, equation 2.
    """

    reading = LOGIT

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return fake - real

    def generator(self, real: Opinion, fake: Logits) -> PerImage:
        return -fake


class Relativistic:
    """Each fake is held against a real image of its own, so that none can hide among the others.

    There is no place far from the data where the generator could rest: modes that it leaves out
    cost it as long as they are real. With R1 and R2 it converges locally.

    Source: Jolicoeur-Martineau 2018, arXiv 1807.00734 (RpGAN); Huang et al. 2024 (R3GAN), arXiv
    2501.05441, equation 2.
    """

    reading = LOGIT

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return softplus(-(real - fake))

    def generator(self, real: Opinion, fake: Logits) -> PerImage:
        return softplus(-(fake - real()))
