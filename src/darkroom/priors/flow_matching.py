"""Flow matching: latents at the end of a way that begins in noise."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from darkroom.images import Labels, Latents, PerImage
from darkroom.priors.conditioning import check_classes, told
from darkroom.randomness import Noise

Times = Float[Tensor, "batch 1"]  # 0 is noise, 1 is latents
Hidden = Float[Tensor, "batch width"]
PerLatent = Float[Tensor, " latent_dim"]

HALF_LIFE = 5000  # images, of the running moments
LEAST_STD = 1e-3  # of a latent that is always the same


class FlowMatching(nn.Module):
    """An ordinary differential equation carries noise to latents, learnt from straight paths.

        eps ~ N(0, I),  u = (z - mean) / std,  x_t = (1 - t) eps + t u,  t ~ U(0, 1)
        loss = 1/d |v(x_t, t) - (u - eps)|^2
        z = mean + std x_1,  dx = v(x, t) dt from x_0 = noise,    v(x, t) = a(t) x + F(x, t)

    The best v for a given x_t is the mean of u - eps over all pairs that pass there, and its flow
    takes N(0, I) to the distribution of u. F is a network that begins as 0, and a(t) is the
    best v if u is N(0, I). So the prior begins as the normal distribution with the latents' own
    means and standard deviations, and the network learns only how they differ from that.

    The moments are running ones, of the training batches. A bound with beta = 1 leaves latents of
    about unit variance; with a far smaller beta they may be tens wide or off the centre, and noise
    and latents on such unequal scales would leave the network to do sums. On several devices each
    has to be shown the latents of all.

    Args:
        latent_dim: Length of the latents.
        width: Width of the network.
        blocks: Its residual blocks.
        steps: Of the midpoint method, from noise to latents; the network is asked twice in each.
        num_classes: Classes that it is told of; 0 for none.

    Raises:
        ValueError: If an argument makes no sense, or if classes are expected and none come.

    Source: Lipman et al. 2023, arXiv 2210.02747, equations 20 to 23 with sigma_min = 0; Liu et al.
    2023, arXiv 2209.03003, equation 1. A skip in front of the network, in diffusion: Karras et al.
    2022, arXiv 2206.00364, section 5.
    """

    seen: Float[Tensor, ""]
    first: PerLatent
    second: PerLatent

    def __init__(
        self,
        latent_dim: int,
        width: int = 256,
        blocks: int = 3,
        steps: int = 16,
        num_classes: int = 0,
    ) -> None:
        for name, value, usual in (
            ("latent_dim", latent_dim, 64),
            ("width", width, 256),
            ("blocks", blocks, 3),
            ("steps", steps, 16),
        ):
            if value < 1:
                raise ValueError(
                    f"model.prior.{name}={value}: type a number from 1 on, such as {usual}."
                )
        check_classes(num_classes)
        super().__init__()
        self.latent_dim = self.noise_dim = latent_dim
        self.steps = steps
        context = ClassContext(width, num_classes) if num_classes else NoContext()
        self.network = Velocity(latent_dim, width, blocks, context)
        # sums and their weight, not means: they are right from the first batch, also when averaged
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("first", torch.zeros(latent_dim))
        self.register_buffer("second", torch.zeros(latent_dim))

    @property
    def mean(self) -> PerLatent:
        """The latents' running mean; 0 before there were any."""
        return self.first / self._weight()

    @property
    def std(self) -> PerLatent:
        """Their running standard deviation; 1 before there were any."""
        variance = self.second / self._weight() - self.mean**2
        return torch.where(self.seen > 0, variance.clamp(min=LEAST_STD**2).sqrt(), 1.0)

    def forward(self, noise: Latents, labels: Labels | None = None) -> Latents:
        return self.mean + self.std * self._carried(noise, labels, start=0.0, end=1.0)

    def noise_of(self, latents: Latents, labels: Labels | None = None) -> Latents:
        """The same path backwards, which ends beside the noise by the error of its steps."""
        return self._carried((latents - self.mean) / self.std, labels, start=1.0, end=0.0)

    def loss(self, latents: Latents, noise: Noise, labels: Labels | None = None) -> PerImage:
        """The squared error of the velocity, a mean over the latent's numbers.

        A network in training mode takes these latents into its moments first.
        """
        z = latents.to(self.first)
        if self.training:
            self._observe(z.detach())
        eps = noise.normal(self.latent_dim, dtype=z.dtype)
        t = noise.uniform(1).to(z)
        u = (z - self.mean) / self.std
        x_t = (1 - t) * eps + t * u
        return (self._velocity(x_t, t, labels) - (u - eps)).square().mean(1)

    @torch.no_grad()
    def _observe(self, z: Latents) -> None:
        """Takes a batch into the running moments; images that are no numbers are left out."""
        share = 0.5 ** (len(z) / HALF_LIFE)
        is_finite = z.isfinite().all(1, keepdim=True)
        z = torch.where(is_finite, z, 0)
        self.seen.mul_(share).add_(is_finite.sum())
        self.first.mul_(share).add_(z.sum(0))
        self.second.mul_(share).add_(z.square().sum(0))

    def _weight(self) -> Float[Tensor, ""]:
        return torch.where(self.seen > 0, self.seen, 1.0)

    def _velocity(self, x: Latents, t: Times, labels: Labels | None) -> Latents:
        a = (2 * t - 1) / (t**2 + (1 - t) ** 2)  # Cov(u - eps, x_t) / Var(x_t) of u ~ N(0, I)
        return a * x + self.network(x, t, labels)

    def _carried(self, x: Latents, labels: Labels | None, start: float, end: float) -> Latents:
        """Along the flow from one time to another, by the midpoint method."""
        h = (end - start) / self.steps
        for step in range(self.steps):
            t = x.new_full((len(x), 1), start + step * h)
            middle = x + 0.5 * h * self._velocity(x, t, labels)
            x = x + h * self._velocity(middle, t + 0.5 * h, labels)
        return x


