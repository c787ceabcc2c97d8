"""The prior that carries noise along a learnt flow."""

import math

import pytest
import torch
from torch import optim

from darkroom.priors import FlowMatching, Prior
from darkroom.randomness import Noise

ROWS = 128
NOISE = Noise(2, torch.arange(2000)).normal(2)


def ring(first, rows, scale=1.0, centre=0.0):
    """Latents about a circle of radius 1.4, in some unit."""
    noise = Noise(7, torch.arange(first, first + rows))
    angle, radius = 2 * math.pi * noise.uniform(1), 1.4 + 0.05 * noise.normal(1)
    return centre + scale * radius * torch.cat([angle.cos(), angle.sin()], dim=1)


def made(num_classes=0, seed=0, **options):
    torch.manual_seed(seed)
    return FlowMatching(2, **{"width": 48, "blocks": 2, **options}, num_classes=num_classes)


def trained(prior, batches, draw, labels=None):
    optimizer = optim.Adam(prior.parameters(), 3e-3)
    slower = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, batches)
    for i in range(batches):
        noise = Noise(1, torch.arange(i * ROWS, (i + 1) * ROWS))
        optimizer.zero_grad()
        prior.loss(draw(i * ROWS, ROWS), noise, labels).mean().backward()
        optimizer.step()
        slower.step()
    return prior.eval()


@pytest.fixture(scope="module")
def learnt():
    return trained(made(), 300, ring)


def energy_distance(a, b):
    """Of two sets of points; 0 for the same distribution."""
    return (2 * torch.cdist(a, b) - torch.cdist(a, a) - torch.cdist(b, b)).mean()


@torch.no_grad()
def test_it_learns_a_ring(learnt):
    real, drawn = ring(10**6, 2000), learnt(NOISE)
    assert energy_distance(NOISE, real) > 0.03
    assert energy_distance(drawn, real) < 0.01
    radii = drawn.norm(dim=1)
    assert NOISE.norm(dim=1).std() > 0.6
    assert radii.std() < 0.25
    assert (radii.mean() - 1.4).abs() < 0.1


def test_the_scale_and_the_place_of_the_latents_change_nothing(learnt):
    far = trained(made(), 300, lambda first, rows: ring(first, rows, scale=16.0, centre=32.0))
    torch.testing.assert_close((far(NOISE) - 32) / 16, learnt(NOISE), atol=0.05, rtol=0)


def test_before_it_learns_it_is_the_normal_distribution_with_the_latents_moments():
    prior, latents = made(), ring(0, ROWS, scale=3.0, centre=5.0)
    torch.testing.assert_close(prior(NOISE), NOISE, rtol=1e-3, atol=1e-3)
    prior.loss(latents, Noise(1, torch.arange(ROWS)))
    torch.testing.assert_close(prior.mean, latents.mean(0))
    torch.testing.assert_close(prior.std, latents.std(0, unbiased=False), rtol=1e-4, atol=0)
    straight = latents.mean(0) + latents.std(0, unbiased=False) * NOISE
    torch.testing.assert_close(prior(NOISE), straight, rtol=0, atol=0.02)


def test_moments_follow_the_encoder_and_stay_where_nobody_trains():
    prior = made()
    for i in range(400):
        centre = 0.0 if i < 100 else 9.0
        prior.loss(ring(i * ROWS, ROWS, centre=centre), Noise(1, torch.arange(ROWS)))
    torch.testing.assert_close(prior.mean, torch.full((2,), 9.0), rtol=0, atol=0.1)
    before = prior.eval().mean
    prior.loss(ring(0, ROWS), Noise(1, torch.arange(ROWS)))
    assert prior.mean.equal(before)


def test_latents_that_are_no_numbers_are_left_out_of_the_moments():
    prior, latents = made(), ring(0, ROWS)
    broken = torch.cat([latents, torch.tensor([[math.nan, 1.0], [math.inf, 0.0]])])
    prior.loss(broken, Noise(1, torch.arange(len(broken))))
    torch.testing.assert_close(prior.mean, latents.mean(0))
    torch.testing.assert_close(prior.std, latents.std(0, unbiased=False), rtol=1e-4, atol=0)


@torch.no_grad()
def test_the_way_back_ends_at_the_noise(learnt):
    errors = (learnt.noise_of(learnt(NOISE)) - NOISE).abs()
    assert errors.mean() < 0.01
    learnt.steps = 64
    finer = (learnt.noise_of(learnt(NOISE)) - NOISE).abs()
    learnt.steps = 16
    assert finer.mean() < 0.2 * errors.mean()  # a method of the second order


@torch.no_grad()
def test_a_latent_is_the_same_in_any_company_and_every_time(learnt):
    whole = learnt(NOISE)
    assert learnt(NOISE).equal(whole)
    torch.testing.assert_close(learnt(NOISE[7:8]), whole[7:8], rtol=0, atol=1e-5)
    torch.testing.assert_close(learnt(NOISE.flip(0)), whole.flip(0), rtol=0, atol=1e-5)


def test_latents_are_differentiable_in_their_noise(learnt):
    noise = NOISE[:3].double().requires_grad_()
    prior = made().double()
    prior.load_state_dict(learnt.state_dict())
    assert torch.autograd.gradcheck(lambda n: prior(n), noise, atol=1e-4)


def test_a_loaded_prior_is_the_saved_one(learnt):
    other = made(seed=1)
    other.load_state_dict(learnt.state_dict())
    assert other(NOISE).equal(learnt(NOISE))


def test_the_loss_is_the_mean_square_of_the_velocity_that_is_missing():
    prior, latents = made().eval(), ring(0, 4)
    noise = Noise(1, torch.arange(4))
    eps, t = noise.normal(2), noise.uniform(1)
    x = (1 - t) * eps + t * latents
    of_normal = (2 * t - 1) / (t**2 + (1 - t) ** 2) * x
    written = (of_normal - (latents - eps)).square().mean(1)
    torch.testing.assert_close(prior.loss(latents, Noise(1, torch.arange(4))), written)


def test_a_class_has_its_own_latents():
    labels = torch.arange(ROWS) % 2

    def apart(first, rows):
        return ring(first, rows, scale=0.3, centre=4.0 * labels[:, None])

    prior = trained(made(num_classes=2), 150, apart, labels)
    with torch.no_grad():
        first, second = (prior(NOISE, torch.full((2000,), label)) for label in (0, 1))
    assert first.mean(0).abs().max() < 0.3
    assert (second.mean(0) - 4).abs().max() < 0.3


def test_it_is_a_prior():
    assert isinstance(made(), Prior)
    assert (made().latent_dim, made().noise_dim) == (2, 2)


def test_a_prior_of_classes_asks_for_labels():
    with pytest.raises(ValueError, match=r"latents of 5 classes .* one of 0 to 4"):
        made(num_classes=5)(NOISE)


@pytest.mark.parametrize("name", ["latent_dim", "width", "blocks", "steps"])
def test_what_makes_no_sense_is_refused(name):
    with pytest.raises(ValueError, match=rf"model\.prior\.{name}=0: type a number from 1 on"):
        FlowMatching(**{"latent_dim": 2, name: 0})


def test_a_negative_number_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"model\.prior\.num_classes=-1: type"):
        made(num_classes=-1)
