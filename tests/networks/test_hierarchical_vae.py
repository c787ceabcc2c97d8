import re

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.distributions import Normal, kl_divergence

from darkroom.images import sides
from darkroom.networks import HierarchicalVAE, LatentModel
from darkroom.objectives import ELBO
from darkroom.randomness import Noise

RESOLUTIONS = [16, 17, 20, 28, 37, 64, [24, 40], [40, 24], [17, 40], [16, 128]]


def noise(n):
    return Noise(0, torch.arange(n))


def made(resolution=16, channels=1, **options):
    """A narrow network with what begins at zero away from it, so that every weight matters."""
    torch.manual_seed(0)
    network = HierarchicalVAE(
        resolution, channels, **{"width": 8, "latent_channels": 2, "blocks": 1, **options}
    )
    for weights in network.parameters():
        if not weights.any():
            nn.init.normal_(weights, std=0.1)
    return network


@pytest.fixture
def network():
    return made([24, 40], 3, blocks=[1, 2, 1, 2], stride=1)


@pytest.fixture
def images():
    return 2 * torch.rand(4, 3, 24, 40, generator=torch.Generator().manual_seed(0)) - 1


def of_blocks(network, images, noise):
    """The means and standard deviations of each block's prior and posterior, and its z."""
    found = []
    hooks = [
        block.register_forward_hook(lambda block, given, _: found.append((block, *given)))
        for block in network.ladder.blocks
    ]
    network.infer(images, noise)
    for hook in hooks:
        hook.remove()
    seen = network.encoder(images)
    described = []
    for (block, prior, u), features in zip(found, seen, strict=True):
        q = block.posterior(prior, features)
        sigma = prior.log_sigma.exp()
        posterior = Normal(prior.mu + sigma * q.mu, sigma * (q.logvar / 2).exp())
        described.append((Normal(prior.mu, sigma), posterior, prior.mu + sigma * u))
    return described


def test_the_docstring_tells_the_numbers_of_parameters_and_latents():
    told = re.search(
        r"At 32x32x1 with the defaults: ([\d,]+) parameters, ([\d,]+) latents",
        HierarchicalVAE.__doc__,
    )
    network = HierarchicalVAE(32, 1)
    assert int(told[1].replace(",", "")) == sum(p.numel() for p in network.parameters())
    assert int(told[2].replace(",", "")) == network.latent_dim


def test_it_is_a_latent_model():
    assert isinstance(made(), LatentModel)


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=str)
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_every_resolution_and_number_of_channels_is_rebuilt(resolution, stride):
    height, width = sides(resolution)
    channels = 1 + width % 4
    network = made(resolution, channels, stride=stride, parameters_per_value=3)
    images = torch.rand(2, channels, height, width)
    inference = network.infer(images, noise(2))
    assert inference.parameters.shape == (2, 3 * channels, height, width)
    assert network.decode(torch.zeros(2, network.latent_dim)).shape == inference.parameters.shape
    assert inference.latents.shape == network.encode(images).shape == (2, network.latent_dim)
    for terms in (inference.rates, inference.log_ratios):
        assert [term.shape for term in terms] == [(2,)] * len(network.shapes)


@pytest.mark.parametrize(
    ("resolution", "options", "sizes"),
    [
        (16, {"stride": 1}, [(1, 1), (4, 4), (8, 8), (16, 16)]),
        (16, {"stride": 4, "blocks": 2}, [(1, 1), (1, 1), (4, 4), (4, 4)]),
        ([24, 40], {"blocks": [2, 1, 1]}, [(1, 1), (1, 1), (6, 10), (12, 20)]),
        (37, {"stride": 2}, [(1, 1), (5, 5), (10, 10), (20, 20)]),
    ],
)
def test_the_levels_go_from_one_position_to_the_stride(resolution, options, sizes):
    assert made(resolution, **options).shapes == [(2, *size) for size in sizes]


