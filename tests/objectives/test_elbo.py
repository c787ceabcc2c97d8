import math

import pytest
import torch
from torch.distributions import Normal

from darkroom.networks.gaussian import DiagonalGaussian
from darkroom.objectives import (
    ELBO,
    Bernoulli,
    Gaussian,
    ImportanceWeighted,
    bits_per_dim,
    importance_weighted,
)
from darkroom.schedules import Linear

IMAGES = torch.tensor([[-1.0, 1.0], [0.5, 0.0]]).reshape(2, 1, 1, 2)
PARAMETERS = torch.tensor([[0.0, 2.0], [-1.0, 0.3]]).reshape(2, 1, 1, 2)
RATES = (torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.25]))
RATIOS = (torch.tensor([1.5, 1.0]), torch.tensor([0.25, -0.5]))


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(0.3)])
def test_the_loss_is_distortion_and_beta_times_the_rate_of_all_levels(likelihood, beta):
    objective = ELBO(likelihood, beta)
    bound = objective.bound(IMAGES, PARAMETERS, RATES, RATIOS)
    torch.testing.assert_close(bound.distortion, -likelihood.log_prob(PARAMETERS, IMAGES))
    torch.testing.assert_close(bound.rate, torch.tensor([1.5, 2.25]))
    torch.testing.assert_close(objective.loss(bound), bound.distortion + beta * bound.rate)
    assert bound.rates == RATES


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_the_weight_is_of_the_very_sample_whatever_beta(beta):
    extra = {"commitment": torch.tensor([3.0, 0.0])}
    bound = ELBO(beta=beta).bound(IMAGES, PARAMETERS, RATES, RATIOS, extra)
    expected = Bernoulli().log_prob(PARAMETERS, IMAGES) - torch.tensor([1.75, 0.5])
    torch.testing.assert_close(bound.log_weight, expected)


def test_auxiliary_terms_join_the_loss_alone_and_beta_never_the_bound():
    plain = ELBO().bound(IMAGES, PARAMETERS, RATES, RATIOS)
    extra = {"commitment": torch.tensor([3.0, 0.0]), "codes": torch.tensor([0.0, 5.0])}
    bound = ELBO(beta=4).bound(IMAGES, PARAMETERS, RATES, RATIOS, extra)
    torch.testing.assert_close(bound.negative_elbo, plain.negative_elbo)
    expected = ELBO().loss(plain) + 3 * plain.rate + torch.tensor([3.0, 5.0])
    torch.testing.assert_close(ELBO(beta=4).loss(bound), expected)


def test_a_negative_beta_is_refused():
    with pytest.raises(ValueError, match=r"beta=-0\.5 .*Type beta=1"):
        ELBO(beta=-0.5)
    with pytest.raises(ValueError, match="Type beta=1"):
        ELBO(beta=Linear(-1.0, 1.0, of=100))


def test_beta_follows_the_clock():
    warmed = ELBO(beta=Linear(0.0, 4.0, of=100, share=0.5))
    bound = warmed.bound(IMAGES, PARAMETERS, RATES, RATIOS)
    for images_seen, beta in ((0, 0.0), (25, 2.0), (50, 4.0), (1000, 4.0)):
        expected = ELBO(beta=beta).loss(bound)
        torch.testing.assert_close(warmed.loss(bound, images_seen), expected)
    assert warmed.settings() == {"beta": warmed.beta}
    assert (warmed.samples, ImportanceWeighted().settings()) == (1, {})


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_each_level_and_image_has_its_free_nats_and_pays_for_the_rest(beta):
    objective = ELBO(beta=beta, free_nats=0.75)
    rates = tuple(rate.clone().requires_grad_() for rate in RATES)  # 1, 2 and 0.5, 0.25
    bound = objective.bound(IMAGES, PARAMETERS, rates, RATIOS)
    loss = objective.loss(bound)
    charged = torch.tensor([1.0 + 0.75, 2.0 + 0.75])
    torch.testing.assert_close(loss, bound.distortion + beta * charged)
    torch.testing.assert_close(bound.negative_elbo, bound.distortion + torch.tensor([1.5, 2.25]))
    loss.sum().backward()
    assert [rate.grad.tolist() for rate in rates] == [[beta, beta], [0, 0]]


def test_negative_free_nats_are_refused():
    with pytest.raises(ValueError, match=r"free_nats=-1: type .* such as 1, or 0 for none"):
        ELBO(free_nats=-1)


