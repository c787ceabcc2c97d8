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


def test_the_ratio_at_a_sample_is_that_of_the_two_densities():
    eps = torch.randn(MU.shape, generator=torch.Generator().manual_seed(1), dtype=MU.dtype)
    q = DiagonalGaussian(MU, LOGVAR)
    z = q.sample(eps)
    torch.testing.assert_close(q.log_ratio(eps), Q.log_prob(z) - PRIOR.log_prob(z))


def test_the_ratio_is_precise_where_the_posterior_is_narrow():
    eps = torch.linspace(-2, 2, 9)[:, None]
    mu, logvar = torch.full_like(eps, 3.0), torch.full_like(eps, -26.0)
    single = DiagonalGaussian(mu, logvar).log_ratio(eps)
    double = DiagonalGaussian(mu.double(), logvar.double()).log_ratio(eps.double())
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=0)


def test_the_prior_costs_nothing_and_anything_else_something():
    zeros = torch.zeros(2, 4)
    assert DiagonalGaussian(zeros, zeros).rate().tolist() == [0, 0]
    assert (DiagonalGaussian(zeros, zeros + 0.1).rate() > 0).all()


@pytest.mark.parametrize("shape", [(2, 6), (2, 3, 2), (2, 1, 2, 3)])
def test_the_rate_is_one_number_for_each_image_whatever_the_latents_shape(shape):
    rate = DiagonalGaussian(torch.ones(shape), torch.zeros(shape)).rate()
    assert rate.tolist() == [3, 3]


def test_in_the_coordinates_of_another_gaussian_the_rate_is_the_divergence_from_it():
    mu, log_sigma = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    other = Independent(Normal(mu, log_sigma.exp()), 1)
    seen = DiagonalGaussian((MU - mu) / log_sigma.exp(), LOGVAR - 2 * log_sigma)
    torch.testing.assert_close(seen.rate(), kl_divergence(Q, other))
