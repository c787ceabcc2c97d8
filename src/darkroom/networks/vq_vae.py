"""An autoencoder with discrete latents: a small map of codes, each one of a finite number.

Source: van den Oord et al. 2017 (VQ-VAE), arXiv 1711.00937, for a map of codes with a prior that is
learned over it; Mentzer et al. 2023 (FSQ), arXiv 2309.15505, for codes without a codebook.
"""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from darkroom.images import Images, Labels, Latents, sides
from darkroom.networks.activation import activation
from darkroom.networks.conditioning import Maps, coded
from darkroom.networks.contracts import Inference
from darkroom.networks.pyramid import Pyramid
from darkroom.networks.quantiser import Quantiser
from darkroom.randomness import Noise


class VQVAE(nn.Module):
    """Convolutions to a map of codes, and back; group norm, so each image stands alone.

    The latents are the points of the quantiser's grid, within -1..1: those of the first position,
    then those of the next one in its row.

    The encoder draws nothing. Under a prior that holds all codes for equally probable, q(z|x) is
    one point of C^P, and its rate is log C for each of P positions: the same for every image, so
    nothing in the loss pulls at it, whatever beta is. The bound with it is true, and loose: a prior
    that has learned which codes occur (`priors.Autoregressive`) needs `loss/prior` nats to name
    them, and the distortion with that in the place of the rate is the bound to quote. The rate
    here stays the uniform one, because a network knows no prior.

    At 32x32x3 with the defaults: 160,231 parameters.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        levels: Levels of each dimension of a code; their product is the number C of codes.
        width: Channels after the first halving; they double downwards, up to 8 * width.
        downsampling: Side of the square of pixels that one code stands for: 2, 4, 8 or 16. At
            borders that it does not divide, codes stand for fewer.
        blocks: Residual blocks at each level.
        parameters_per_value: Numbers that the likelihood wants to know of each value.
        num_classes: Classes that the decoder is told of; 0 for images without classes.

    Attributes:
        levels: Levels of each dimension of a code.

    Raises:
        ValueError: If the network cannot be made, or if it draws classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        levels: Sequence[int] = (8, 5, 5, 5),
        width: int = 32,
        downsampling: int = 4,
        blocks: int = 1,
        parameters_per_value: int = 1,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        Pyramid("model.network", resolution, channels, width)  # refuses what cannot be made
        if downsampling not in (2, 4, 8, 16):
            raise ValueError(
                f"model.network.downsampling={downsampling}: type 2, 4, 8 or 16 pixels along the "
                "side of the square that a code stands for."
            )
        if blocks < 0:
            raise ValueError(f"model.network.blocks={blocks}: type a number from 0 on.")
        self.quantiser = Quantiser(levels)
        self.levels = tuple(levels)
        self.num_classes, self.parameters_per_value = num_classes, parameters_per_value
        rows, columns = sides(resolution)
        self.size = -(-rows // downsampling), -(-columns // downsampling)
        self.latent_dim = math.prod(self.size) * len(self.levels)
        self.code = coded(len(self.levels), num_classes)
        widths = [width * min(2**level, 8) for level in range(int(math.log2(downsampling)))]
        self.encoder = _Encoder(channels, widths, blocks, len(self.levels))
        self.decoder = _Decoder(
            self.code.length, widths, blocks, channels * parameters_per_value, (rows, columns)
        )

    def infer(self, images: Images, noise: Noise, labels: Labels | None = None) -> Inference:
        z = self.encode(images)
        nats = math.prod(self.size) * math.log(math.prod(self.levels))
        rate = images.new_full((len(images),), nats)
        return Inference(self.decode(z, labels), z, (rate,), (rate,))

    def encode(self, images: Images, labels: Labels | None = None) -> Latents:
        """The codes of images, as points of the grid; a class changes nothing about them."""
        return self.quantiser(self.encoder(images).movedim(1, -1)).flatten(1)

    def decode(self, latents: Latents, labels: Labels | None = None) -> Tensor:
        """The likelihood's parameters, [batch, channels * parameters_per_value, height, width].

        Args:
            latents: Points of the grid; others are taken for the nearest one.
            labels: Classes of the images.
        """
        vectors = self.quantiser.nearest(latents.reshape(-1, len(self.levels)))
        classes = None if labels is None else labels.repeat_interleave(math.prod(self.size))
        codes = self.code(vectors, classes).reshape(-1, *self.size, self.code.length)
        return self.decoder(codes.movedim(-1, 1))


class _Encoder(nn.Sequential):
    """Halvings, rounded up, with residual blocks after each."""

    def __init__(self, channels: int, widths: list[int], blocks: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for wide in widths:
            layers.append(nn.Conv2d(channels, wide, 3, stride=2, padding=1))
            layers += [_Block(wide) for _ in range(blocks)]
            channels = wide
        super().__init__(*layers, *activation(channels), nn.Conv2d(channels, outputs, 1))


class _Decoder(nn.Module):
    """The encoder's mirror image; what the last doubling has too much is cut off at the end."""

    def __init__(
        self, code_length: int, widths: list[int], blocks: int, outputs: int, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.rows, self.columns = size
        wide = widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(code_length, wide, 3, padding=1)]
        for narrow in reversed([outputs, *widths[:-1]]):
            layers += [_Block(wide) for _ in range(blocks)]
            layers += [
                *activation(wide),
                nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1),
            ]
            wide = narrow
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Maps) -> Tensor:
        return self.layers(codes)[:, :, : self.rows, : self.columns]


class _Block(nn.Sequential):
    """x + f(x): f looks around, then mixes the channels.

    Source: van den Oord et al. 2017, section 4.1, with norms in front and SiLU for ReLU.
    """

    def __init__(self, width: int) -> None:
        super().__init__(
            *activation(width),
            nn.Conv2d(width, width, 3, padding=1),
            *activation(width),
            nn.Conv2d(width, width, 1),
        )

    def forward(self, maps: Maps) -> Maps:
        return maps + super().forward(maps)
