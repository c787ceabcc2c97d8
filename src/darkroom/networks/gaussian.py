"""A latent's posterior: a diagonal Gaussian with its sample and its rate."""

from dataclasses import dataclass

from torch import Tensor

from darkroom.images import PerImage


@dataclass(frozen=True)
class DiagonalGaussian:
    """N(mu, diag(exp(logvar))), both [batch, ...].

    Source: Kingma and Welling 2013, arXiv 1312.6114.
    """

    mu: Tensor
    logvar: Tensor

    def sample(self, eps: Tensor) -> Tensor:
        """Z = mu + exp(logvar / 2) * eps, with eps ~ N(0, I) (section 2.4)."""
        return self.mu + (0.5 * self.logvar).exp() * eps

    def rate(self) -> PerImage:
        """KL(N(mu, exp(logvar)) || N(0, I)) = 1/2 sum(mu^2 + exp(logvar) - 1 - logvar).

        Returns:
            Nats per image, [batch] (appendix B).
        """
        return 0.5 * (self.mu**2 + self.logvar.exp() - 1 - self.logvar).flatten(1).sum(1)

    def log_ratio(self, eps: Tensor) -> PerImage:
        """Log N(z; mu, exp(logvar)) - log N(z; 0, I) = 1/2 sum(z^2 - eps^2 - logvar) at z(eps).

        Its expectation is the rate. (z - mu) / exp(logvar / 2) is eps itself, so that no precision
        is lost where the posterior is narrow.

        Returns:
            Nats per image, [batch].
        """
        return 0.5 * (self.sample(eps) ** 2 - eps**2 - self.logvar).flatten(1).sum(1)
