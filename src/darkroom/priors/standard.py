"""N(0, I): the prior that the bound is written with."""

from torch import nn

from darkroom.images import Labels, Latents, PerImage
from darkroom.randomness import Noise


class Standard(nn.Module):
    """The latents are the noise; there is nothing to learn.

    Args:
        latent_dim: Length of the latents.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = self.noise_dim = latent_dim

    def forward(self, noise: Latents, labels: Labels | None = None) -> Latents:
        return noise

    def noise_of(self, latents: Latents, labels: Labels | None = None) -> Latents:
        return latents

    def loss(self, latents: Latents, noise: Noise, labels: Labels | None = None) -> PerImage:
        return latents.new_zeros(len(latents))
