"""R3GAN's generator and discriminator: residual blocks without normalisation, for any resolution.

Nothing in them looks at two images at once, so each is judged alone, as gradient penalties need it.
The lowest level computes in the precision of its weights, whatever autocast does above it.

Source: Huang et al. 2024, arXiv 2501.05441, section 3. Theirs are the sizes 32, 64 and 256; here
one rule gives the widths of any, sides that doubling does not meet are drawn on the next larger
canvas, and the discriminator's view of a class is `conditioning.Projection`.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from darkroom.images import Images, Labels, Latents, Logits
from darkroom.networks.conditioning import Codes, Maps, coded, projected
from darkroom.networks.pyramid import Pyramid

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


class R3GANGenerator(nn.Module):
    """A learned map, then residual blocks and doublings up to an image; no tanh at the end.

    At 32x32x1 with the defaults: 422,016 parameters. The paper's own at 32x32x3 has width 768 and
    2 blocks: 20.73 million; at 64x64x3 the same arguments give its 22.43 million.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        latent_dim: Length of the latent vector.
        width: Channels of the lowest levels.
        wide_levels: How many levels have `width` channels; each one above them has half as many as
            the one below it. Four levels reach from 4x4 to 32x32.
        blocks: Residual blocks of each level.
        expansion: By how much a block multiplies the channels within.
        group_size: Channels that a 3x3 convolution looks at together, or their greatest common
            divisor with the channels there are; None for all of them.
        num_classes: Classes to draw; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it draws classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        latent_dim: int = 64,
        width: int = 128,
        wide_levels: int = 4,
        blocks: int = 1,
        expansion: int = 2,
        group_size: int | None = 16,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        pyramid = Pyramid("model.generator", resolution, channels, width)
        levels = _Levels(
            "model.generator", pyramid.depth, width, wide_levels, blocks, expansion, group_size
        )
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.crop = pyramid.crop
        self.code = coded(latent_dim, num_classes)
        self.lowest = nn.Sequential(
            _Basis(self.code.length, width, pyramid.smallest), *levels.blocks(width)
        )
        layers: list[nn.Module] = []
        for below, above in pairwise(levels.widths):
            layers += [*_changed(below, above), _Doubled(), *levels.blocks(above)]
        layers.append(_linear(nn.Conv2d(levels.widths[-1], channels, 1, bias=False)))
        self.higher = nn.Sequential(*layers)

    def forward(self, latents: Latents, labels: Labels | None = None) -> Images:
        with torch.autocast(latents.device.type, enabled=False):
            maps = self.lowest(self.code(latents, labels))
        canvas = self.higher(maps)
        return canvas[:, :, *self.crop]


