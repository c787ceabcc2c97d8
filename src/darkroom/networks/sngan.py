"""SNGAN's residual generator and discriminator, for any resolution.

Source: Miyato et al. 2018, arXiv 1802.05957, the residual networks of its appendix, in the form for
larger images: widths double downwards, and the discriminator's last block keeps the size. A class
stands beside the latents and is judged by a projection (arXiv 1802.05637), whose embedding is
normalised too. Initial weights are Xavier's, times sqrt(2) beside a ReLU.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from darkroom.images import Images, Labels, Latents, Logits
from darkroom.networks.conditioning import coded, projected
from darkroom.networks.pyramid import Pyramid

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class SNGANGenerator(nn.Module):
    """Residual blocks with batch norm and nearest-neighbour doubling; tanh at the end.

    At 32x32x1 with the defaults: 2,371,713 parameters. Sides that doubling does not meet exactly
    are drawn on the next larger canvas and cropped at its centre.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        latent_dim: Length of the latent vector.
        width: Channels at the image's resolution; they double downwards, up to 8 * width.
        num_classes: Classes to draw; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it draws classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        latent_dim: int = 128,
        width: int = 64,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        pyramid = Pyramid("model.generator", resolution, channels, width)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.crop = pyramid.crop
        self.code = coded(latent_dim, num_classes)
        below = pyramid.widths[-1]
        layers: list[nn.Module] = [
            _drawn(nn.Linear(self.code.length, below * math.prod(pyramid.smallest))),
            nn.Unflatten(1, (below, *pyramid.smallest)),
        ]
        for above in reversed(pyramid.widths):
            layers.append(_doubling(below, above))
            below = above
        layers += [
            nn.BatchNorm2d(below),
            nn.ReLU(),
            _drawn(nn.Conv2d(below, channels, 3, padding=1)),
            nn.Tanh(),
        ]
        self.layers = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)  # so convolutions are quicker

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        canvas = self.layers(self.code(latents, labels))
        return canvas[:, :, *self.crop]


class SNGANDiscriminator(nn.Module):
    """Residual blocks with average pooling, every layer divided by its largest singular value.

    At 32x32x1 with the defaults: 2,366,145 parameters. A step of power iteration at each call in
    training mode estimates the singular values; what it has found is saved with the weights.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        width: Channels of the first block; they double downwards, up to 8 * width.
        num_classes: Classes to judge; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it judges classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        width: int = 64,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        pyramid = Pyramid("model.discriminator", resolution, channels, width)
        previous, *widths = pyramid.widths
        layers: list[nn.Module] = [nn.ZeroPad2d(pyramid.margins), _halving(channels, previous)]
        for wide in widths:
            layers.append(_halving(previous, wide, nn.ReLU()))
            previous = wide
        layers += [_keeping(previous), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.judgement = _drawn(nn.Linear(previous, 1))
        self.projection = projected(previous, num_classes)
        for layer in [*self.modules()]:
            if isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding)):
                spectral_norm(layer)
        self.to(memory_format=torch.channels_last)  # so convolutions are quicker

    def forward(self, images: Images, labels: Labels | None = None) -> Logits:
        features = self.layers(images).sum(dim=(2, 3), keepdim=True)
        logits = self.judgement(features.flatten(1)).flatten()
        return self.projection(logits, features, labels)


class _Residual(nn.Module):
    """shortcut(x) + branch(x)."""

    def __init__(self, shortcut: nn.Module, *branch: nn.Module) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.branch = nn.Sequential(*branch)

    def forward(self, maps: Tensor) -> Tensor:
        return self.shortcut(maps) + self.branch(maps)


def _doubling(width: int, wanted: int) -> _Residual:
    """The generator's block: twice as many rows and columns."""
    return _Residual(
        # the 1x1 convolution comes first: the same numbers as after the doubling, at a quarter
        nn.Sequential(_drawn(nn.Conv2d(width, wanted, 1)), nn.Upsample(scale_factor=2)),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        _drawn(nn.Conv2d(width, wanted, 3, padding=1), _RECTIFIED),
        nn.BatchNorm2d(wanted),
        nn.ReLU(),
        _drawn(nn.Conv2d(wanted, wanted, 3, padding=1), _RECTIFIED),
    )


def _halving(width: int, wanted: int, *before: nn.Module) -> _Residual:
    """The discriminator's block: half as many rows and columns; an image comes without a ReLU."""
    return _Residual(
        nn.Sequential(nn.AvgPool2d(2), _drawn(nn.Conv2d(width, wanted, 1))),
        *before,
        _drawn(nn.Conv2d(width, wanted, 3, padding=1), _RECTIFIED),
        nn.ReLU(),
        _drawn(nn.Conv2d(wanted, wanted, 3, padding=1), _RECTIFIED),
        nn.AvgPool2d(2),
    )


def _keeping(width: int) -> _Residual:
    """The discriminator's last block, which changes neither size nor width."""
    return _Residual(
        nn.Identity(),
        nn.ReLU(),
        _drawn(nn.Conv2d(width, width, 3, padding=1), _RECTIFIED),
        nn.ReLU(),
        _drawn(nn.Conv2d(width, width, 3, padding=1), _RECTIFIED),
    )


def _drawn(layer: Layer, gain: float = 1.0) -> Layer:
    """The layer with Xavier's initial weights times `gain`, and no biases."""
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


_RECTIFIED = math.sqrt(2)  # the gain beside a ReLU, which lets half of the variance through