def test_what_the_posterior_drew_decodes_to_its_parameters(network, images):
    inference = network.infer(images, noise(4))
    decoded = network.decode(inference.latents)
    torch.testing.assert_close(decoded, inference.parameters, rtol=1e-4, atol=1e-5)


def test_a_reconstruction_is_the_way_of_the_means(network, images):
    class Silence(Noise):
        def normal(self, *shape, dtype=torch.float32):
            return torch.zeros(len(self.numbers), *shape, dtype=dtype)

    inference = network.infer(images, Silence(0, torch.arange(4)))
    torch.testing.assert_close(network.encode(images), inference.latents)
    decoded = network.decode(network.encode(images))
    torch.testing.assert_close(decoded, inference.parameters, rtol=1e-4, atol=1e-5)


def test_the_rates_are_the_divergences_of_each_blocks_posterior_and_prior(network, images):
    network, images = network.double(), images.double()
    inference = network.infer(images, noise(4))
    for (prior, posterior, z), rate, ratio in zip(
        of_blocks(network, images, noise(4)), inference.rates, inference.log_ratios, strict=True
    ):
        expected = kl_divergence(posterior, prior).flatten(1).sum(1)
        torch.testing.assert_close(rate, expected)
        difference = posterior.log_prob(z) - prior.log_prob(z)
        torch.testing.assert_close(ratio, difference.flatten(1).sum(1))


def test_the_mean_of_the_log_ratios_at_samples_is_the_rate(images):
    network = made([24, 40], 3)
    times = 500
    with torch.no_grad():
        inference = network.infer(images[:1].expand(times, -1, -1, -1), noise(times))
    for rate, ratio in zip(inference.rates, inference.log_ratios, strict=True):
        difference = (ratio - rate).double()  # the rate depends on what was drawn above
        assert difference.mean().abs() < 4 * difference.std() / times**0.5
        assert difference.std() > 0


def test_an_image_is_judged_alike_alone_and_in_company(network, images):
    together = network.infer(images, noise(4))
    alone = network.infer(images[2:3], Noise(0, torch.tensor([2])))
    torch.testing.assert_close(together.parameters[2:3], alone.parameters, rtol=1e-4, atol=1e-5)
    for all_rates, rate in zip(together.rates, alone.rates, strict=True):
        torch.testing.assert_close(all_rates[2:3], rate, rtol=1e-4, atol=1e-4)


def test_the_same_noise_gives_the_same_and_another_gives_another(network, images):
    first, second = (network.infer(images, noise(4)) for _ in range(2))
    assert torch.equal(first.parameters, second.parameters)
    assert torch.equal(first.latents, second.latents)
    third = network.infer(images, Noise(1, torch.arange(4)))
    assert not torch.equal(first.latents, third.latents)


@pytest.mark.parametrize("num_classes", [0, 3])
def test_every_weight_learns(num_classes):
    network = made([24, 40], 3, blocks=[1, 2, 1], num_classes=num_classes)
    labels = torch.tensor([0, 1, 2, 0]) if num_classes else None
    images = torch.rand(4, 3, 24, 40)
    inference = network.infer(images, noise(4), labels)
    (inference.parameters.square().sum() + sum(rate.sum() for rate in inference.rates)).backward()
    still = [name for name, p in network.named_parameters() if not p.grad.any()]
    assert still == []


def test_every_block_is_felt_in_the_image(network):
    latents = torch.zeros(1, network.latent_dim)
    start = 0
    for channels, rows, columns in network.shapes:
        moved = latents.clone()
        moved[:, start] = 1
        start += channels * rows * columns
        assert not torch.equal(network.decode(moved), network.decode(latents))
    assert start == network.latent_dim


def test_at_first_the_prior_is_the_standard_normal():
    torch.manual_seed(0)
    network = HierarchicalVAE(16, 1, width=8)
    for prior, _, _ in of_blocks(network, torch.rand(2, 1, 16, 16), noise(2)):
        assert not prior.loc.any()
        assert (prior.scale == 1).all()


