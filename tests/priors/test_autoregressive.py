import itertools
import math
import re

import pytest
import torch
from torch import optim

from darkroom.networks import VQVAE
from darkroom.priors import Prior
from darkroom.priors.autoregressive import Autoregressive
from darkroom.randomness import Noise

SMALL = {"levels": (3, 2), "downsampling": 8, "width": 16, "blocks": 2, "heads": 2}  # 6 codes


def noise(n, first=0):
    return Noise(0, torch.arange(first, first + n))


def prior(resolution=16, sharp=1.0, **options):
    """A small one; the sharper, the farther its distributions are from even."""
    torch.manual_seed(0)
    made = Autoregressive(resolution, **SMALL | options)
    with torch.no_grad():
        for weights in (made.embedding.weight, made.trunk.places, made.trunk.head[1].weight):
            weights.mul_(sharp)
    return made


def codes_like(made, n):
    torch.manual_seed(1)
    return torch.randint(0, math.prod(made.levels), (n, made.noise_dim))


def test_the_docstring_tells_the_number_of_parameters():
    told = re.search(r"At 32x32 with the defaults: ([\d,]+) parameters", Autoregressive.__doc__)
    number = sum(p.numel() for p in Autoregressive(32).parameters())
    assert int(told[1].replace(",", "")) == number


@pytest.mark.parametrize("downsampling", [2, 4, 8])
@pytest.mark.parametrize("resolution", [16, 28, [17, 40]])
def test_it_fits_the_network_of_the_same_options(resolution, downsampling):
    made = prior(resolution, downsampling=downsampling)
    assert isinstance(made, Prior)
    network = VQVAE(resolution, 1, SMALL["levels"], width=2, downsampling=downsampling)
    assert made.latent_dim == network.latent_dim == 2 * made.noise_dim


def test_codes_count_the_points_of_the_networks_grid():
    made = prior(levels=(4, 3, 2))
    every = torch.arange(24).reshape(6, 4)  # of 4 positions each
    points = made.latents(every)
    assert points.reshape(-1, 3).unique(dim=0).shape == (24, 3)
    assert torch.equal(made.codes(points), every)
    network = VQVAE(16, 1, (4, 3, 2), width=4, downsampling=8)
    latents = network.encode(torch.rand(8, 1, 16, 16))
    torch.testing.assert_close(made.latents(made.codes(latents)), latents, rtol=0, atol=0)
    torch.testing.assert_close(
        network.quantiser.nearest(points.reshape(-1, 3)).flatten(), points.flatten(), rtol=0, atol=0
    )


def test_a_positions_logits_see_the_codes_before_it_and_no_other():
    made = prior(sharp=3, downsampling=4)
    codes = codes_like(made, 1)
    logits = made.logits(codes)
    for position in range(made.noise_dim):
        changed = codes.clone()
        changed[:, position] = (changed[:, position] + 1) % 6
        differs = (made.logits(changed) != logits).any(-1)[0]
        assert not differs[: position + 1].any()
        assert differs[position + 1 :].all()


def test_one_token_after_another_is_told_what_all_are_told_at_once():
    made = prior(sharp=3, downsampling=4)
    codes = codes_like(made, 3)
    token, past, one_by_one = made.start(3, None), made.trunk.no_past(), []
    for position, code in enumerate(codes.T):
        one_by_one.append(made.trunk.following(token, position, past))
        token = made.embedding(code)
    torch.testing.assert_close(torch.stack(one_by_one, 1), made.logits(codes))


def test_samples_are_as_frequent_as_the_model_says():
    made = prior([16, 32], downsampling=16, sharp=2)  # two positions
    assert made.noise_dim == 2
    pairs = torch.tensor(list(itertools.product(range(6), repeat=2)))
    probability = (-made.loss(made.latents(pairs), noise(36))).exp()
    torch.testing.assert_close(probability.sum(), torch.tensor(1.0))
    assert probability.max() > 2 * probability.min()
    n = 20_000
    drawn = made.codes(made(noise(n).normal(2))) @ torch.tensor([6, 1])
    expected = n * probability
    chi_square = ((drawn.bincount(minlength=36) - expected).square() / expected).sum()
    assert chi_square < 35 + 4 * math.sqrt(2 * 35)  # its mean and four standard deviations


