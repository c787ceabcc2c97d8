import re

import pytest
import torch

from darkroom.images import sides
from darkroom.networks import ConvVAE
from darkroom.randomness import Noise

RECTANGLES = [[48, 64], [64, 48], [17, 40], [16, 128]]


def noise(n):
    return Noise(0, torch.arange(n))


@pytest.fixture(params=[20, *RECTANGLES], ids=str)
def resolution(request):
    return request.param


@pytest.fixture
def network(resolution):
    torch.manual_seed(0)
    return ConvVAE(resolution, 3, latent_dim=5, width=4)


@pytest.fixture
def images(resolution):
    return torch.rand(4, 3, *sides(resolution))


def test_the_docstring_tells_the_number_of_parameters():
    told = re.search(r"At 64x64x1, latent_dim 64, width 32: ([\d,]+) parameters", ConvVAE.__doc__)
    network = ConvVAE(64, 1, latent_dim=64, width=32)
    assert int(told[1].replace(",", "")) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("resolution", [*range(16, 101), *RECTANGLES])
def test_every_resolution_and_number_of_channels_is_rebuilt(resolution):
    height, width = sides(resolution)
    channels = 1 + width % 4
    network = ConvVAE(resolution, channels, latent_dim=3, width=2)
    images = torch.rand(2, channels, height, width)
    inference = network.infer(images, noise(2))
    assert inference.parameters.shape == images.shape
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
    torch.testing.assert_close(inference.parameters, network.decode(sample))
    torch.testing.assert_close(inference.rates[0], q.rate())
    torch.testing.assert_close(inference.log_ratios[0], q.log_ratio(noise(4).normal(5)))
    torch.testing.assert_close(network.encode(images), q.mu)


def test_both_halves_of_the_posterior_and_every_weight_learn(network, images):
    inference = network.infer(images, noise(4))
    (inference.parameters.square().sum() + inference.rates[0].sum()).backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize("side", [32, 37])
def test_a_square_is_the_same_network_by_one_side_or_by_two(side):
    images = torch.rand(2, 1, side, side)
    made = []
    for resolution in (side, [side, side]):
        torch.manual_seed(0)
        network = ConvVAE(resolution, 1, latent_dim=3, width=2)
        rebuilt = network.infer(images, noise(2)).parameters
        made.append({**network.state_dict(), "rebuilt": rebuilt})
    torch.testing.assert_close(*made, rtol=0, atol=0)
