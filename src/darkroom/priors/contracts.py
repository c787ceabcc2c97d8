"""What a prior has to offer, so that a system can train it and draw from it."""

from typing import Protocol, runtime_checkable

from darkroom.images import Labels, Latents, PerImage
from darkroom.randomness import Noise


@runtime_checkable
class Prior(Protocol):
    """Noise to latents; an nn.Module.

    Attributes:
        latent_dim: Length of the latents.
        noise_dim: Length of the standard normal vectors that they are made of.
    """

    latent_dim: int
    noise_dim: int

    def __call__(self, noise: Latents, labels: Labels | None = None) -> Latents:
        """The latents of some noise, [batch, latent_dim]; the same for it every time."""

    def noise_of(self, latents: Latents, labels: Labels | None = None) -> Latents:
        """The noise that these latents are made of: the map's inverse."""

    def loss(self, latents: Latents, noise: Noise, labels: Labels | None = None) -> PerImage:
        """What is minimised so that the map learns where latents are.

        Args:
            latents: z ~ q(z|x) of training images, without gradient.
            noise: Of these images.
            labels: Their classes.
        """