class R3GANDiscriminator(nn.Module):
    """The generator's mirror image: residual blocks and halvings down to one logit.

    At 32x32x1 with the defaults: 413,952 parameters. The paper's own at 32x32x3 has width 768 and
    2 blocks: 20.68 million; at 64x64x3 the same arguments give its 22.38 million.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        width: Channels of the lowest levels.
        wide_levels: How many levels have `width` channels; each one above them has half as many as
            the one below it. Four levels reach from 4x4 to 32x32.
        blocks: Residual blocks of each level.
        expansion: By how much a block multiplies the channels within.
        group_size: Channels that a 3x3 convolution looks at together, or their greatest common
            divisor with the channels there are; None for all of them.
        num_classes: Classes to judge; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it judges classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        width: int = 128,
        wide_levels: int = 4,
        blocks: int = 1,
        expansion: int = 2,
        group_size: int | None = 16,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        pyramid = Pyramid("model.discriminator", resolution, channels, width)
        levels = _Levels(
            "model.discriminator", pyramid.depth, width, wide_levels, blocks, expansion, group_size
        )
        layers: list[nn.Module] = [
            nn.ZeroPad2d(pyramid.margins),
            _linear(nn.Conv2d(channels, levels.widths[-1], 1, bias=False)),
        ]
        for above, below in pairwise(reversed(levels.widths)):
            layers += [*levels.blocks(above), _Halved(), *_changed(above, below)]
        self.higher = nn.Sequential(*layers)
        pooling = nn.Conv2d(width, width, pyramid.smallest, groups=width, bias=False)
        self.lowest = nn.Sequential(*levels.blocks(width), _linear(pooling))
        self.judgement = _linear(nn.Linear(width, 1, bias=False))
        self.projection = projected(width, num_classes)

    def forward(self, images: Images, labels: Labels | None = None) -> Logits:
        maps = self.higher(images).to(self.judgement.weight.dtype)
        with torch.autocast(images.device.type, enabled=False):
            features = self.lowest(maps)
            logits = self.judgement(features.flatten(1)).flatten()
            return self.projection(logits, features, labels)


class _Levels:
    """How wide each level is, from the lowest up, and its residual blocks."""

    def __init__(
        self,
        option: str,
        depth: int,
        width: int,
        wide_levels: int,
        blocks: int,
        expansion: int,
        group_size: int | None,
    ) -> None:
        at_least_one = {"wide_levels": wide_levels, "blocks": blocks, "expansion": expansion}
        for name, number in at_least_one.items():
            if number < 1:
                raise ValueError(f"{option}.{name}={number}: type a number from 1 on.")
        if group_size is not None and group_size < 1:
            raise ValueError(
                f"{option}.group_size={group_size}: type a number from 1 on, or null for dense "
                "convolutions."
            )
        halvings = (max(0, level + 1 - wide_levels) for level in range(depth + 1))
        self.widths = [max(1, width >> times) for times in halvings]
        self.number, self.expansion, self.group_size = blocks, expansion, group_size

    def blocks(self, width: int) -> list[nn.Module]:
        """The residual blocks of one level."""
        in_all = self.number * len(self.widths)
        return [
            _Block(width, self.expansion * width, self.group_size, in_all)
            for _ in range(self.number)
        ]


class _Block(nn.Sequential):
    """x + f(x), an inverted bottleneck: f widens, looks around in groups, and narrows again.

    The last convolution begins at zero, and the others, which carry the only biases, at He's scale
    times L^(-1/4) for L blocks in all: fix-up, which replaces normalisation.

    Source: Zhang, Dauphin and Ma 2019, arXiv 1901.09321, for the initial weights.
    """

    def __init__(self, width: int, wide: int, group_size: int | None, blocks_in_all: int) -> None:
        groups = wide // math.gcd(wide, group_size or wide)
        widening = nn.Conv2d(width, wide, 1)
        looking = nn.Conv2d(wide, wide, 3, padding=1, groups=groups)
        narrowing = nn.Conv2d(wide, width, 1, bias=False)
        super().__init__(widening, nn.LeakyReLU(0.2), looking, nn.LeakyReLU(0.2), narrowing)
        for layer in (widening, looking):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            layer.weight.data *= blocks_in_all**-0.25
            nn.init.zeros_(layer.get_parameter("bias"))
        nn.init.zeros_(narrowing.weight)

    def forward(self, maps: Maps) -> Maps:
        return maps + super().forward(maps)


class _Basis(nn.Module):
    """A learned map for each channel, as strong as a linear function of the code says."""

    def __init__(self, length: int, width: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.strengths = _linear(nn.Linear(length, width, bias=False))
        numbers = nn.init.kaiming_normal_(
            torch.empty(width * math.prod(size), 1), nonlinearity="linear"
        )
        self.maps = nn.Parameter(numbers.view(width, *size))

    def forward(self, codes: Codes) -> Tensor:
        return self.strengths(codes)[:, :, None, None] * self.maps


class _Resampling(nn.Module):
    """What halving and doubling share: [1, 2, 1] both ways, over each channel by itself."""

    kernel: Tensor

    def __init__(self, gain: float) -> None:
        super().__init__()
        hat = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", gain * hat[:, None] * hat, persistent=False)

    def kernels(self, width: int) -> Tensor:
        return self.kernel.expand(width, 1, 3, 3)


class _Halved(_Resampling):
    """Half as many rows and columns, each pixel a weighted mean of nine."""

    def __init__(self) -> None:
        super().__init__(gain=1)

    def forward(self, maps: Tensor) -> Tensor:
        width = maps.shape[1]
        return F.conv2d(maps, self.kernels(width), stride=2, padding=1, groups=width)


class _Doubled(_Resampling):
    """Twice as many rows and columns: the old ones, and the means of their neighbours between."""

    def __init__(self) -> None:
        super().__init__(gain=4)

    def forward(self, maps: Tensor) -> Tensor:
        width, kernels = maps.shape[1], self.kernels(maps.shape[1])
        return F.conv_transpose2d(
            maps, kernels, stride=2, padding=1, output_padding=1, groups=width
        )


def _changed(width: int, wanted: int) -> list[nn.Module]:
    """A 1x1 convolution between levels of unequal widths, and nothing between equal ones."""
    return [] if width == wanted else [_linear(nn.Conv2d(width, wanted, 1, bias=False))]


def _linear(layer: Layer) -> Layer:
    """The layer with the initial weights for what no activation follows: N(0, 1 / fan-in)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return layer
