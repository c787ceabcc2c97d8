import copy
import re

import pytest
import torch
from torch import nn

from darkroom.images import sides
from darkroom.networks import SNGANDiscriminator, SNGANGenerator

RECTANGLES = [[48, 64], [64, 48], [17, 40], [16, 128]]
SIDES = [16, 17, 28, 31, 32, 37, 63, 64, 65, 100]


def pair(resolution, channels=2, width=2, **options):
    torch.manual_seed(0)
    generator = SNGANGenerator(resolution, channels, latent_dim=3, width=width, **options)
    return generator, SNGANDiscriminator(resolution, channels, width=width, **options)


@pytest.mark.parametrize("kind", [SNGANGenerator, SNGANDiscriminator])
def test_the_docstring_tells_the_number_of_parameters(kind):
    told = re.search(r"At 32x32x1 with the defaults: ([\d,]+) parameters", kind.__doc__)
    network = kind(32, 1)
    assert int(told[1].replace(",", "")) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("resolution", [*SIDES, *RECTANGLES])
def test_every_resolution_and_number_of_channels_is_made_and_judged(resolution):
    height, width = sides(resolution)
    channels = 1 + width % 4
    generator, discriminator = pair(resolution, channels)
    images = generator(torch.randn(2, 3))
    assert images.shape == (2, channels, height, width)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (2,)


@pytest.mark.parametrize("resolution", [16, 28, 37, *RECTANGLES])
def test_every_pixel_is_drawn_and_judged(resolution):
    generator, discriminator = pair(resolution, width=8)  # few ReLUs could all be off somewhere
    images = generator(torch.randn(4, 3))
    assert (images.std(dim=0) > 0).all()
    images = images.detach().requires_grad_()
    discriminator(images).sum().backward()
    assert images.grad.all()


@pytest.mark.parametrize("resolution", [32, *RECTANGLES])
def test_all_weights_learn(resolution):
    generator, discriminator = pair(resolution)
    discriminator(generator(torch.randn(4, 3))).square().sum().backward()
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        assert parameter.grad.any()


@pytest.mark.parametrize("resolution", [32, *RECTANGLES])
def test_an_image_is_made_and_judged_alike_alone_and_in_company(resolution):
    generator, discriminator = (network.eval() for network in pair(resolution))
    latents = torch.randn(4, 3)
    images = generator(latents)
    torch.testing.assert_close(generator(latents[2:3]), images[2:3])
    torch.testing.assert_close(discriminator(images[2:3]), discriminator(images)[2:3])


@pytest.mark.parametrize("side", [32, 37])
def test_a_square_is_the_same_network_by_one_side_or_by_two(side):
    latents, images = torch.randn(4, 3), torch.randn(4, 2, side, side)
    made = []
    for resolution in (side, [side, side]):
        generator, discriminator = pair(resolution)
        weights = generator.state_dict() | discriminator.state_dict()
        made.append({**weights, "drawn": generator(latents), "judged": discriminator(images)})
    torch.testing.assert_close(*made, rtol=0, atol=0)


def test_every_layer_that_judges_has_the_largest_singular_value_1():
    _, discriminator = pair(20, num_classes=5)
    images, labels = torch.randn(2, 2, 20, 20), torch.tensor([4, 0])
    for _ in range(200):  # each is a step of power iteration
        discriminator(images, labels)
    layers = [
        layer
        for layer in discriminator.eval().modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.Embedding))
    ]
    assert len(layers) == 2 * 3 + 2 + 1 + 1  # two blocks that halve, one that keeps, and the ends
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=1e-3)


def test_images_are_summed_over_pixels():
    _, discriminator = pair(16)
    discriminator.eval()
    maps = discriminator.layers(images := torch.randn(2, 2, 16, 16))
    weight, bias = discriminator.judgement.weight, discriminator.judgement.bias
    torch.testing.assert_close(discriminator(images), maps.sum(dim=(2, 3)) @ weight[0] + bias)


def test_a_gradient_penalty_reaches_every_weight():
    _, discriminator = pair(20)
    images = torch.randn(4, 2, 20, 20, requires_grad=True)
    (slopes,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    slopes.square().sum(dim=(1, 2, 3)).mean().backward()
    for name, parameter in discriminator.named_parameters():
        assert "bias" in name or parameter.grad.any()  # no bias changes a slope


def test_the_networks_are_copied_and_loaded_with_what_power_iteration_has_found():
    inputs = torch.randn(4, 3), torch.randn(4, 2, 16, 16)
    for network, x in zip(pair(16), inputs, strict=True):
        twin = copy.deepcopy(network)
        assert twin(x).equal(network(x))
        for weights in network.parameters():
            weights.data += 0.1
        for _ in range(2):
            network(x)
        assert not twin(x).equal(network(x))
        twin.load_state_dict(network.state_dict())
        for _ in range(2):  # in training mode, so what is found next is the same too
            assert twin(x).equal(network(x))
