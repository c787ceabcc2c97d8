"""VAEs of one Gaussian level, whatever their layers are."""

import re

import pytest
import torch

from darkroom.images import sides
from darkroom.networks import ConvVAE, ResidualVAE
from darkroom.randomness import Noise

KINDS = [ConvVAE, ResidualVAE]
RECTANGLES = [[48, 64], [64, 48], [17, 40], [16, 128]]


def noise(n):
    return Noise(0, torch.arange(n))


@pytest.fixture(params=[20, *RECTANGLES], ids=str)
def resolution(request):
    return request.param


@pytest.fixture(params=KINDS)
def network(resolution, request):
    torch.manual_seed(0)
    return stirred(request.param(resolution, 3, latent_dim=5, width=4))


@torch.no_grad()
def stirred(network):
    """Weights that begin at zero are moved, so that what is behind them counts."""
    for weight in network.parameters():
        weight.add_(0.05 * torch.randn_like(weight))
    return network


@pytest.fixture
def images(resolution):
    return torch.rand(4, 3, *sides(resolution))


@pytest.mark.parametrize("kind", KINDS)
def test_the_docstring_tells_the_number_of_parameters(kind):
    told = re.search(r"At 64x64x1, latent_dim 64, width 32: ([\d,]+) parameters", kind.__doc__)
    network = kind(64, 1, latent_dim=64, width=32)
    assert int(told[1].replace(",", "")) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resolution", [*range(16, 101), *RECTANGLES])
def test_every_resolution_and_number_of_channels_is_rebuilt(resolution, kind):
    height, width = sides(resolution)
    channels = 1 + width % 4
    network = kind(resolution, channels, latent_dim=3, width=2, parameters_per_value=2)
    images = torch.rand(2, channels, height, width)
    inference = network.infer(images, noise(2))
    assert inference.parameters.shape == (2, 2 * channels, height, width)
    assert inference.latents.shape == (2, 3)
    for terms in (inference.rates, inference.log_ratios):
        assert [term.shape for term in terms] == [(2,)]
    assert network.encode(images).shape == (2, 3)


def test_an_image_is_judged_alike_alone_and_in_company(network, images):
    together = network.infer(images, Noise(0, torch.arange(4)))
    alone = network.infer(images[2:3], Noise(0, torch.tensor([2])))
    torch.testing.assert_close(together.parameters[2:3], alone.parameters)
    torch.testing.assert_close(together.rates[0][2:3], alone.rates[0])


def test_inference_decodes_a_sample_of_the_posterior(network, images):
    q = network.posterior(images)
    inference = network.infer(images, noise(4))
    sample = q.sample(noise(4).normal(5))
    assert torch.equal(inference.latents, sample)
    torch.testing.assert_close(inference.parameters, network.decode(sample))
    torch.testing.assert_close(inference.rates[0], q.rate())
    torch.testing.assert_close(inference.log_ratios[0], q.log_ratio(noise(4).normal(5)))
    torch.testing.assert_close(network.encode(images), q.mu)


def test_both_halves_of_the_posterior_and_every_weight_learn(network, images):
    inference = network.infer(images, noise(4))
    (inference.parameters.square().sum() + inference.rates[0].sum()).backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [32, 37])
def test_a_square_is_the_same_network_by_one_side_or_by_two(side, kind):
    images = torch.rand(2, 1, side, side)
    made = []
    for resolution in (side, [side, side]):
        torch.manual_seed(0)
        network = kind(resolution, 1, latent_dim=3, width=2)
        rebuilt = network.infer(images, noise(2)).parameters
        made.append({**network.state_dict(), "rebuilt": rebuilt})
    torch.testing.assert_close(*made, rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_decoder_is_told_the_class_and_has_to_be(kind):
    torch.manual_seed(0)
    network = stirred(kind(16, 1, latent_dim=3, width=2, num_classes=4))
    z = torch.randn(1, 3).expand(4, -1)
    drawn = network.decode(z, torch.arange(4))
    assert len(drawn.unique(dim=0)) == 4
    with pytest.raises(ValueError, match="was given no labels"):
        network.decode(z)


def test_residual_blocks_begin_as_the_identity_and_may_be_left_out():
    torch.manual_seed(0)
    images = torch.rand(2, 1, 16, 16)
    network = ResidualVAE(16, 1, latent_dim=3, width=2, blocks=2)
    plain = ResidualVAE(16, 1, latent_dim=3, width=2, blocks=0)
    assert not [name for name, _ in plain.named_modules() if "Block" in name]
    blocks = [part for part in network.modules() if type(part).__name__ == "_Block"]
    assert len(blocks) == 2 * 4
    maps = torch.randn(1, 2, 4, 4)
    assert torch.equal(blocks[0](maps), maps)
    assert network.infer(images, noise(2)).parameters.isfinite().all()
    with pytest.raises(ValueError, match=r"model\.network\.blocks=-1: type a number from 0 on"):
        ResidualVAE(16, 1, blocks=-1)
