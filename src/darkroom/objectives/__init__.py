"""What is minimised: pure functions, one number per image."""

from darkroom.objectives.adversarial import Adversarial, MinMax, NonSaturating
from darkroom.objectives.elbo import ELBO, Bound, bits_per_dim, importance_weighted
from darkroom.objectives.likelihoods import Bernoulli, Gaussian, Likelihood

__all__ = [
    "ELBO",
    "Adversarial",
    "Bernoulli",
    "Bound",
    "Gaussian",
    "Likelihood",
    "MinMax",
    "NonSaturating",
    "bits_per_dim",
    "importance_weighted",
]
