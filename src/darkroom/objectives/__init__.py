"""What is minimised: pure functions, one number per image."""

from darkroom.objectives.adversarial import (
    Adversarial,
    Hinge,
    LeastSquares,
    MinMax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from darkroom.objectives.elbo import (
    ELBO,
    Bound,
    ImportanceWeighted,
    Objective,
    bits_per_dim,
    importance_weighted,
)
from darkroom.objectives.likelihoods import (
    Bernoulli,
    Binarised,
    DiscretisedLogistic,
    Gaussian,
    LearnedGaussian,
    Likelihood,
    OptimalGaussian,
)
from darkroom.objectives.penalties import (
    R1,
    R2,
    ApproximateR1,
    ApproximateR2,
    Judged,
    Penalty,
    UnitSlope,
)

__all__ = [
    "ELBO",
    "R1",
    "R2",
    "Adversarial",
    "ApproximateR1",
    "ApproximateR2",
    "Bernoulli",
    "Binarised",
    "Bound",
    "DiscretisedLogistic",
    "Gaussian",
    "Hinge",
    "ImportanceWeighted",
    "Judged",
    "LearnedGaussian",
    "LeastSquares",
    "Likelihood",
    "MinMax",
    "NonSaturating",
    "Objective",
    "OptimalGaussian",
    "Penalty",
    "Relativistic",
    "UnitSlope",
    "Wasserstein",
    "bits_per_dim",
    "importance_weighted",
]