def test_residual_branches_begin_smaller_the_more_blocks_there_are():
    def scale(blocks):
        torch.manual_seed(0)
        network = HierarchicalVAE(16, 1, width=64, blocks=blocks)
        block = network.ladder.blocks[-1]
        return torch.stack([block.residual.branch[-1].weight.std(), block.projection.weight.std()])

    torch.testing.assert_close(scale(1) / scale(4), torch.full((2,), 2.0), rtol=0.1, atol=0)


def test_no_weights_make_a_term_infinite(images):
    network = made([24, 40], 3, blocks=2)
    with torch.no_grad():
        for block in network.ladder.blocks:
            for branch in (block.expectation, block.conclusion):
                branch[-1].weight.mul_(1e4)
    inference = network.infer(images, noise(4))
    rates = torch.stack(inference.rates)
    rates.sum().backward()
    assert rates.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


def test_a_class_changes_the_image_and_has_to_be_told():
    network = made(num_classes=3)
    latents = torch.zeros(2, network.latent_dim)
    one, other = network.decode(latents, torch.tensor([0, 2]))
    assert not torch.equal(one, other)
    images = torch.rand(2, 1, 16, 16)
    rates = [
        network.infer(images, noise(2), torch.tensor(labels)).rates[0]
        for labels in ([0, 1], [1, 1])
    ]
    assert rates[0][0] != rates[1][0]
    assert rates[0][1] == rates[1][1]
    for call in (
        lambda: network.decode(latents),
        lambda: network.encode(images),
        lambda: network.infer(images, noise(2)),
    ):
        with pytest.raises(ValueError, match="labels: give it one of 0 to 2"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 8}, "data.resolution=16"),
        ({"channels": 5}, "channels=5"),
        ({"width": 7}, "width=7: type an even number"),
        ({"latent_channels": 0}, "latent_channels=0: type a number from 1 on"),
        ({"blocks": 0}, "blocks=0: type one number from 1 on, or 3 of them, for the levels 1x1, 4"),
        ({"blocks": [1, 2]}, r"blocks=\[1, 2\]: type one number"),
        ({"blocks": [1, 0, 2]}, r"blocks=\[1, 0, 2\]: type one number"),
        ({"stride": 3}, "stride=3: type 1, 2 or 4"),
        ({"num_classes": -1}, "num_classes=-1"),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_to_type(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


@pytest.mark.parametrize("side", [32, 37])
def test_a_square_is_the_same_network_by_one_side_or_by_two(side):
    images = torch.rand(2, 1, side, side)
    both = []
    for resolution in (side, [side, side]):
        network = made(resolution)
        rebuilt = network.infer(images, noise(2)).parameters
        both.append({**network.state_dict(), "rebuilt": rebuilt})
    torch.testing.assert_close(*both, rtol=0, atol=0)


def test_digits_are_learned_with_more_than_one_level():
    digits = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 8 - 1
    digits = digits.repeat_interleave(2, 2).repeat_interleave(2, 3)
    held_out, digits = digits[:256], digits[256:]
    torch.manual_seed(0)
    network = HierarchicalVAE(16, 1, width=16, latent_channels=4, blocks=1)
    objective = ELBO()

    def bound():
        with torch.no_grad():
            found = network.infer(held_out, noise(256))
        return objective.bound(held_out, found.parameters, found.rates, found.log_ratios)

    before = bound().negative_elbo.mean()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(300):
        first = 64 * step
        numbers = torch.arange(first, first + 64)
        x = digits[numbers % len(digits)]
        found = network.infer(x, Noise(1, numbers))
        terms = objective.bound(x, found.parameters, found.rates, found.log_ratios)
        optimizer.zero_grad()
        objective.loss(terms).mean().backward()
        optimizer.step()
    after = bound()
    assert after.negative_elbo.mean() < before - 50
    assert sum(rate.mean() > 0.1 for rate in after.rates) >= 2
