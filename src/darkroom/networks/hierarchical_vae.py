"""A ladder of latents: each block has a prior that knows the blocks above, and a posterior.

Source: Child 2021 (VDVAE), arXiv 2011.10650: its blocks, and weights that begin smaller the more of
them there are. Vahdat and Kautz 2020 (NVAE), arXiv 2007.03898, for the soft bound. There is no
normalisation, so an image's terms depend on that image alone. Unlike theirs the ladder can end
above the pixels, which a processor can afford, and it begins with a single position at any size.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.images import Images, Labels, Latents, PerImage
from darkroom.networks.conditioning import Codes, Maps, coded
from darkroom.networks.contracts import Inference
from darkroom.networks.gaussian import DiagonalGaussian
from darkroom.networks.pyramid import Pyramid
from darkroom.randomness import Noise

OPTION = "model.network"
TOP = (1, 1)  # the size of the highest maps
LARGEST_LOG_SIGMA = 5.0  # and its negative the smallest

Size = tuple[int, int]  # height and width of maps
# of one block; sizes differ from block to block
Rung = Float[Tensor, "batch latent_channels _ _"]
Seen = Float[Tensor, "batch features _ _"]


class HierarchicalVAE(nn.Module):
    """Residual blocks up to a single position, and stochastic blocks down to the image.

        z_l = mu_p + sigma_p u_l,    p(u_l) = N(0, I)
        q(u_l | x) = N((mu_q - mu_p) / sigma_p, (sigma_q / sigma_p)^2)

    where mu_p and sigma_p follow from what is above, and mu_q and sigma_q from that and the image.
    The model's latents are all u_l, from the top down: their prior is N(0, I) exactly. New
    coordinates change no divergence, so the rates are KL(q(z_l | ...) || p(z_l | ...)), and there
    is one for each stochastic block.

    At 32x32x1 with the defaults: 618,564 parameters, 5,392 latents.

    Args:
        resolution: Side of the image in pixels, or height and width; at least 16.
        channels: Channels of the image, 1 to 4.
        width: Channels of all maps; a block computes with half as many.
        latent_channels: Latents of a block at each position.
        blocks: Stochastic blocks of each level, or one number for each level, from the top down.
            The levels have a single position; then 4 to 8 along the image's shorter side; then
            twice as many, and so on, until a position is `stride` pixels wide.
        stride: Pixels along a side of the lowest level's positions: 1, 2 or 4. With 1 the ladder
            ends at the pixels, as the source's does.
        parameters_per_value: Numbers that the likelihood wants to know of each value.
        num_classes: Classes that the ladder's top is told of; 0 for images without classes.

    Raises:
        ValueError: If the network cannot be made, or if it draws classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        width: int = 64,
        latent_channels: int = 8,
        blocks: int | Sequence[int] = 2,
        stride: int = 2,
        parameters_per_value: int = 1,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        pyramid = Pyramid(OPTION, resolution, channels, width)
        sizes = _sizes(pyramid, blocks, stride)
        if width % 2:
            raise ValueError(f"{OPTION}.width={width}: type an even number, such as 64.")
        if latent_channels < 1:
            raise ValueError(
                f"{OPTION}.latent_channels={latent_channels}: type a number from 1 on, such as 8."
            )
        self.num_classes, self.parameters_per_value = num_classes, parameters_per_value
        self.shapes = [(latent_channels, *size) for size in sizes]
        self.latent_dim = sum(math.prod(shape) for shape in self.shapes)
        self.crop = pyramid.crop
        stem = nn.Sequential(
            nn.ZeroPad2d(pyramid.margins),
            nn.PixelUnshuffle(stride),
            nn.Conv2d(channels * stride**2, width, 3, padding=1),
        )
        self.encoder = _Encoder(stem, width, sizes)
        self.start = nn.Parameter(nn.init.normal_(torch.empty(width)))
        self.code = coded(width, num_classes)
        self.ladder = _Ladder(self.code.length, width, latent_channels, sizes)
        self.image = nn.Sequential(
            nn.Conv2d(width, channels * parameters_per_value * stride**2, 3, padding=1),
            nn.PixelShuffle(stride),
        )

    def infer(self, images: Images, noise: Noise, labels: Labels | None = None) -> Inference:
        return self._inferred(images, noise.normal(self.latent_dim).to(images.dtype), labels)

    def encode(self, images: Images, labels: Labels | None = None) -> Latents:
        """The means of the posteriors, each given the means above it."""
        no_noise = images.new_zeros(len(images), self.latent_dim)
        return self._inferred(images, no_noise, labels).latents

    def decode(self, latents: Latents, labels: Labels | None = None) -> Tensor:
        """The likelihood's parameters, [batch, channels * parameters_per_value, height, width]."""
        codes = self._codes(len(latents), labels)
        return self._drawn(self.ladder.drawn(codes, self._rungs(latents)))

    def _inferred(self, images: Images, eps: Latents, labels: Labels | None) -> Inference:
        codes = self._codes(len(images), labels)
        maps, rungs, rates, log_ratios = self.ladder(codes, self._rungs(eps), self.encoder(images))
        latents = torch.cat([u.flatten(1) for u in rungs], dim=1)
        return Inference(self._drawn(maps), latents, tuple(rates), tuple(log_ratios))

    def _codes(self, batch: int, labels: Labels | None) -> Codes:
        return self.code(self.start.expand(batch, -1), labels)

    def _rungs(self, latents: Latents) -> list[Rung]:
        parts = latents.split([math.prod(shape) for shape in self.shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def _drawn(self, maps: Maps) -> Tensor:
        return self.image(maps)[:, :, *self.crop]


class _Encoder(nn.Module):
    """Images to what each stochastic block sees of them, from the top down."""

    def __init__(self, stem: nn.Module, width: int, sizes: Sequence[Size]) -> None:
        super().__init__()
        self.stem = stem
        self.blocks = nn.ModuleList(
            nn.Sequential(_resized(width, below, size), _Residual(width, size, len(sizes)))
            for below, size in pairwise([sizes[-1], *reversed(sizes)])
        )

    def forward(self, images: Images) -> list[Seen]:
        maps, seen = self.stem(images), []
        for block in self.blocks:
            maps = block(maps)
            seen.append(maps)
        return seen[::-1]


class _Ladder(nn.Module):
    """The stochastic blocks, from the top down."""

    def __init__(
        self, code_length: int, width: int, latent_channels: int, sizes: Sequence[Size]
    ) -> None:
        super().__init__()
        self.top = nn.Sequential(nn.Linear(code_length, width), nn.Unflatten(1, (width, *TOP)))
        self.blocks = nn.ModuleList(
            _Stochastic(_resized(width, above, size), width, latent_channels, size, len(sizes))
            for above, size in pairwise([TOP, *sizes])
        )

    @property
    def stochastic(self) -> Sequence["_Stochastic"]:
        return cast(Sequence[_Stochastic], self.blocks)

    def forward(
        self, codes: Codes, eps: Sequence[Rung], seen: Sequence[Seen]
    ) -> tuple[Maps, list[Rung], list[PerImage], list[PerImage]]:
        """Samples of the posteriors.

        Returns:
            The lowest maps; and of each block the latents, the rate and the log ratio.
        """
        maps = self.top(codes)
        rungs, rates, log_ratios = [], [], []
        for block, noise, features in zip(self.stochastic, eps, seen, strict=True):
            prior = block.prior_of(maps)
            q = block.posterior(prior, features)
            u = q.sample(noise)
            maps = block(prior, u)
            rungs.append(u)
            rates.append(q.rate())
            log_ratios.append(q.log_ratio(noise))
        return maps, rungs, rates, log_ratios

    def drawn(self, codes: Codes, rungs: Sequence[Rung]) -> Maps:
        """The lowest maps of given latents."""
        maps = self.top(codes)
        for block, u in zip(self.stochastic, rungs, strict=True):
            maps = block(block.prior_of(maps), u)
        return maps


class _Prior(NamedTuple):
    """What a stochastic block expects, before it is told its latents.

    Attributes:
        maps: From above, in the block's size.
        mu: Means of z.
        log_sigma: Logarithms of its standard deviations.
        change: What is added to the maps whatever z is.
    """

    maps: Maps
    mu: Rung
    log_sigma: Rung
    change: Maps


class _Stochastic(nn.Module):
    """Maps from above, with this block's latents worked in (section 3.1 of VDVAE)."""

    def __init__(
        self, resized: nn.Module, width: int, latent_channels: int, size: Size, blocks: int
    ) -> None:
        super().__init__()
        self.resized = resized
        self.parts = [latent_channels, latent_channels, width]
        self.expectation = _branch(width, width // 2, sum(self.parts), size, 0.0)
        self.conclusion = _branch(2 * width, width // 2, 2 * latent_channels, size, 1.0)
        self.projection = nn.Conv2d(latent_channels, width, 1)
        self.projection.weight.data *= blocks**-0.5
        self.residual = _Residual(width, size, blocks)

    def prior_of(self, maps: Maps) -> _Prior:
        maps = self.resized(maps)
        mu, log_sigma, change = self.expectation(maps).split(self.parts, dim=1)
        return _Prior(maps, mu, _bounded(log_sigma), change)

    def posterior(self, prior: _Prior, features: Maps) -> DiagonalGaussian:
        """q(u|x), in the coordinates in which the prior is N(0, I)."""
        seen = self.conclusion(torch.cat([prior.maps, features], dim=1))
        mu, log_sigma = seen.chunk(2, dim=1)
        return DiagonalGaussian(
            (mu - prior.mu) * (-prior.log_sigma).exp(), 2 * (_bounded(log_sigma) - prior.log_sigma)
        )

    def forward(self, prior: _Prior, u: Rung) -> Maps:
        z = prior.mu + prior.log_sigma.exp() * u
        return self.residual(prior.maps + prior.change + self.projection(z))


class _Residual(nn.Module):
    """x + f(x), which changes little at first, and the less the more blocks there are."""

    def __init__(self, width: int, size: Size, blocks: int) -> None:
        super().__init__()
        self.branch = _branch(width, width // 2, width, size, blocks**-0.5)

    def forward(self, maps: Maps) -> Maps:
        return maps + self.branch(maps)


def _branch(width: int, narrow: int, wanted: int, size: Size, gain: float) -> nn.Sequential:
    """A bottleneck: the last convolution begins with `gain` times torch's weights, and no bias."""
    side = 1 if size == TOP else 3  # a single position has no neighbours
    last = nn.Conv2d(narrow, wanted, 1)
    last.weight.data *= gain
    nn.init.zeros_(last.get_parameter("bias"))
    return nn.Sequential(
        nn.SiLU(),
        nn.Conv2d(width, narrow, 1),
        nn.SiLU(),
        nn.Conv2d(narrow, narrow, side, padding="same"),
        nn.SiLU(),
        nn.Conv2d(narrow, narrow, side, padding="same"),
        nn.SiLU(),
        last,
    )


def _resized(width: int, size: Size, wanted: Size) -> nn.Module:
    """Maps in another size: by a learned map of each channel to and from a single position."""
    if size == wanted:
        return nn.Identity()
    if wanted == TOP:
        return nn.Conv2d(width, width, size, groups=width)
    if size == TOP:
        layer = nn.ConvTranspose2d(width, width, wanted, groups=width)
        nn.init.normal_(layer.weight)
        return layer
    return nn.Upsample(scale_factor=2) if wanted > size else nn.AvgPool2d(2)


def _bounded(log_sigma: Tensor) -> Tensor:
    """Softly within -5..5, as in NVAE, so that no exponential overflows and none has no slope."""
    return LARGEST_LOG_SIGMA * torch.tanh(log_sigma / LARGEST_LOG_SIGMA)


def _sizes(pyramid: Pyramid, blocks: int | Sequence[int], stride: int) -> list[Size]:
    """Height and width of each stochastic block's maps, from the top down."""
    if stride not in (1, 2, 4):
        raise ValueError(f"{OPTION}.stride={stride}: type 1, 2 or 4 pixels.")
    rows, columns = pyramid.smallest
    doublings = range(pyramid.depth - int(math.log2(stride)) + 1)
    levels = [TOP, *((rows * 2**times, columns * 2**times) for times in doublings)]
    numbers = [blocks] * len(levels) if isinstance(blocks, int) else [*blocks]
    if len(numbers) != len(levels) or min(numbers) < 1:
        sizes = ", ".join(f"{rows}x{columns}" for rows, columns in levels)
        raise ValueError(
            f"{OPTION}.blocks={blocks}: type one number from 1 on, or {len(levels)} of them, for "
            f"the levels {sizes}."
        )
    return [size for size, number in zip(levels, numbers, strict=True) for _ in range(number)]
