import math
from itertools import product

import pytest
import torch
from torch import distributions

from darkroom.images import to_float, to_pixels
from darkroom.objectives import (
    Bernoulli,
    Binarised,
    DiscretisedLogistic,
    Gaussian,
    LearnedGaussian,
    Likelihood,
    OptimalGaussian,
)
from darkroom.objectives.likelihoods import LEAST_LOG_SIGMA
from darkroom.randomness import Noise

generator = torch.Generator().manual_seed(0)
PARAMETERS = torch.randn(5, 3, 4, 4, generator=generator, dtype=torch.float64)
BINARY = (torch.rand(PARAMETERS.shape, generator=generator) < 0.5).double() * 2 - 1
LIKELIHOODS = (
    Bernoulli(),
    Gaussian(0.3),
    LearnedGaussian(),
    OptimalGaussian(),
    DiscretisedLogistic(3),
)


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
    for likelihood in LIKELIHOODS:
        assert isinstance(likelihood, Likelihood)
        assert likelihood.note.endswith(".")
    assert Bernoulli().level_width is None
    assert "no bits per dimension" in Bernoulli().note
    for density in (Gaussian(), LearnedGaussian(), OptimalGaussian()):
        assert density.level_width == 2 / 255
        assert "dequantised" in density.note
    assert "sigma 0.3" in Gaussian(0.3).note
    assert "learned sigma" in LearnedGaussian().note
    assert "mean squared error" in OptimalGaussian().note
    assert DiscretisedLogistic().level_width == 1
    assert "mixture of 3" in DiscretisedLogistic(3).note
    numbers = {type(each).__name__: each.parameters_per_value for each in LIKELIHOODS}
    assert numbers.pop("DiscretisedLogistic") == 9
    assert set(numbers.values()) == {1}


def test_the_bernoulli_of_grey_values_is_no_density_as_it_says():
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)
    images = (2 * x - 1).reshape(-1, 1, 1, 1)
    density = Bernoulli().log_prob(torch.full_like(images, 2.0), images).exp()
    assert torch.trapezoid(density, x).item() < 0.5


def optimal(sigma):
    likelihood = OptimalGaussian().double()
    likelihood.variance.fill_(sigma**2)
    return likelihood


@pytest.mark.parametrize("sigma", [0.05, 1.0, 2.0])
@pytest.mark.parametrize("make", [LearnedGaussian, optimal])
def test_gaussians_that_find_their_sigma_are_the_normal_distribution_of_it(make, sigma):
    likelihood = make(sigma)
    assert likelihood.log_sigma().exp().item() == pytest.approx(sigma)
    expected = distributions.Normal(PARAMETERS, sigma).log_prob(BINARY)
    got = likelihood.log_prob(PARAMETERS, BINARY)
    torch.testing.assert_close(got, total(expected), rtol=2e-6, atol=0)
    x = torch.linspace(-8 * sigma, 8 * sigma, 2001, dtype=torch.float64) + 0.3
    images = x.reshape(-1, 1, 1, 1)
    density = likelihood.log_prob(torch.full_like(images, 0.3), images).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(1)
    assert likelihood.mean(3 * torch.ones(1, 1, 1, 1)).item() == 1


