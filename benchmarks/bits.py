"""Bits per dimension of any latent model: python -m benchmarks.bits outputs/<date>/<run>.

A Bernoulli on grey values tells none. Its decoder's means are then taken for those of a Gaussian,
whose sigma is the most probable one on training images: the bits that the same weights are worth
as a density of dequantised images. Everything is measured on images that were never trained on.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from darkroom.evaluation.latents import terms_of
from darkroom.evaluation.run import Run
from darkroom.images import Images, PerImage, to_float
from darkroom.objectives import Likelihood, OptimalGaussian, bits_per_dim
from darkroom.systems import VAE

IMAGES = 1000


class AsGaussian(OptimalGaussian):
    """A Gaussian around the means of another likelihood."""

    def __init__(self, other: Likelihood) -> None:
        super().__init__()
        self.other = other
        self.parameters_per_value = other.parameters_per_value

    def log_prob(self, parameters: Tensor, images: Images) -> PerImage:
        return super().log_prob(self.other.mean(parameters), images)


@torch.inference_mode()
def bits(folder: Path) -> float:
    """Bits per value of held-out images, by the bound of one sample."""
    run = Run(folder)
    system = run.saved.system
    assert isinstance(system, VAE), f"{folder} holds no latent model"
    if system.likelihood.level_width is None:
        known = to_float(run.data.training.some(IMAGES))
        gaussian = AsGaussian(system.likelihood)
        gaussian.variance = (system.reconstruct(known) - known).square().mean()
        system.likelihood = system.objective.likelihood = gaussian
    width = system.likelihood.level_width
    assert width is not None, "now it has one"
    unknown = run.data.held_out.specimens(IMAGES)
    terms = terms_of(system, unknown.images, unknown.labels, progress=False)
    nats = terms.distortion + torch.stack(terms.rates).sum(0)
    return float(bits_per_dim(nats.mean(), unknown.images[0].numel(), width))


if __name__ == "__main__":
    for place in sys.argv[1:]:
        print(f"{bits(Path(place)):.3f} bits/dim  {place}")
