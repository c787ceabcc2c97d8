import re

import pytest
import torch

from darkroom.networks import ConvVAE
from darkroom.randomness import Noise


def noise(n):
    return Noise(0, torch.arange(n))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return ConvVAE(20, 3, latent_dim=5, width=4)


def test_the_docstring_tells_the_number_of_parameters():
    told = re.search(r"At 64x64x1, latent_dim 64, width 32: ([\d,]+) parameters", ConvVAE.__doc__)
    network = ConvVAE(64, 1, latent_dim=64, width=32)
    assert int(told[1].replace(",", "")) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("resolution", range(16, 101))
def test_every_resolution_and_number_of_channels_is_rebuilt(resolution):
    channels = 1 + resolution % 4
    network = ConvVAE(resolution, channels, latent_dim=3, width=2)
    images = torch.rand(2, channels, resolution, resolution)
    inference = network.infer(images, noise(2))
    assert inference.parameters.shape == images.shape
    assert [rate.shape for rate in inference.rates] == [(2,)]
    assert network.encode(images).shape == (2, 3)


def test_an_image_is_judged_alike_alone_and_in_company(network):
    images = torch.rand(4, 3, 20, 20)
    together = network.infer(images, Noise(0, torch.arange(4)))
    alone = network.infer(images[2:3], Noise(0, torch.tensor([2])))
    torch.testing.assert_close(together.parameters[2:3], alone.parameters)
    torch.testing.assert_close(together.rates[0][2:3], alone.rates[0])


def test_inference_decodes_a_sample_of_the_posterior(network):
    images = torch.rand(2, 3, 20, 20)
    q = network.posterior(images)
    inference = network.infer(images, noise(2))
    sample = q.sample(noise(2).normal(5))
    torch.testing.assert_close(inference.parameters, network.decode(sample))
    torch.testing.assert_close(inference.rates[0], q.rate())
    torch.testing.assert_close(network.encode(images), q.mu)


def test_both_halves_of_the_posterior_and_every_weight_learn(network):
    inference = network.infer(torch.rand(2, 3, 20, 20), noise(2))
    (inference.parameters.square().sum() + inference.rates[0].sum()).backward()
    assert all(parameter.grad.any() for parameter in network.parameters())