def test_the_best_learned_sigma_is_the_root_of_the_mean_squared_error():
    likelihood = LearnedGaussian().double()
    error = (BINARY - PARAMETERS).square().mean()
    optimizer = torch.optim.LBFGS(likelihood.parameters(), line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = -likelihood.log_prob(PARAMETERS, BINARY).mean()
        value.backward()
        return value

    optimizer.step(loss)
    assert likelihood.log_sigma().exp().item() == pytest.approx(error.sqrt().item(), rel=1e-4)


def test_a_learned_sigma_stays_above_the_least_and_finds_its_way_back():
    likelihood = LearnedGaussian()
    with torch.no_grad():
        likelihood.learned.fill_(LEAST_LOG_SIGMA - 5)
    assert likelihood.log_sigma().item() > LEAST_LOG_SIGMA
    assert likelihood.log_sigma().item() == pytest.approx(LEAST_LOG_SIGMA, abs=0.01)
    (-likelihood.log_prob(PARAMETERS, BINARY)).mean().backward()
    assert likelihood.learned.grad.item() < 0  # a step of descent widens it


@pytest.mark.parametrize("sigma", [0, -0.1, 0.001])
def test_a_learned_sigma_that_begins_below_the_least_is_refused(sigma):
    with pytest.raises(ValueError, match=rf"sigma={sigma} must be above 0\.0025\. Type sigma=1"):
        LearnedGaussian(sigma)


def observed(likelihood, errors, images=100, first=0, mean=lambda value: value):
    """Shows batches of images with these squared errors; returns the variance after each."""
    variances = []
    for k, error in enumerate(errors, start=1):
        image = torch.full((2, 1, 2, 2), 0.25)
        parameters = image + math.sqrt(error) * torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        likelihood.observe(parameters, image, first + k * images, mean)
        variances.append(likelihood.variance.item())
    return variances


def test_the_first_batch_replaces_the_initial_error():
    assert observed(OptimalGaussian(), [0.04])[0] == pytest.approx(0.04, rel=1e-4)


def test_the_optimal_sigma_follows_errors_by_its_half_life():
    likelihood = OptimalGaussian(half_life=200)
    observed(likelihood, [0.5], images=10_000)
    half, quarter, *_, last = observed(likelihood, [0.1] * 20, images=200, first=10_000)
    assert half == pytest.approx(0.1 + 0.4 / 2)
    assert quarter == pytest.approx(0.1 + 0.4 / 4)
    assert last == pytest.approx(0.1, rel=1e-4)


def test_the_size_of_batches_does_not_change_the_running_error():
    few, many = OptimalGaussian(half_life=200), OptimalGaussian(half_life=200)
    for each in (few, many):
        observed(each, [0.5], images=10_000)
    (once,) = observed(few, [0.1], images=300, first=10_000)
    *_, often = observed(many, [0.1] * 30, images=10, first=10_000)
    assert once == pytest.approx(often, rel=1e-5)


def test_the_half_life_is_short_while_training_is_young():
    likelihood = OptimalGaussian(half_life=10**9)
    observed(likelihood, [0.5], images=1000)
    (later,) = observed(likelihood, [0.1], images=100, first=1000)
    share = 1 - 0.5 ** (100 / (OptimalGaussian.RAMP_UP * 1100))
    assert later == pytest.approx(0.5 + share * (0.1 - 0.5))


def test_the_running_error_is_that_of_a_stream_and_the_most_probable_variance():
    likelihood = OptimalGaussian(half_life=2000)
    draws = torch.randn(400, 16, 1, 4, 4, generator=generator)
    for k, residuals in enumerate(0.3 * draws, start=1):
        likelihood.observe(torch.zeros_like(residuals), residuals, 16 * k, lambda value: value)
    # the running mean is of some 5000 of 102,400 values: error of sigma^2 about 0.7 %
    assert likelihood.variance.item() == pytest.approx(0.09, rel=0.04)
    images = (0.3 * draws).flatten(0, 1)
    log_prob = [
        each.log_prob(torch.zeros_like(images), images).mean().item()
        for each in (Gaussian(0.27), likelihood, Gaussian(0.33))
    ]
    assert max(log_prob) == log_prob[1]


def test_the_error_is_the_mean_over_all_devices():
    likelihood, seen = OptimalGaussian(), []

    def mean(value):
        seen.append(value.item())
        return (value + 0.08) / 2  # another device's error is 0.08

    assert observed(likelihood, [0.04], mean=mean)[0] == pytest.approx(0.06, rel=1e-4)
    assert seen == pytest.approx([0.04])


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_batch_that_is_not_finite_is_passed_over(broken):
    likelihood = OptimalGaussian(half_life=100)
    observed(likelihood, [0.5], images=1000)
    likelihood.observe(torch.full((1, 1, 2, 2), broken), torch.zeros(1, 1, 2, 2), 1100, torch.clone)
    assert likelihood.variance.item() == pytest.approx(0.5, rel=1e-4)
    (after,) = observed(likelihood, [0.1], first=1100)
    assert 0.1 < after < 0.5


def test_a_restored_sigma_goes_on_by_the_clock_it_had():
    whole, first, second = (OptimalGaussian(half_life=300) for _ in range(3))
    expected = observed(whole, [0.5, 0.3, 0.1])
    observed(first, [0.5, 0.3])
    assert first.state_dict().keys() == {"variance", "_extra_state"}
    second.load_state_dict(first.state_dict())
    assert observed(second, [0.1], first=200) == expected[2:]


def test_exact_copies_do_not_make_the_density_infinite():
    likelihood = OptimalGaussian()
    observed(likelihood, [0.0])
    assert likelihood.log_sigma().item() == LEAST_LOG_SIGMA
    assert likelihood.log_prob(PARAMETERS, PARAMETERS).isfinite().all()


def test_the_optimal_sigma_is_no_weight():
    assert list(OptimalGaussian().parameters()) == []
    parameters = PARAMETERS.clone().requires_grad_()
    likelihood = optimal(0.5)
    loss = -likelihood.log_prob(parameters, BINARY).sum()
    likelihood.observe(parameters.detach(), BINARY, 16, lambda value: value)
    loss.backward()  # though sigma has changed meanwhile
    torch.testing.assert_close(parameters.grad, (PARAMETERS - BINARY) / 0.25)


@pytest.mark.parametrize(("weights", "precision"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_half_precision_is_observed_in_full(weights, precision):
    likelihood = OptimalGaussian().to(weights)
    parameters = torch.full((4, 1, 32, 32), 0.5, dtype=torch.bfloat16)
    likelihood.observe(parameters, torch.zeros(4, 1, 32, 32), 16, lambda value: value)
    assert likelihood.variance.item() == pytest.approx(0.25, rel=1e-3)
    assert likelihood.variance.dtype == weights
    log_prob = likelihood.log_prob(parameters, torch.zeros(4, 1, 32, 32))
    expected = Gaussian(0.5).log_prob(parameters.float(), torch.zeros(4, 1, 32, 32))
    torch.testing.assert_close(log_prob, expected, rtol=precision, atol=0)


@pytest.mark.parametrize("half_life", [0, -3])
def test_a_half_life_that_is_not_positive_is_refused(half_life):
    with pytest.raises(ValueError, match=rf"half_life={half_life}: type a positive number"):
        OptimalGaussian(half_life)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda each: type(each).__name__)
def test_only_densities_are_judged_by_noisy_images(likelihood):
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(20, -1, -1, -1)
    images, numbers = to_float(levels), torch.arange(20)
    noisy = likelihood.dequantised(images, Noise(3, numbers))
    assert likelihood.shown(images, Noise(3, numbers)) is images
    if likelihood.level_width != 2 / 255:
        assert noisy is images
        return
    assert torch.equal(noisy, likelihood.dequantised(images, Noise(3, numbers)))
    torch.testing.assert_close(
        noisy[4:6], likelihood.dequantised(images[4:6], Noise(3, 4 + numbers[:2]))
    )
    assert torch.equal(to_pixels(noisy), levels)
    within = (noisy - images) * 255 / 2
    assert 0.49 < within.abs().max() < 0.5 + 1e-4
    assert within.mean().abs() < 4 / (12 * within.numel()) ** 0.5
    assert len(within[:, 0, 0, 0].unique()) == 20


def test_grey_is_the_share_of_draws_that_are_white():
    greys = to_float(torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16))
    draws = 4000
    images, numbers = greys.expand(draws, -1, -1, -1), torch.arange(draws)
    likelihood = Binarised()
    drawn = likelihood.shown(images, Noise(3, numbers))
    assert set(drawn.unique().tolist()) == {-1, 1}
    share = (greys[0] + 1) / 2
    error = ((drawn == 1).double().mean(0) - share) / (share * (1 - share) / draws + 1e-12).sqrt()
    assert error.flatten()[[0, -1]].tolist() == [0, 0]  # black stays black, and white white
    assert error.abs().max() < 4.5
    assert 0.8 < error.flatten()[1:-1].std() < 1.2
    assert torch.equal(drawn[4:6], likelihood.dequantised(images[4:6], Noise(3, numbers[4:6])))
    assert torch.equal(likelihood.shown(drawn, Noise(4, numbers)), drawn)


LEVELS = to_float(torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1))
SHAPES = [  # logits, mu and log s of mixtures
    [(0.0, 0.3, -2.0)],
    [(0.0, -0.9, -6.9)],
    [(0.0, 1.2, 0.5)],
    [(0.3, -0.5, -4.0), (-1.0, 0.7, -1.0), (2.0, 0.0, -3.0)],
    [(5.0, -1.5, -5.0), (0.0, 0.1, -6.0), (-2.0, 0.99, 3.0)],
]


