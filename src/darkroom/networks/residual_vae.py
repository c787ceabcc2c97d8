"""A residual VAE: more depth for the same map of latents, and no normalisation.

Source: Kingma and Welling 2013, arXiv 1312.6114, for the model; He et al. 2016, arXiv 1603.05027,
for the order within a block; Zhang, Dauphin and Ma 2019, arXiv 1901.09321, for blocks that begin as
the identity, which replaces normalisation: an image's terms depend on that image alone, and no
statistics are computed.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from darkroom.images import Images
from darkroom.networks.conditioning import Codes, Maps
from darkroom.networks.gaussian_vae import GaussianVAE
from darkroom.networks.pyramid import Pyramid


class ResidualVAE(GaussianVAE):
    """Halvings and doublings with residual blocks between them, below the image's resolution.

    At 64x64x1, latent_dim 64, width 32: 5,320,193 parameters.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        latent_dim: Length of the latent vector.
        width: Channels at the first level; they double downwards, up to 8 * width.
        blocks: Residual blocks of each level.
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
        blocks: int = 1,
        parameters_per_value: int = 1,
        num_classes: int = 0,
    ) -> None:
        super().__init__(latent_dim, parameters_per_value, num_classes)
        pyramid = Pyramid("model.network", resolution, channels, width)
        if blocks < 0:
            raise ValueError(f"model.network.blocks={blocks}: type a number from 0 on.")
        self.encoder = _Encoder(pyramid, channels, blocks, 2 * latent_dim)
        self.decoder = _Decoder(pyramid, channels * parameters_per_value, blocks, self.code.length)
        self.to(memory_format=torch.channels_last)  # so convolutions are quicker


class _Encoder(nn.Module):
    def __init__(self, pyramid: Pyramid, channels: int, blocks: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ZeroPad2d(pyramid.margins)]
        for wide in pyramid.widths:
            layers += [nn.Conv2d(channels, wide, 4, stride=2, padding=1), *_blocks(wide, blocks)]
            channels = wide
        layers += [nn.SiLU(), nn.Flatten()]
        layers.append(nn.Linear(channels * math.prod(pyramid.smallest), outputs))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Images) -> Tensor:
        return self.layers(images)


class _Decoder(nn.Module):
    def __init__(self, pyramid: Pyramid, outputs: int, blocks: int, code_length: int) -> None:
        super().__init__()
        *widths, first = pyramid.widths
        self.crop = pyramid.crop
        layers: list[nn.Module] = [
            nn.Linear(code_length, first * math.prod(pyramid.smallest)),
            nn.Unflatten(1, (first, *pyramid.smallest)),
            *_blocks(first, blocks),
        ]
        for narrow in reversed(widths):
            layers += [
                nn.ConvTranspose2d(first, narrow, 4, stride=2, padding=1),
                *_blocks(narrow, blocks),
            ]
            first = narrow
        layers += [
            nn.SiLU(),
            nn.ConvTranspose2d(first, first, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(first, outputs, 3, padding=1),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Codes) -> Tensor:
        return self.layers(codes)[:, :, *self.crop]


class _Block(nn.Sequential):
    """x + f(x), with f zero in the beginning."""

    def __init__(self, width: int) -> None:
        last = nn.Conv2d(width, width, 3, padding=1)
        super().__init__(nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.get_parameter("bias"))

    def forward(self, maps: Maps) -> Maps:
        return maps + super().forward(maps)


def _blocks(width: int, number: int) -> list[nn.Module]:
    return [_Block(width) for _ in range(number)]