@pytest.mark.parametrize("sharp", [1.0, 3.0])
def test_the_noise_of_latents_makes_them_again(sharp):
    made = prior(28, sharp=sharp, downsampling=4)
    latents = made(noise(32).normal(made.noise_dim))
    found = made.noise_of(latents)
    assert found.shape == (32, 49)
    assert torch.equal(made(found), latents)
    assert torch.equal(made.noise_of(made(found)), found)


def test_improbable_codes_have_finite_noise():
    made = prior(sharp=1000.0)
    assert made.noise_of(made.latents(codes_like(made, 64))).isfinite().all()


def test_noise_of_any_size_makes_points_of_the_grid():
    made = prior()
    latents = made(torch.tensor([[-1e4, 1e4, -50.0, 50.0]]))
    assert torch.equal(made.codes(latents), torch.tensor([[0, 5, 0, 5]]))


def test_an_image_is_drawn_alike_alone_and_in_company():
    made = prior(sharp=3, downsampling=4)
    together = made(noise(8).normal(made.noise_dim))
    assert torch.equal(together[5:6], made(noise(1, first=5).normal(made.noise_dim)))
    assert len(together.unique(dim=0)) > 1
    codes = codes_like(made, 8)
    latents = made.latents(codes)
    torch.testing.assert_close(made.loss(latents, noise(8))[5:6], made.loss(latents[5:6], noise(1)))


def test_it_begins_near_the_entropy_of_even_codes():
    made = Autoregressive(16)
    torch.manual_seed(0)
    loss = made.loss(made.latents(codes_like(made, 4)), noise(4))
    assert loss.shape == (4,)
    torch.testing.assert_close(loss, torch.full((4,), 16 * math.log(1000)), rtol=0.05, atol=0)


def learned(made, draw, steps=300):
    """The mean loss over the last steps of training on what `draw` gives for each step's noise."""
    adam = optim.Adam(made.parameters(), lr=3e-3)
    losses = []
    for step in range(steps):
        u = noise(64, first=64 * step).uniform(made.noise_dim)
        codes, labels = draw(u)
        loss = made.loss(made.latents(codes), noise(64), labels).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return sum(losses[-50:]) / 50


def test_it_learns_a_distribution_up_to_its_entropy():
    def chain(u):
        """The first code is even; each further one repeats it or, one time in four, is the next."""
        first, moves = (u[:, :1] * 6).long(), (u[:, 1:] < 0.25).long()
        return torch.cat([first, moves], 1).cumsum(1) % 6, None

    entropy = math.log(6) - 3 * (0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    made = prior()
    assert learned(made, chain) == pytest.approx(entropy, rel=0.05)
    moves = made.codes(made(noise(1000).normal(4))).diff() % 6
    assert float((moves == 1).float().mean()) == pytest.approx(0.25, abs=0.05)
    assert float((moves > 1).float().mean()) < 0.02


def test_classes_steer():
    def of_class(u):
        labels = (u[:, 0] * 3).long()
        return labels[:, None].expand(-1, 4) * 2, labels

    made = prior(num_classes=3)
    assert learned(made, of_class, steps=100) < 1
    labels = torch.arange(3).repeat(20)
    drawn = made.codes(made(noise(60).normal(4), labels))
    assert float((drawn == 2 * labels[:, None]).float().mean()) > 0.9
    latents = made.latents(drawn)
    found = made.noise_of(latents, labels)
    assert torch.equal(made(found, labels), latents)
    with pytest.raises(ValueError, match="labels"):
        made(noise(2).normal(4))


def test_without_classes_labels_change_nothing():
    made, z = prior(), noise(4).normal(4)
    assert torch.equal(made(z), made(z, torch.arange(4)))


def test_every_weight_learns():
    made = prior(num_classes=2)
    latents = made.latents(codes_like(made, 64))
    made.loss(latents, noise(64), torch.arange(64) % 2).sum().backward()
    assert all(parameter.grad.any() for parameter in made.parameters())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"width": 15}, "width"),
        ({"heads": 0}, "heads"),
        ({"blocks": 0}, "blocks"),
        ({"num_classes": -1}, "num_classes"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_remedy(options, named):
    with pytest.raises(ValueError, match=named):
        prior(**options)