def parameters_of(shape, values=1, dtype=torch.float32):
    """Of `values` images of one pixel, [values, 3 * components, 1, 1]."""
    numbers = torch.tensor(shape, dtype=dtype).T.reshape(1, -1, 1, 1)
    return numbers.expand(values, -1, -1, -1)


def by_definition(parameters):
    """The probabilities of all levels as differences of sigmoids, [256], for one value."""
    logits, mu, log_s = parameters.double().flatten().chunk(3)
    edges = (torch.arange(1, 256).double() - 0.5) / 127.5 - 1
    below = torch.sigmoid((edges[:, None] - mu) / log_s.exp())
    ends = torch.zeros_like(mu)[None], torch.ones_like(mu)[None]
    return torch.cat([ends[0], below, ends[1]]).diff(dim=0) @ logits.softmax(0)


@pytest.mark.parametrize("shape", SHAPES)
def test_discretised_logistics_are_differences_of_sigmoids(shape):
    parameters = parameters_of(shape)
    expected = by_definition(parameters)
    log_p = DiscretisedLogistic(len(shape)).log_prob(parameters.expand(256, -1, -1, -1), LEVELS)
    torch.testing.assert_close(log_p.double().exp(), expected, rtol=1e-3, atol=1e-9)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("mu", [-1000.0, -1.0, -0.5, 1 / 255, 0.9, 1000.0])
