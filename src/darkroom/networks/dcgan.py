"""The article's generator and discriminator, for any resolution.

Source: Radford, Metz and Chintala 2015, arXiv 1511.06434, in the widths of the article. Weights
keep PyTorch's default initialisation, as in the article.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from darkroom.images import Images, Labels, Latents, Logits
from darkroom.networks.conditioning import coded, projected
from darkroom.networks.pyramid import Pyramid


class DCGANGenerator(nn.Module):
    """Transposed convolutions from a latent vector up to an image; tanh at the end.

    At 64x64x1, latent_dim 100, width 64: 3,574,656 parameters. Sides that doubling does not
    meet exactly are drawn on the next larger canvas and cropped at its centre.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        latent_dim: Length of the latent vector.
        width: Channels at the last level below the image; they double downwards, up to 8 * width.
        num_classes: Classes to draw; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it draws classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        latent_dim: int = 100,
        width: int = 64,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        pyramid = Pyramid("model.generator", resolution, channels, width)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.code = coded(latent_dim, num_classes)
        self.crop = pyramid.crop
        *widths, first = pyramid.widths
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(self.code.length, first, pyramid.smallest, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(),
        ]
        for narrow in reversed(widths):
            layers += [
                nn.ConvTranspose2d(first, narrow, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(narrow),
                nn.ReLU(),
            ]
            first = narrow
        layers += [
            nn.ConvTranspose2d(first, channels, 4, stride=2, padding=1, bias=False),
            nn.Tanh(),
        ]
        self.layers = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)  # so convolutions are quicker

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        canvas = self.layers(self.code(latents, labels)[:, :, None, None])
        return canvas[:, :, *self.crop]


class DCGANDiscriminator(nn.Module):
    """Strided convolutions from an image down to one logit; no batch norm at the first level.

    At 64x64x1, width 64: 2,763,520 parameters. The article's sigmoid is not here: the objectives
    take logits, which is the same function without its overflow.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        width: Channels at the first level; they double downwards, up to 8 * width.
        normalisation: "batch", as in the article, or "none", which gives the convolutions biases
            instead. Gradient penalties need "none": they are about images that are judged alone.
        num_classes: Classes to judge; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it judges classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        width: int = 64,
        normalisation: Literal["batch", "none"] = "batch",
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        pyramid = Pyramid("model.discriminator", resolution, channels, width)
        alone = normalisation == "none"
        previous, *widths = pyramid.widths
        layers: list[nn.Module] = [
            nn.Conv2d(channels, previous, 4, stride=2, padding=1, bias=alone),
            nn.LeakyReLU(0.2),
        ]
        for wide in widths:
            layers += [
                nn.Conv2d(previous, wide, 4, stride=2, padding=1, bias=alone),
                *([] if alone else [nn.BatchNorm2d(wide)]),
                nn.LeakyReLU(0.2),
            ]
            previous = wide
        layers.append(nn.Conv2d(previous, 1, pyramid.remaining, bias=False))
        self.layers = nn.Sequential(*layers)
        self.projection = projected(previous, num_classes)
        self.to(memory_format=torch.channels_last)  # so convolutions are quicker

    def forward(self, images: Images, labels: Labels | None = None) -> Logits:
        *layers, judgement = self.layers
        maps = images
        for layer in layers:
            maps = layer(maps)
        return self.projection(judgement(maps).flatten(), maps, labels)
