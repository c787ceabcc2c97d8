import pytest
import torch

from darkroom.networks import DCGANDiscriminator, DCGANGenerator


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_at_the_articles_size_the_networks_have_the_articles_parameters():
    assert parameters(DCGANGenerator(64, 1, latent_dim=100, width=64)) == 3_574_656
    assert parameters(DCGANDiscriminator(64, 1, width=64)) == 2_763_520


@pytest.mark.parametrize("resolution", range(16, 101))
def test_every_resolution_and_number_of_channels_is_made_and_judged(resolution):
    channels = 1 + resolution % 4
    latents = torch.randn(2, 3)
    images = DCGANGenerator(resolution, channels, latent_dim=3, width=2)(latents)
    assert images.shape == (2, channels, resolution, resolution)
    assert images.abs().max() <= 1
    assert DCGANDiscriminator(resolution, channels, width=2)(images).shape == (2,)


@pytest.mark.parametrize("resolution", [16, 28, 37])
def test_every_pixel_is_drawn_and_judged(resolution):
    torch.manual_seed(0)
    images = DCGANGenerator(resolution, 1, latent_dim=3, width=4)(torch.randn(4, 3))
    assert (images.std(dim=0) > 0).all()
    images = images.detach().requires_grad_()
    DCGANDiscriminator(resolution, 1, width=4).eval()(images).sum().backward()
    assert images.grad.all()


def test_logits_take_both_signs_because_no_sigmoid_is_inside():
    torch.manual_seed(0)
    logits = DCGANDiscriminator(16, 1, width=4)(torch.randn(32, 1, 16, 16))
    assert logits.min() < 0 < logits.max()
