import pytest
import torch

from darkroom.images import sides
from darkroom.networks import DCGANDiscriminator, DCGANGenerator

RECTANGLES = [[48, 64], [64, 48], [17, 40], [16, 128]]


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_at_the_articles_size_the_networks_have_the_articles_parameters():
    assert parameters(DCGANGenerator(64, 1, latent_dim=100, width=64)) == 3_574_656
    assert parameters(DCGANDiscriminator(64, 1, width=64)) == 2_763_520


def test_without_batch_norm_convolutions_have_biases():
    discriminator = DCGANDiscriminator(64, 1, width=64, normalisation="none")
    assert parameters(discriminator) == 2_763_520 - 2 * (128 + 256 + 512) + (64 + 128 + 256 + 512)
    assert not [*discriminator.buffers()]


@pytest.mark.parametrize("resolution", [*range(16, 101), *RECTANGLES])
def test_every_resolution_and_number_of_channels_is_made_and_judged(resolution):
    height, width = sides(resolution)
    channels = 1 + width % 4
    latents = torch.randn(2, 3)
    images = DCGANGenerator(resolution, channels, latent_dim=3, width=2)(latents)
    assert images.shape == (2, channels, height, width)
    assert images.abs().max() <= 1
    assert DCGANDiscriminator(resolution, channels, width=2)(images).shape == (2,)


@pytest.mark.parametrize("resolution", [16, 28, 37, *RECTANGLES])
def test_every_pixel_is_drawn_and_judged(resolution):
    torch.manual_seed(0)
    images = DCGANGenerator(resolution, 1, latent_dim=3, width=4)(torch.randn(4, 3))
    assert (images.std(dim=0) > 0).all()
    images = images.detach().requires_grad_()
    DCGANDiscriminator(resolution, 1, width=4).eval()(images).sum().backward()
    assert images.grad.all()


@pytest.mark.parametrize("resolution", RECTANGLES)
def test_a_rectangles_weights_all_learn(resolution):
    torch.manual_seed(0)
    generator = DCGANGenerator(resolution, 2, latent_dim=3, width=2)
    discriminator = DCGANDiscriminator(resolution, 2, width=2)
    discriminator(generator(torch.randn(4, 3))).square().sum().backward()
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        assert parameter.grad.any()


@pytest.mark.parametrize("resolution", RECTANGLES)
def test_a_rectangle_is_made_and_judged_alike_alone_and_in_company(resolution):
    torch.manual_seed(0)
    generator = DCGANGenerator(resolution, 2, latent_dim=3, width=2).eval()
    discriminator = DCGANDiscriminator(resolution, 2, width=2).eval()
    latents = torch.randn(4, 3)
    images = generator(latents)
    torch.testing.assert_close(generator(latents[2:3]), images[2:3])
    torch.testing.assert_close(discriminator(images[2:3]), discriminator(images)[2:3])


@pytest.mark.parametrize("resolution", [16, 37, *RECTANGLES])
def test_without_batch_norm_an_image_is_judged_alone_in_training_too(resolution):
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(resolution, 2, width=2, normalisation="none").train()
    images = torch.randn(4, 2, *sides(resolution))
    torch.testing.assert_close(discriminator(images[2:3]), discriminator(images)[2:3])
    discriminator(images).square().sum().backward()
    for parameter in discriminator.parameters():
        assert parameter.grad.any()


def test_a_gradient_penalty_reaches_every_weight():
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(16, 2, width=2, normalisation="none")
    images = torch.randn(4, 2, 16, 16, requires_grad=True)
    (slopes,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    slopes.square().sum(dim=(1, 2, 3)).mean().backward()
    for name, parameter in discriminator.named_parameters():
        assert "bias" in name or parameter.grad.any()  # no bias changes a slope


@pytest.mark.parametrize("side", [32, 37])
def test_a_square_is_the_same_network_by_one_side_or_by_two(side):
    latents, images = torch.randn(4, 3), torch.randn(4, 1, side, side)
    made = []
    for resolution in (side, [side, side]):
        torch.manual_seed(0)
        generator = DCGANGenerator(resolution, 1, latent_dim=3, width=2)
        discriminator = DCGANDiscriminator(resolution, 1, width=2)
        weights = generator.state_dict() | discriminator.state_dict()
        made.append({**weights, "drawn": generator(latents), "judged": discriminator(images)})
    torch.testing.assert_close(*made, rtol=0, atol=0)


def test_logits_take_both_signs_because_no_sigmoid_is_inside():
    torch.manual_seed(0)
    logits = DCGANDiscriminator(16, 1, width=4)(torch.randn(32, 1, 16, 16))
    assert logits.min() < 0 < logits.max()
