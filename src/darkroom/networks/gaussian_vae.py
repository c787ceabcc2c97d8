"""q(z|x) = N(mu(x), diag(exp(logvar(x)))), and a decoder of z: what VAEs of one level share.

Source: Kingma and Welling 2013, arXiv 1312.6114.
"""

from torch import Tensor, nn

from darkroom.images import Images, Labels, Latents
from darkroom.networks.conditioning import coded
from darkroom.networks.contracts import Inference
from darkroom.networks.gaussian import DiagonalGaussian
from darkroom.randomness import Noise


class GaussianVAE(nn.Module):
    """An encoder to a Gaussian and a decoder back, whatever their layers are.

    The decoder is told of classes, the encoder is not: it sees them.

    Args:
        latent_dim: Length of the latent vector.
        parameters_per_value: Numbers that the likelihood wants to know of each value.
        num_classes: Classes that the decoder is told of; 0 for images without classes.

    Attributes:
        code: What the decoder begins with: the latents, and the class beside them.
        encoder: Images to mu and logvar, [batch, 2 * latent_dim].
        decoder: Codes to the likelihood's parameters.
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, latent_dim: int, parameters_per_value: int, num_classes: int) -> None:
        super().__init__()
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.parameters_per_value = parameters_per_value
        self.code = coded(latent_dim, num_classes)

    def posterior(self, images: Images) -> DiagonalGaussian:
        mu, logvar = self.encoder(images).chunk(2, dim=1)
        return DiagonalGaussian(mu, logvar)

    def infer(self, images: Images, noise: Noise, labels: Labels | None = None) -> Inference:
        q = self.posterior(images)
        eps = noise.normal(self.latent_dim).to(images.dtype)
        z = q.sample(eps)
        return Inference(self.decode(z, labels), z, (q.rate(),), (q.log_ratio(eps),))

    def encode(self, images: Images, labels: Labels | None = None) -> Latents:
        """The most probable latents, the means of q(z|x)."""
        return self.posterior(images).mu

    def decode(self, latents: Latents, labels: Labels | None = None) -> Tensor:
        """The likelihood's parameters, [batch, channels * parameters_per_value, height, width]."""
        return self.decoder(self.code(latents, labels))
