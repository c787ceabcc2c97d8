"""A mixture of Gaussians, which follows the latents without a gradient."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from darkroom.images import Labels, Latents, PerImage
from darkroom.priors.conditioning import check_classes, told
from darkroom.randomness import Noise

WithChoice = Float[Tensor, "batch noise_dim"]  # the latent's noise behind one number that chooses
Shares = Float[Tensor, "batch components"]  # of each image
Means = Float[Tensor, "components latent_dim"]
Squares = Float[Tensor, "components latent_dim latent_dim"]
Whitened = Float[Tensor, "batch components latent_dim"]  # as seen by each component
Counts = Float[Tensor, "kinds components"]  # kinds: the classes, or one for all images

HALF_LIFE = 100_000  # images, of the running sums: a covariance has many numbers
RAMP_UP = 0.25  # of the images seen: the half-life while there are few
MEAN_IMAGES = 1.0  # as which each component's beginning counts for its mean and its weight
LEAST_STD = 1e-3  # of a latent that is always the same
ROUNDING = 1e-5  # of the squares: what a difference of two of them may be wrong by


class Mixture(nn.Module):
    """A sum of Gaussians with full covariances, by online expectation-maximisation.

        p(z) = sum_k w_k N(z; mu_k, L_k L_k^T)
        r_k = w_k N(z; mu_k, L_k L_k^T) / p(z)
        s0_k <- q s0_k + sum r_k,    s1_k <- q s1_k + sum r_k z,    s2_k <- q s2_k + sum r_k z z^T

    Each batch in training mode gives its images to the components by their responsibility r; the
    running sums, which halve in 100,000 images, then say w, mu and L. No gradient takes part. In
    the beginning the half-life is a quarter of the images seen, so that a young encoder's latents
    are forgotten.

    A component also counts images that were never there: one at its starting point for mean and
    weight, and latent_dim + 2 for its covariance, of the latents' overall covariance shrunk by
    components^(-2 / latent_dim), which would fill the same volume together. So a component without
    images stays where it can find some, and every covariance can be inverted. The starting points
    are normal draws with the latents' overall mean and covariance.

    The first number of the noise chooses the component, by w_1, w_1 + w_2, ... against its normal
    distribution function; the others are eps in z = mu_k + L_k eps. So z jumps along the first
    number and is linear along the others. A class has weights of its own, while means and
    covariances are shared.

    On several devices each has to be shown the latents of all.

    Args:
        latent_dim: Length of the latents.
        components: How many Gaussians.
        num_classes: Classes that have their own weights; 0 for none.

    Raises:
        ValueError: If an argument makes no sense, or if classes are expected and none come.

    Source: Cappe and Moulines 2009, arXiv 0712.4273, section 2.3, with a forgetting of constant
    half-life; Fraley and Raftery 2007, "Bayesian regularization for normal mixture estimation and
    model-based clustering", section 2, for the images that were never there.
    """

    start: Means
    images_seen: Int64[Tensor, ""]
    counts: Counts
    sums: Means
    squares: Squares

    def __init__(self, latent_dim: int, components: int = 64, num_classes: int = 0) -> None:
        for name, value, usual in (("latent_dim", latent_dim, 64), ("components", components, 64)):
            if value < 1:
                raise ValueError(
                    f"model.prior.{name}={value}: type a number from 1 on, such as {usual}."
                )
        check_classes(num_classes)
        super().__init__()
        self.latent_dim = latent_dim
        self.noise_dim = 1 + latent_dim
        self.kinds = Classes(num_classes) if num_classes else OneKind()
        self.register_buffer("start", nn.init.normal_(torch.empty(components, latent_dim)))
        self.register_buffer("images_seen", torch.tensor(0))
        self.register_buffer("counts", torch.zeros(max(num_classes, 1), components))
        self.register_buffer("sums", torch.zeros(components, latent_dim))
        self.register_buffer("squares", torch.zeros(components, latent_dim, latent_dim))

    def forward(self, noise: WithChoice, labels: Labels | None = None) -> Latents:
        mu, lower = self.gaussians()
        ends = self.weights(labels, len(noise)).cumsum(1)
        chance = 0.5 * (1 + torch.erf(noise[:, :1] / math.sqrt(2)))
        k = (chance > ends[:, :-1]).sum(1)
        return mu[k] + (lower[k] * noise[:, None, 1:]).sum(2)

    def noise_of(self, latents: Latents, labels: Labels | None = None) -> WithChoice:
        """The noise of the most responsible component; the choice is the middle of its interval."""
        mu, lower = self.gaussians()
        weights = self.weights(labels, len(latents))
        eps = _whitened(latents, mu, lower)
        k = (weights.log() + _log_density(eps, lower)).argmax(1)
        ends, rows = weights.cumsum(1), torch.arange(len(latents), device=latents.device)
        tiny = torch.finfo(ends.dtype).eps
        middle = (ends - 0.5 * weights)[rows, k].clamp(tiny, 1 - tiny)
        choice = math.sqrt(2) * torch.erfinv(2 * middle - 1)
        return torch.cat([choice[:, None], eps[rows, k]], dim=1)

    @torch.no_grad()
    def loss(self, latents: Latents, noise: Noise, labels: Labels | None = None) -> PerImage:
        """-log p(z) in nats, without gradient, by what had been learnt before this batch.

        In training mode the sums then take these latents in; images that are no numbers are left
        out.
        """
        z = latents.to(self.sums)
        mu, lower = self.gaussians()
        weights = self.weights(labels, len(z))
        joint = weights.log() + _log_density(_whitened(z, mu, lower), lower)
        if self.training:
            is_finite = z.isfinite().all(1, keepdim=True)
            r = torch.where(is_finite, joint.softmax(1), 0)
            self._take_in(torch.where(is_finite, z, 0), r, labels)
        return -joint.logsumexp(1)

    def weights(self, labels: Labels | None, images: int) -> Shares:
        """How often each component occurs among images like these."""
        n = self.counts + MEAN_IMAGES
        shares = n / n.sum(1, keepdim=True)
        return shares[self.kinds(labels, images, self.counts.device)]

    def gaussians(self) -> tuple[Means, Squares]:
        """Means mu and lower triangles L of the components."""
        components, d = self.sums.shape
        n = self.counts.sum(0)
        overall_mean, overall = self._overall()
        start = overall_mean + (_triangle(overall) * self.start[:, None]).sum(2)
        mu = (self.sums + MEAN_IMAGES * start) / (n + MEAN_IMAGES)[:, None]
        usual = overall * components ** (-2 / d)
        scatter = self.squares - _outer(self.sums) / _not_zero(n)[:, None, None]
        prior = d + 2
        covariances = (scatter + prior * usual) / (n + prior)[:, None, None]
        return mu, _triangle(covariances + self._least())

    def _overall(self) -> tuple[Float[Tensor, " latent_dim"], Float[Tensor, "latent_dim columns"]]:
        """Mean and covariance of all latents; 0 and 1 before there were any."""
        n = self.counts.sum()
        mean = self.sums.sum(0) / _not_zero(n)
        covariance = self.squares.sum(0) / _not_zero(n) - _outer(mean) + self._least()
        return mean, torch.where(n > 0, covariance, torch.eye(self.latent_dim).to(mean))

    def _least(self) -> Float[Tensor, "latent_dim columns"]:
        """What every covariance has at least, so that no rounding makes it a negative one."""
        squares = self.squares.sum(0).diagonal() / _not_zero(self.counts.sum())
        return (LEAST_STD**2 + ROUNDING * squares.amax()) * torch.eye(len(squares)).to(squares)

    def _take_in(self, z: Latents, r: Shares, labels: Labels | None) -> None:
        """The sums of this batch, and what is left of those before."""
        self.images_seen.add_(len(z))
        half_life = (RAMP_UP * self.images_seen).clamp(max=HALF_LIFE)
        q = 0.5 ** (len(z) / half_life)
        kinds = self.kinds(labels, len(z), z.device)
        with torch.autocast(z.device.type, enabled=False):  # sums need all their digits
            self.counts.mul_(q).index_add_(0, kinds, r)
            self.sums.mul_(q).add_(r.T @ z)
            self.squares.mul_(q).add_(torch.einsum("bk, bi, bj -> kij", r, z, z))


class OneKind(nn.Module):
    """No classes: all images count alike."""

    def forward(self, labels: Labels | None, images: int, device: torch.device) -> Labels:
        return torch.zeros(images, dtype=torch.int64, device=device)


class Classes(nn.Module):
    """Each image counts for its class.

    Raises:
        ValueError: If it is called without labels.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, labels: Labels | None, images: int, device: torch.device) -> Labels:
        return told(labels, self.num_classes)


