import math

import pytest
import torch
from torch.distributions import Normal

from darkroom.networks.gaussian import DiagonalGaussian
from darkroom.objectives import ELBO, Bernoulli, Gaussian, bits_per_dim

IMAGES = torch.tensor([[-1.0, 1.0], [0.5, 0.0]]).reshape(2, 1, 1, 2)
PARAMETERS = torch.tensor([[0.0, 2.0], [-1.0, 0.3]]).reshape(2, 1, 1, 2)
RATES = (torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.25]))


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(0.3)])
def test_the_loss_is_distortion_and_beta_times_the_rate_of_all_levels(likelihood, beta):
    bound = ELBO(likelihood, beta)(IMAGES, PARAMETERS, RATES)
    torch.testing.assert_close(bound.distortion, -likelihood.log_prob(PARAMETERS, IMAGES))
    torch.testing.assert_close(bound.rate, torch.tensor([1.5, 2.25]))
    torch.testing.assert_close(bound.loss, bound.distortion + beta * bound.rate)


def test_auxiliary_terms_join_the_loss_alone_and_beta_never_the_bound():
    plain = ELBO()(IMAGES, PARAMETERS, RATES)
    extra = {"commitment": torch.tensor([3.0, 0.0]), "codes": torch.tensor([0.0, 5.0])}
    bound = ELBO(beta=4)(IMAGES, PARAMETERS, RATES, extra)
    torch.testing.assert_close(bound.negative_elbo, plain.negative_elbo)
    torch.testing.assert_close(bound.loss, plain.loss + 3 * plain.rate + torch.tensor([3.0, 5.0]))


def test_a_negative_beta_is_refused():
    with pytest.raises(ValueError, match=r"beta=-0\.5 .*Type beta=1"):
        ELBO(beta=-0.5)


@pytest.mark.parametrize(("shift", "tight"), [(0.0, True), (0.3, False)])
def test_the_bound_is_the_evidence_for_the_true_posterior_and_above_it_for_another(shift, tight):
    # p(z) = N(0, 1) and p(x|z) = N(z, sigma^2), so p(x) = N(0, 1 + sigma^2)
    x, sigma, n = 0.8, 0.5, 100_000
    quantiles = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    eps = Normal(0.0, 1.0).icdf(quantiles)[:, None]
    variance = sigma**2 / (1 + sigma**2)
    mu = torch.full((n, 1), x / (1 + sigma**2) + shift, dtype=torch.float64)
    q = DiagonalGaussian(mu, torch.full_like(mu, math.log(variance)))
    images, means = (t.reshape(n, 1, 1, 1) for t in (torch.full_like(mu, x), q.sample(eps)))
    negative_elbo = ELBO(Gaussian(sigma))(images, means, (q.rate(),)).negative_elbo.mean().item()
    evidence = Normal(0.0, math.sqrt(1 + sigma**2)).log_prob(torch.tensor(x)).item()
    gap = shift**2 / (2 * variance)  # the divergence from the true posterior
    assert negative_elbo == pytest.approx(-evidence + gap, abs=1e-3)
    assert tight == (gap == 0)


def test_256_equally_probable_values_take_8_bits_each():
    nats = torch.tensor([12 * math.log(256)])
    torch.testing.assert_close(bits_per_dim(nats, 12), torch.tensor([8.0]))
