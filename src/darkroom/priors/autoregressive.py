"""A prior over discrete latents: each code is drawn given all the codes before it.

Source: van den Oord et al. 2017 (VQ-VAE), arXiv 1711.00937, section 3.3, for a model of the codes
that is learned apart from them; Radford et al. 2019 (GPT-2) for the transformer.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from darkroom.images import Labels, Latents, PerImage, sides
from darkroom.priors.conditioning import check_classes, told
from darkroom.randomness import Noise

Numbers = Float[Tensor, "batch positions"]  # the noise: one for each code
Codes = Int64[Tensor, "batch positions"]
Tokens = Float[Tensor, "batch positions width"]
CodeLogits = Float[Tensor, "batch positions codes"]
Token = Float[Tensor, "batch width"]
Memory = tuple[
    Tensor, Tensor
]  # a block's keys and values, [batch, heads, positions, width / heads]
Past = list[Memory | None]  # of all blocks

INITIAL_SIGMA = 0.02  # of embeddings (the source's)


class Autoregressive(nn.Module):
    """log p(z) = sum_i log p(z_i | z_1 .. z_(i-1)), by a causal transformer over the codes.

    The codes are those of `networks.VQVAE`: positions in rows from the top, at each a point of the
    grid of `levels`, counted like a number whose digits have these levels.

    Noise becomes codes by inversion, one standard normal number a position: z_i is the code in
    whose interval of the distribution function u_i = Phi(noise_i) lies. So the codes of an image
    depend on its own noise alone, and `noise_of` can answer with the middle of each interval. A
    code is a step of its noise, without a gradient: draw=inversion, which descends in the space of
    noise, finds no way there, and is as good as its candidates and the encoder's answer.

    At 32x32 with the defaults: 1,058,664 parameters.

    Args:
        resolution: Side of the image in pixels, or height and width: the network's.
        levels: Levels of each dimension of a code: the network's.
        downsampling: Side of the square of pixels that one code stands for: the network's.
        width: Length of a token.
        blocks: Blocks of attention.
        heads: Heads of each, which share the width.
        num_classes: Classes that it is told of; 0 for images without classes.

    Raises:
        ValueError: If it cannot be made, or if it knows classes and is not told which.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        levels: Sequence[int] = (8, 5, 5, 5),
        downsampling: int = 4,
        width: int = 128,
        blocks: int = 4,
        heads: int = 4,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        if min(width, blocks, heads) < 1 or width % heads:
            raise ValueError(
                f"model.prior.width={width}, blocks={blocks}, heads={heads}: type numbers from 1 "
                "on, and a width that the heads can share, such as width=128 heads=4."
            )
        check_classes(num_classes)
        self.levels = tuple(levels)
        self.noise_dim = math.prod(-(-side // downsampling) for side in sides(resolution))
        self.latent_dim = self.noise_dim * len(self.levels)
        codes = math.prod(self.levels)
        self.start = _LabelledStart(width, num_classes) if num_classes else _Start(width)
        self.embedding = _embedding(codes, width)
        self.trunk = _Trunk(self.noise_dim, codes, width, blocks, heads)

    @torch.no_grad()
    def forward(self, noise: Numbers, labels: Labels | None = None) -> Latents:
        u = (1 + torch.erf(_precise(noise) / math.sqrt(2))) / 2
        token, past = self.start(len(noise), labels), self.trunk.no_past()
        codes: list[Tensor] = []
        for position in range(self.noise_dim):
            _, upper = _intervals(self.trunk.following(token, position, past))
            below = (upper <= u[:, position, None]).sum(-1)
            codes.append(below.clamp(max=upper.shape[-1] - 1))  # 1.0 may be rounded down
            token = self.embedding(codes[-1])
        return self.latents(torch.stack(codes, 1)).to(noise.dtype)

    @torch.no_grad()
    def noise_of(self, latents: Latents, labels: Labels | None = None) -> Numbers:
        """The middles of the codes' intervals, as normal quantiles.

        Codes less probable than some 1e-7 have intervals that single precision does not tell from
        those beside them.
        """
        codes = self.codes(latents)
        probability, upper = _intervals(self.logits(codes, labels))
        middle = (upper - probability / 2).gather(-1, codes[..., None])[..., 0]
        edge = torch.finfo(middle.dtype).eps
        u = middle.clamp(edge, 1 - edge)
        return (math.sqrt(2) * torch.erfinv(2 * u - 1)).to(latents.dtype)

    def loss(self, latents: Latents, noise: Noise, labels: Labels | None = None) -> PerImage:
        """-log p(z) in nats per image, the length of the codes: a sum, as the bound's terms are."""
        codes = self.codes(latents)
        logits = self.logits(codes, labels).float()
        return F.cross_entropy(logits.transpose(1, 2), codes, reduction="none").sum(1)

    def logits(self, codes: Codes, labels: Labels | None = None) -> CodeLogits:
        """Of each position's codes, given the codes of the positions before it."""
        start = self.start(len(codes), labels)
        return self.trunk(torch.cat([start[:, None], self.embedding(codes[:, :-1])], dim=1))

    def codes(self, latents: Latents) -> Codes:
        """The numbers of the points of the grid; the first dimension counts slowest."""
        y = latents.unflatten(1, (-1, len(self.levels)))
        codes = torch.zeros_like(y[..., 0], dtype=torch.long)
        for dimension, number in enumerate(self.levels):
            digit = ((y[..., dimension].clamp(-1, 1) + 1) / 2 * (number - 1)).round().long()
            codes = codes * number + digit
        return codes

    def latents(self, codes: Codes) -> Latents:
        """The points of the grid of these numbers."""
        digits = []
        for number in reversed(self.levels):
            digits.append((codes % number).float() * 2 / (number - 1) - 1)
            codes = codes // number
        return torch.stack(digits[::-1], dim=-1).flatten(1)


class _Start(nn.Module):
    """The token that stands before the first code."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(nn.init.normal_(torch.empty(width), std=INITIAL_SIGMA))

    def forward(self, batch: int, labels: Labels | None) -> Token:
        return self.token.expand(batch, -1)


class _LabelledStart(nn.Module):
    """The same, one of each class."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = _embedding(num_classes, width)

    def forward(self, batch: int, labels: Labels | None) -> Token:
        return self.embedding(told(labels, self.embedding.num_embeddings))


class _Trunk(nn.Module):
    """Tokens to the logits of what follows them."""

    def __init__(self, positions: int, codes: int, width: int, blocks: int, heads: int) -> None:
        super().__init__()
        self.places = nn.Parameter(
            nn.init.normal_(torch.empty(positions, width), std=INITIAL_SIGMA)
        )
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(blocks))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, codes))

    def forward(self, tokens: Tokens) -> CodeLogits:
        x = tokens + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(x)

    def no_past(self) -> Past:
        """What `following` remembers before the first position."""
        return [None for _ in self.blocks]

    def following(self, token: Token, position: int, past: Past) -> Float[Tensor, "batch codes"]:
        """The logits after one more token, which joins the past."""
        x = token + self.places[position]
        for number, block in enumerate(self.blocks):
            x, past[number] = cast(_Block, block).after(past[number], x)
        return self.head(x)


