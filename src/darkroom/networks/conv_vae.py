"""A convolutional VAE.

Source: Kingma and Welling 2013, arXiv 1312.6114. Group norm rather than batch norm, so that an
image's terms depend on that image alone, and two devices give what one device gives.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from darkroom.images import Images
from darkroom.networks.activation import activation
from darkroom.networks.conditioning import Codes
from darkroom.networks.gaussian_vae import GaussianVAE
from darkroom.networks.pyramid import Pyramid


class ConvVAE(GaussianVAE):
    """Strided convolutions to a Gaussian over z, and transposed convolutions back.

    At 64x64x1, latent_dim 64, width 32: 2,170,561 parameters.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        latent_dim: Length of the latent vector.
        width: Channels at the first level; they double downwards, up to 8 * width.
        parameters_per_value: Numbers that the likelihood wants to know of each value.
        num_classes: Classes that the decoder is told of; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it draws classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        latent_dim: int = 64,
        width: int = 32,
        parameters_per_value: int = 1,
        num_classes: int = 0,
    ) -> None:
        super().__init__(latent_dim, parameters_per_value, num_classes)
        pyramid = Pyramid("model.network", resolution, channels, width)
        self.encoder = _Encoder(pyramid, channels, 2 * latent_dim)
        self.decoder = _Decoder(pyramid, channels * parameters_per_value, self.code.length)


class _Encoder(nn.Module):
    def __init__(self, pyramid: Pyramid, channels: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for wide in pyramid.widths:
            layers += [nn.Conv2d(channels, wide, 4, stride=2, padding=1), *activation(wide)]
            channels = wide
        layers += [nn.Flatten(), nn.Linear(channels * math.prod(pyramid.remaining), outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Images) -> Tensor:
        return self.layers(images)


class _Decoder(nn.Module):
    def __init__(self, pyramid: Pyramid, channels: int, code_length: int) -> None:
        super().__init__()
        *widths, first = pyramid.widths
        self.crop = pyramid.crop
        layers: list[nn.Module] = [
            nn.Linear(code_length, first * math.prod(pyramid.smallest)),
            nn.Unflatten(1, (first, *pyramid.smallest)),
            *activation(first),
        ]
        for narrow in reversed(widths):
            layers += [
                nn.ConvTranspose2d(first, narrow, 4, stride=2, padding=1),
                *activation(narrow),
            ]
            first = narrow
        layers.append(nn.ConvTranspose2d(first, channels, 4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Codes) -> Tensor:
        return self.layers(codes)[:, :, *self.crop]
