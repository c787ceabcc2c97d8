"""The game of generator and discriminator, as pairs of losses on logits, one number per image.

    min over G, max over D of V(D, G) = E[log D(x)] + E[log(1 - D(G(z)))]

(Goodfellow et al. 2014, equation 1.) With D = sigmoid(logits), log D is -softplus(-logits) and
log(1 - D) is -softplus(logits), which do not overflow. Real comes before fake everywhere. The
systems take the mean.
"""

from typing import Protocol, runtime_checkable

from torch.nn.functional import softplus

from darkroom.images import Logits, PerImage


@runtime_checkable
class Adversarial(Protocol):
    """Two losses, each minimised by its player."""

    def discriminator(self, real: Logits, fake: Logits) -> PerImage: ...

    def generator(self, fake: Logits) -> PerImage: ...


class MinMax:
    """The value function itself: the generator minimises log(1 - D(G(z))), which saturates.

    Source: Goodfellow et al. 2014, arXiv 1406.2661, equation 1.
    """

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return softplus(-real) + softplus(fake)

    def generator(self, fake: Logits) -> PerImage:
        return -softplus(fake)


class NonSaturating:
    """The article's loop: the generator minimises -log D(G(z)), the cross-entropy with label 1.

    Same fixed point as MinMax, with a strong gradient where the discriminator is sure.

    Source: Goodfellow et al. 2014, section 3.
    """

    def discriminator(self, real: Logits, fake: Logits) -> PerImage:
        return softplus(-real) + softplus(fake)

    def generator(self, fake: Logits) -> PerImage:
        return softplus(-fake)