def _whitened(
    z: Latents, mu: Means, lower: Squares
) -> Float[Tensor, "batch components latent_dim"]:
    """L_k^-1 (z - mu_k) of each component."""
    columns = (z[:, None] - mu).permute(1, 2, 0)
    return torch.linalg.solve_triangular(lower, columns, upper=False).permute(2, 0, 1)


def _log_density(eps: Whitened, lower: Squares) -> Shares:
    """Log N(z; mu_k, L_k L_k^T) in nats, of the whitened z."""
    volume = lower.diagonal(dim1=1, dim2=2).log().sum(1)
    return -0.5 * eps.square().sum(2) - volume - 0.5 * eps.shape[2] * math.log(2 * math.pi)


def _triangle(covariances: Tensor) -> Tensor:
    """L of L L^T, without a look at the device; the diagonal alone where rounding left no L."""
    lower, failures = torch.linalg.cholesky_ex(covariances)
    variances = covariances.diagonal(dim1=-2, dim2=-1).clamp(min=LEAST_STD**2)
    return torch.where((failures == 0)[..., None, None], lower, variances.sqrt().diag_embed())


def _outer(x: Tensor) -> Tensor:
    return x[..., :, None] * x[..., None, :]


def _not_zero(n: Tensor) -> Tensor:
    return torch.where(n > 0, n, 1.0)
