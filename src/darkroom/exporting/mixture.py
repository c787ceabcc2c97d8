"""A mixture of Gaussians that has learned all it will."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darkroom.images import Labels, Latents
from darkroom.priors import Mixture


class FrozenMixture(nn.Module):
    """The map of `priors.Mixture`, with its Gaussians computed once.

    A mixture computes means and triangles from its running sums at each call, by a Cholesky
    decomposition, which ONNX does not have.

    Args:
        mixture: What has learned.
    """

    means: Tensor
    triangles: Tensor
    ends: Tensor

    def __init__(self, mixture: Mixture) -> None:
        super().__init__()
        means, triangles = mixture.gaussians()
        kinds = torch.arange(len(mixture.counts))
        self.register_buffer("means", means)
        self.register_buffer("triangles", triangles)
        self.register_buffer("ends", mixture.weights(kinds, len(kinds)).cumsum(1))

    def forward(
        self, noise: Float[Tensor, "batch noise_dim"], labels: Labels | None = None
    ) -> Latents:
        ends = self.ends if labels is None else self.ends[labels]
        chance = 0.5 * (1 + torch.erf(noise[:, :1] / math.sqrt(2)))
        k = (chance > ends[:, :-1]).sum(1)
        return self.means[k] + (self.triangles[k] * noise[:, None, 1:]).sum(2)


def frozen(prior: nn.Module) -> nn.Module:
    """A prior as it can leave the house."""
    return FrozenMixture(prior) if isinstance(prior, Mixture) else prior
