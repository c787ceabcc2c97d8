from itertools import product

import pytest
import torch
from torch import distributions

from darkroom.objectives import Bernoulli, Gaussian, Likelihood

generator = torch.Generator().manual_seed(0)
PARAMETERS = torch.randn(5, 3, 4, 4, generator=generator, dtype=torch.float64)
BINARY = (torch.rand(PARAMETERS.shape, generator=generator) < 0.5).double() * 2 - 1


def total(log_prob):
    return log_prob.flatten(1).sum(1)


def test_bernoulli_is_the_distribution_of_black_and_white_images():
    expected = distributions.Bernoulli(logits=PARAMETERS).log_prob((BINARY + 1) / 2)
    torch.testing.assert_close(Bernoulli().log_prob(PARAMETERS, BINARY), total(expected))


def test_the_probabilities_of_all_black_and_white_images_sum_to_one():
    images = torch.tensor(list(product([-1.0, 1.0], repeat=4)), dtype=torch.float64)
    parameters = PARAMETERS[:1, :1, :2, :2].expand(16, 1, 2, 2)
    log_prob = Bernoulli().log_prob(parameters, images.reshape(16, 1, 2, 2))
    assert log_prob.exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("grey", [-0.6, 0.0, 0.4])
def test_the_most_probable_bernoulli_mean_of_a_grey_image_is_that_grey(grey):
    means = torch.linspace(-0.9, 0.9, 19)
    parameters = 2 * means.atanh().reshape(19, 1, 1, 1)
    log_prob = Bernoulli().log_prob(parameters, torch.full_like(parameters, grey))
    assert means[log_prob.argmax()].item() == pytest.approx(grey, abs=1e-6)
    torch.testing.assert_close(Bernoulli().mean(parameters).flatten(), means)


@pytest.mark.parametrize("sigma", [0.05, 0.2, 2.0])
def test_gaussian_is_the_normal_distribution(sigma):
    expected = distributions.Normal(PARAMETERS, sigma).log_prob(BINARY)
    torch.testing.assert_close(Gaussian(sigma).log_prob(PARAMETERS, BINARY), total(expected))


@pytest.mark.parametrize("sigma", [0.05, 0.2, 2.0])
def test_the_gaussian_density_integrates_to_one(sigma):
    x = torch.linspace(-8 * sigma, 8 * sigma, 2001, dtype=torch.float64) + 0.3
    images = x.reshape(-1, 1, 1, 1)
    density = Gaussian(sigma).log_prob(torch.full_like(images, 0.3), images).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(1)


def test_the_gaussian_mean_stays_within_the_range_of_images():
    parameters = torch.tensor([-1.5, -0.5, 0.5, 1.5]).reshape(1, 1, 2, 2)
    assert Gaussian().mean(parameters).flatten().tolist() == [-1, -0.5, 0.5, 1]


@pytest.mark.parametrize("sigma", [0, -0.1])
def test_a_sigma_that_is_not_positive_is_refused(sigma):
    with pytest.raises(ValueError, match=rf"sigma={sigma} must be positive"):
        Gaussian(sigma)


def test_a_likelihood_says_what_its_numbers_mean():
    for likelihood in (Bernoulli(), Gaussian(0.3)):
        assert isinstance(likelihood, Likelihood)
        assert likelihood.note.endswith(".")
    assert Bernoulli().level_width is None
    assert "no bits per dimension" in Bernoulli().note
    assert Gaussian().level_width == 2 / 255
    assert "sigma 0.3" in Gaussian(0.3).note


def test_the_bernoulli_of_grey_values_is_no_density_as_it_says():
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)
    images = (2 * x - 1).reshape(-1, 1, 1, 1)
    density = Bernoulli().log_prob(torch.full_like(images, 2.0), images).exp()
    assert torch.trapezoid(density, x).item() < 0.5