@pytest.mark.parametrize("log_s", [-50.0, -7.0, -3.0, 0.0, 7.0, 50.0, 1000.0])
def test_extreme_logistics_still_share_out_one_and_have_a_gradient(mu, log_s):
    parameters = parameters_of([(0.0, mu, log_s)] * 2).clone().requires_grad_()
    log_p = DiscretisedLogistic(2).log_prob(parameters.expand(256, -1, -1, -1), LEVELS)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-4)
    assert log_p.isfinite().all()
    log_p.sum().backward()
    assert parameters.grad.isfinite().all()


@pytest.mark.parametrize("mu", [1e3, 1e5, 1e7])
@pytest.mark.parametrize("level", [0, 100, 255])
def test_a_mean_far_off_is_pulled_back(mu, level):
    parameters = parameters_of([(0.0, mu, -6.5)]).clone().requires_grad_()
    log_p = DiscretisedLogistic().log_prob(parameters, LEVELS[level, None])
    assert log_p.isfinite().all()
    log_p.sum().backward()
    _, towards_mu, towards_s = parameters.grad.flatten().tolist()
    if level == 255:  # all beyond the lightest level is its own
        assert (towards_mu, towards_s) == (0, 0)
    else:
        assert towards_mu == pytest.approx(-math.exp(6.5), rel=1e-3)
        assert towards_s > 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 90, 255])
def test_the_gradient_of_logistics_is_that_of_finite_differences(shape, level):
    parameters = parameters_of(shape).clone().requires_grad_()
    DiscretisedLogistic(len(shape)).log_prob(parameters, LEVELS[level, None]).sum().backward()
    exact = parameters.detach().double()
    if by_definition(exact)[level] < 1e-12:
        pytest.skip("differences of sigmoids know nothing so far away")
    for k in range(exact.numel()):
        step = torch.zeros_like(exact).index_fill(1, torch.tensor([k]), 1e-6)
        up, down = (by_definition(exact + sign * step)[level].log() for sign in (1, -1))
        expected = ((up - down) / 2e-6).item()
        assert parameters.grad.flatten()[k].item() == pytest.approx(expected, rel=2e-3, abs=2e-4)


@pytest.mark.parametrize("shape", [SHAPES[0], [(0.3, -0.4, -4.0), (-1.0, 0.5, -3.0)]])
def test_the_expected_image_is_the_mean_of_the_levels(shape):
    shape = [(logit, mu, min(log_s, -3.0)) for logit, mu, log_s in shape]
    parameters = parameters_of(shape)
    expected = (by_definition(parameters) * LEVELS.flatten()).sum().item()
    got = DiscretisedLogistic(len(shape)).mean(parameters)
    assert got.shape == (1, 1, 1, 1)
    assert got.item() == pytest.approx(expected, abs=1e-4)


def test_the_expected_image_stays_within_the_range_of_images():
    parameters = parameters_of([(0.0, -7.0, 0.0), (0.0, 3.0, 0.0), (0.0, 3.0, 0.0)])
    assert DiscretisedLogistic(3).mean(parameters).item() == pytest.approx(1 / 3)


def test_values_are_independent_and_parameters_of_a_channel_lie_together():
    likelihood = DiscretisedLogistic(2)
    draws = torch.Generator().manual_seed(1)
    parameters = torch.randn(2, 3, 6, 4, 5, generator=draws)  # batch, channel, of a value, rows ...
    images = LEVELS[torch.randint(0, 256, (2, 3, 4, 5), generator=draws), 0, 0, 0]
    log_p = torch.zeros(2, dtype=torch.float64)
    means = torch.zeros(2, 3, 4, 5)
    for place in product(range(2), range(3), range(4), range(5)):
        image, channel, row, column = place
        of_value = parameters[image, channel, :, row, column].reshape(1, 6, 1, 1)
        level = to_pixels(images[place].reshape(1, 1, 1, 1)).item()
        log_p[image] += by_definition(of_value)[level].log()
        means[place] = likelihood.mean(of_value).item()
    flat = parameters.flatten(1, 2)
    torch.testing.assert_close(likelihood.log_prob(flat, images).double(), log_p, rtol=1e-4, atol=0)
    torch.testing.assert_close(likelihood.mean(flat), means)


def test_logistics_are_computed_in_full_precision():
    half = parameters_of(SHAPES[3], 256).bfloat16()
    got = DiscretisedLogistic(3).log_prob(half, LEVELS)
    assert torch.equal(got, DiscretisedLogistic(3).log_prob(half.float(), LEVELS))


@pytest.mark.parametrize("components", [0, -1])
def test_a_mixture_of_nothing_is_refused(components):
    with pytest.raises(ValueError, match=rf"components={components}: type a number from 1 on"):
        DiscretisedLogistic(components)