class Velocity(nn.Module):
    """Residual blocks on x, told in each of them the time and the class; 0 before it learns."""

    def __init__(
        self, latent_dim: int, width: int, blocks: int, context: "NoContext | ClassContext"
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(latent_dim, width)
        self.time = TimeFeatures()
        self.context = context
        self.blocks = nn.ModuleList(Block(width, self.time.length) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, latent_dim)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Latents, t: Times, labels: Labels | None) -> Latents:
        h, time = self.context(self.enter(x), labels), self.time(t)
        for block in self.blocks:
            h = block(h, time)
        return self.leave(silu(self.norm(h)))


class Block(nn.Module):
    """h + W2 silu(W1 silu(norm(h)) + W3 time)."""

    def __init__(self, width: int, times: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.time = nn.Linear(times, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Hidden, time: Float[Tensor, "batch times"]) -> Hidden:
        inner = self.first(silu(self.norm(h))) + self.time(time)
        return h + self.second(silu(inner))


class TimeFeatures(nn.Module):
    """sin(pi k t) and cos(pi k t) for k = 1 ... 8: no faster than the steps can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 16

    def forward(self, t: Times) -> Float[Tensor, "batch times"]:
        angles = math.pi * t * torch.arange(1, self.length // 2 + 1, device=t.device)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class NoContext(nn.Module):
    """No classes, and nothing of them."""

    def forward(self, h: Hidden, labels: Labels | None) -> Hidden:
        return h


class ClassContext(nn.Module):
    """A learned vector of the class, added to the network's first features.

    Raises:
        ValueError: If it is called without labels.
    """

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes, width)

    def forward(self, h: Hidden, labels: Labels | None) -> Hidden:
        return h + self.embedding(told(labels, self.embedding.num_embeddings))