class _Block(nn.Module):
    """x + attention(x), then x + mlp(x), each with a layer norm in front."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.normed_inputs = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 3 * width))
        self.joined = nn.Linear(width, width)
        self.widened = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width))
        self.narrowed = nn.Linear(4 * width, width)

    def forward(self, x: Tokens) -> Tokens:
        query, key, value = self._inputs(x)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self._outputs(x, seen)

    def after(self, past: Memory | None, x: Token) -> tuple[Token, Memory]:
        """The output of one more token, which looks at all before it, and what is kept of it."""
        query, key, value = self._inputs(x[:, None])
        if past is not None:
            key, value = (torch.cat(pair, dim=2) for pair in zip(past, (key, value), strict=True))
        seen = F.scaled_dot_product_attention(query, key, value)
        return self._outputs(x[:, None], seen)[:, 0], (key, value)

    def _inputs(self, x: Tokens) -> tuple[Tensor, ...]:
        """Queries, keys and values, [batch, heads, positions, part] each."""
        inputs = self.normed_inputs(x).unflatten(-1, (3, self.heads, -1))
        return inputs.permute(2, 0, 3, 1, 4).unbind()

    def _outputs(self, x: Tokens, seen: Tensor) -> Tokens:
        x = x + self.joined(seen.transpose(1, 2).flatten(2))
        return x + self.narrowed(F.gelu(self.widened(x)))


def _embedding(number: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(number, width)
    nn.init.normal_(embedding.weight, std=INITIAL_SIGMA)
    return embedding


def _intervals(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Of each code its probability, and where its interval of the distribution function ends."""
    probability = _precise(logits).softmax(-1)
    return probability, probability.cumsum(-1)


def _precise(values: Tensor) -> Tensor:
    """In double precision, where the device has one: Apple's have not."""
    return values.float() if values.device.type == "mps" else values.double()