def samples_of(k, images=3):
    """Terms of k samples of each image, those of an image after one another, with gradients."""
    draws = torch.Generator().manual_seed(k)
    rows = images * k
    x = torch.randint(0, 2, (images, 1, 2, 2), generator=draws).double().repeat_interleave(k, 0)
    parameters = torch.randn(rows, 1, 2, 2, generator=draws, dtype=torch.float64)
    ratios = torch.randn(2, rows, generator=draws, dtype=torch.float64)
    extra = torch.rand(rows, generator=draws, dtype=torch.float64)
    return x, parameters.requires_grad_(), ratios.requires_grad_(), extra.requires_grad_()


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_loss_of_k_samples_is_that_of_their_mean_weight_for_each_image(k):
    objective = ImportanceWeighted(Gaussian(0.7), samples=k)
    assert objective.samples == k
    x, parameters, ratios, extra = leaves = samples_of(k)
    unused = (torch.full((len(x),), 99.0),)
    bound = objective.bound(x, parameters, unused, tuple(ratios), {"commitment": extra})
    loss = objective.loss(bound)

    log_p = Normal(parameters, 0.7).log_prob(x).sum((1, 2, 3))
    w = (log_p - ratios.sum(0)).exp()
    rows = [range(image * k, image * k + k) for image in range(3)]
    expected = torch.stack([-w[r].mean().log() + extra[r].mean() for r in map(list, rows)])
    torch.testing.assert_close(loss, expected)
    if k == 1:
        torch.testing.assert_close(loss, -bound.log_weight + extra)
    for got, wanted in zip(
        torch.autograd.grad(loss.sum(), leaves[1:]),
        torch.autograd.grad(expected.sum(), leaves[1:]),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("samples", [0, -2])
def test_a_bound_without_samples_is_refused(samples):
    with pytest.raises(ValueError, match=rf"samples={samples}: type a number from 1 on"):
        ImportanceWeighted(samples=samples)


def test_more_samples_close_the_gap_to_the_evidence():
    # as above: p(z) = N(0, 1), p(x|z) = N(z, sigma^2), and a posterior that is moved and too wide
    x, sigma, n = 0.8, 0.5, 1 << 18
    eps = torch.randn(n, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    variance = sigma**2 / (1 + sigma**2)
    mu = torch.full((n, 1), x / (1 + sigma**2) + 0.3, dtype=torch.float64)
    q = DiagonalGaussian(mu, torch.full_like(mu, math.log(1.5 * variance)))
    images, means = (t.reshape(n, 1, 1, 1) for t in (torch.full_like(mu, x), q.sample(eps)))
    evidence = Normal(0.0, math.sqrt(1 + sigma**2)).log_prob(torch.tensor(x)).item()
    lost = {}  # nats
    for k in (1, 4, 64, 1024):
        objective = ImportanceWeighted(Gaussian(sigma), samples=k)
        bound = objective.bound(images, means, (q.rate(),), (q.log_ratio(eps),))
        lost[k] = objective.loss(bound).mean().item() + evidence
    divergence = 0.3**2 / (2 * variance) + (1.5 - 1 - math.log(1.5)) / 2
    assert lost[1] == pytest.approx(divergence, abs=0.005)
    assert lost[4] < lost[1] / 4
    assert lost[64] < lost[4] / 4
    assert abs(lost[1024]) < 0.003


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
    bound = ELBO(Gaussian(sigma)).bound(images, means, (q.rate(),), (q.log_ratio(eps),))
    negative_elbo = bound.negative_elbo.mean().item()
    evidence = Normal(0.0, math.sqrt(1 + sigma**2)).log_prob(torch.tensor(x)).item()
    gap = shift**2 / (2 * variance)  # the divergence from the true posterior
    assert negative_elbo == pytest.approx(-evidence + gap, abs=1e-3)
    assert tight == (gap == 0)
    several = importance_weighted(bound.log_weight[:, None]).item()
    assert several == pytest.approx(evidence, abs=1e-3)  # with all of them as one sample of k
    if tight:  # then each single weight is the evidence
        torch.testing.assert_close(bound.log_weight, torch.full((n,), evidence).double())


def test_the_bound_of_k_samples_is_the_logarithm_of_their_mean_weight():
    log_weights = torch.tensor([[-1.0, 0.5], [-3.0, 0.5], [-0.2, 2.0]])
    torch.testing.assert_close(importance_weighted(log_weights), log_weights.exp().mean(0).log())
    assert torch.equal(importance_weighted(log_weights[:1]), log_weights[0])


def test_weights_that_float_cannot_hold_still_have_a_bound():
    log_weights = torch.tensor([[-5000.0, 3000.0], [-5000.0, 3000.0]])
    torch.testing.assert_close(importance_weighted(log_weights), log_weights[0])


def test_256_equally_probable_values_take_8_bits_each():
    nats = torch.tensor([12 * math.log(256)])
    torch.testing.assert_close(bits_per_dim(nats, 12), torch.tensor([8.0]))


def test_a_density_that_is_uniform_over_256_grey_levels_takes_8_bits_each():
    # 256 levels, 2/255 wide each, on the scale of images
    nats = torch.tensor([12 * math.log(256 * 2 / 255)], dtype=torch.float64)
    bits = bits_per_dim(nats, 12, 2 / 255)
    torch.testing.assert_close(bits, torch.tensor([8.0], dtype=torch.float64))
    told = (nats + 12 * math.log(255 / 2)) / (12 * math.log(2))  # in the words of the literature
    torch.testing.assert_close(bits, told)
