import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from darkroom.networks.gaussian import DiagonalGaussian

generator = torch.Generator().manual_seed(0)
MU, LOGVAR = 2 * torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
Q = Independent(Normal(MU, (LOGVAR / 2).exp()), 1)
PRIOR = Independent(Normal(torch.zeros_like(MU), torch.ones_like(MU)), 1)


def test_the_rate_is_the_divergence_in_closed_form():
    torch.testing.assert_close(DiagonalGaussian(MU, LOGVAR).rate(), kl_divergence(Q, PRIOR))


def test_the_rate_is_the_mean_of_log_q_over_p_at_samples():
    eps = torch.randn(20_000, 3, 4, generator=torch.Generator().manual_seed(1), dtype=MU.dtype)
    z = DiagonalGaussian(MU, LOGVAR).sample(eps)
    ratios = Q.log_prob(z) - PRIOR.log_prob(z)
    error = ratios.std(0) / len(eps) ** 0.5
    assert ((ratios.mean(0) - DiagonalGaussian(MU, LOGVAR).rate()).abs() < 4 * error).all()


def test_the_prior_costs_nothing_and_anything_else_something():
    zeros = torch.zeros(2, 4)
    assert DiagonalGaussian(zeros, zeros).rate().tolist() == [0, 0]
    assert (DiagonalGaussian(zeros, zeros + 0.1).rate() > 0).all()


@pytest.mark.parametrize("shape", [(2, 6), (2, 3, 2), (2, 1, 2, 3)])
def test_the_rate_is_one_number_for_each_image_whatever_the_latents_shape(shape):
    rate = DiagonalGaussian(torch.ones(shape), torch.zeros(shape)).rate()
    assert rate.tolist() == [3, 3]
