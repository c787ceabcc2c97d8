"""The prior that is a mixture of Gaussians."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from darkroom.priors import Mixture, Prior
from darkroom.randomness import Noise

ROWS = 64
NOISE = Noise(2, torch.arange(2000)).normal(3)
CENTRES = torch.tensor([[3.0, 0.0], [-3.0, 1.0]])
TILT = torch.tensor([[0.5, 0.0], [0.4, 0.3]])


def clusters(first, rows, share=0.25):
    """Latents in two tilted clusters, the first of which has so large a share."""
    noise = Noise(7, torch.arange(first, first + rows))
    which = (noise.uniform(1) > share).long().flatten()
    return CENTRES[which] + noise.normal(2) @ TILT.T


def made(components=4, num_classes=0, seed=0):
    torch.manual_seed(seed)
    return Mixture(2, components, num_classes)


def trained(prior, batches, draw, labels=None):
    for i in range(batches):
        noise = Noise(1, torch.arange(i * ROWS, (i + 1) * ROWS))
        prior.loss(draw(i * ROWS, ROWS), noise, labels)
    return prior.eval()


@pytest.fixture(scope="module")
def learnt():
    return trained(made(), 400, clusters)


def nll(prior, latents, labels=None):
    return prior.loss(latents, Noise(0, torch.arange(len(latents))), labels)


def test_it_learns_two_clusters(learnt):
    drawn, real = learnt(NOISE), clusters(10**6, 4000)
    is_first = drawn[:, 0] > 0
    assert abs(is_first.double().mean() - 0.25) < 0.04
    for which, centre in zip((is_first, ~is_first), CENTRES, strict=True):
        torch.testing.assert_close(drawn[which].mean(0), centre, rtol=0, atol=0.1)
        torch.testing.assert_close(drawn[which].T.cov(), TILT @ TILT.T, rtol=0, atol=0.08)
    truth = [MultivariateNormal(c, scale_tril=TILT).log_prob(real) for c in CENTRES]
    best = -torch.logaddexp(truth[0] + math.log(0.25), truth[1] + math.log(0.75)).mean()
    assert nll(learnt, real).mean() < best + 0.05
    normal = MultivariateNormal(torch.zeros(2), torch.eye(2))
    assert -normal.log_prob(real).mean() > best + 3


def test_it_follows_latents_that_move():
    prior = trained(made(), 100, clusters)
    moved = trained(prior.train(), 400, lambda first, rows: clusters(first, rows) + 20)
    assert (moved(NOISE) - 20).abs().max() < 8


def test_the_loss_is_the_mixture_s_surprise(learnt):
    z = clusters(0, 5)
    mu, lower = learnt.gaussians()
    log_w = learnt.weights(None, 1)[0].log()
    each = MultivariateNormal(mu, scale_tril=lower).log_prob(z[:, None]) + log_w
    torch.testing.assert_close(nll(learnt, z), -each.logsumexp(1), rtol=1e-4, atol=1e-4)


def test_the_loss_has_no_gradient_and_leaves_others_theirs():
    x = torch.tensor(2.0, requires_grad=True)
    (x**2 + nll(made(), clusters(0, ROWS)).mean()).backward()
    assert x.grad == 4


def test_latents_are_what_their_noise_draws(learnt):
    z = clusters(10**6, 500)
    torch.testing.assert_close(learnt(learnt.noise_of(z)), z, rtol=0, atol=1e-4)


def test_noise_comes_back_up_to_the_place_within_its_component():
    prior = trained(made(components=1), 50, clusters)
    back = prior.noise_of(prior(NOISE))
    torch.testing.assert_close(back[:, 1:], NOISE[:, 1:], rtol=0, atol=1e-4)
    torch.testing.assert_close(back[:, 0], torch.zeros(2000), rtol=0, atol=1e-6)


def test_the_first_number_chooses_by_the_weights(learnt):
    mu, weights = learnt.gaussians()[0], learnt.weights(None, 1)[0]
    noise = Noise(3, torch.arange(20_000)).normal(1)
    k = torch.cdist(learnt(torch.cat([noise, torch.zeros(20_000, 2)], 1)), mu).argmin(1)
    shares = torch.bincount(k, minlength=4) / 20_000
    torch.testing.assert_close(shares, weights, rtol=0, atol=0.015)


def test_no_noise_is_too_far_out(learnt):
    extreme = torch.tensor([[9.0, 0.0, 0.0], [-9.0, 0.0, 0.0]])
    assert learnt(extreme).isfinite().all()
    assert learnt.noise_of(torch.tensor([[1e4, 0.0], [-1e4, 5e3]])).isfinite().all()


def test_a_latent_is_the_same_in_any_company_and_every_time(learnt):
    whole = learnt(NOISE)
    assert learnt(NOISE).equal(whole)
    torch.testing.assert_close(learnt(NOISE[7:8]), whole[7:8])
    torch.testing.assert_close(learnt(NOISE.flip(0)), whole.flip(0))


def test_latents_are_differentiable_in_their_noise(learnt):
    prior, noise = made().double(), NOISE[:3].double().requires_grad_()
    prior.load_state_dict(learnt.state_dict())
    assert torch.autograd.gradcheck(lambda n: prior(n), noise)


def test_latents_that_are_no_numbers_are_left_out():
    one, other, latents = made(), made(), clusters(0, ROWS)
    latents[3] = math.nan
    latents[5, 1] = math.inf
    nll(one, latents)
    one.images_seen.zero_()
    assert all(value.isfinite().all() for value in one.state_dict().values())
    nll(other, latents[latents.isfinite().all(1)])
    other.images_seen.zero_()
    torch.testing.assert_close(one.state_dict(), other.state_dict())


def test_latents_that_are_all_the_same_are_learnt_too():
    prior = trained(made(), 50, lambda first, rows: torch.full((rows, 2), 7.0))
    torch.testing.assert_close(prior(NOISE), torch.full((2000, 2), 7.0), rtol=0, atol=0.1)


def test_it_stays_as_it_is_where_nobody_trains(learnt):
    before = {name: value.clone() for name, value in learnt.state_dict().items()}
    nll(learnt, clusters(0, ROWS))
    torch.testing.assert_close(learnt.state_dict(), before, rtol=0, atol=0)


def test_a_loaded_prior_is_the_saved_one_and_learns_on_like_it():
    whole = trained(made(), 40, clusters)
    half = trained(made(), 20, clusters)
    other = made(seed=1)
    other.load_state_dict(half.state_dict())
    assert other(NOISE).equal(half(NOISE))
    rest = trained(other, 20, lambda first, rows: clusters(first + 20 * ROWS, rows))
    assert rest(NOISE).equal(whole(NOISE))


def test_a_class_has_its_own_weights():
    labels = torch.arange(ROWS) % 2

    def apart(first, rows):
        return CENTRES[labels] + Noise(7, torch.arange(first, first + rows)).normal(2) @ TILT.T

    prior = trained(made(num_classes=2), 100, apart, labels)
    first, second = (prior(NOISE, torch.full((2000,), y))[:, 0] > 0 for y in range(2))
    assert first.double().mean() > 0.99
    assert second.double().mean() < 0.01
    z = CENTRES[labels]
    torch.testing.assert_close(prior(prior.noise_of(z, labels), labels), z, rtol=0, atol=1e-4)


def test_it_is_a_prior():
    assert isinstance(made(), Prior)
    assert (made().latent_dim, made().noise_dim) == (2, 3)
    assert list(made().parameters()) == []


def test_a_prior_of_classes_asks_for_labels():
    with pytest.raises(ValueError, match=r"latents of 5 classes .* one of 0 to 4"):
        made(num_classes=5)(NOISE)


@pytest.mark.parametrize("name", ["latent_dim", "components"])
def test_what_makes_no_sense_is_refused(name):
    with pytest.raises(ValueError, match=rf"model\.prior\.{name}=0: type a number from 1 on"):
        Mixture(**{"latent_dim": 2, name: 0})


def test_a_negative_number_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"model\.prior\.num_classes=-1: type"):
        made(num_classes=-1)
