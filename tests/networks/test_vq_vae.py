import itertools
import math
import re

import pytest
import torch

from darkroom.images import sides
from darkroom.networks import VQVAE, LatentModel
from darkroom.networks.quantiser import Quantiser
from darkroom.randomness import Noise

RECTANGLES = [[48, 64], [64, 48], [17, 40], [16, 128]]
LEVELS = (4, 3)
GRID = set(itertools.product([-3, -1, 1, 3], [-1, 0, 1]))  # thirds, and halves of 2


def noise(n):
    return Noise(0, torch.arange(n))


def on_grid(vectors):
    """Of each vector, its place on the grid in whole numbers."""
    return {(round(3 * a), round(b)) for a, b in vectors.reshape(-1, 2).tolist()}


@pytest.fixture(params=[20, *RECTANGLES], ids=str)
def resolution(request):
    return request.param


@pytest.fixture
def network(resolution):
    torch.manual_seed(0)
    return VQVAE(resolution, 3, LEVELS, width=4)


@pytest.fixture
def images(resolution):
    return 2 * torch.rand(4, 3, *sides(resolution)) - 1


def test_the_docstring_tells_the_number_of_parameters():
    told = re.search(r"At 32x32x3 with the defaults: ([\d,]+) parameters", VQVAE.__doc__)
    assert int(told[1].replace(",", "")) == sum(p.numel() for p in VQVAE(32, 3).parameters())


@pytest.mark.parametrize(
    ("resolution", "positions"), [(16, 16), (28, 49), (32, 64), ([17, 40], 50)]
)
def test_a_code_stands_for_a_square_of_four_pixels(resolution, positions):
    network = VQVAE(resolution, 1, width=2)
    assert isinstance(network, LatentModel)
    assert network.latent_dim == 4 * positions
    assert VQVAE(32, 1, LEVELS, width=2, downsampling=8).latent_dim == 2 * 16


@pytest.mark.parametrize("downsampling", [2, 4, 8, 16])
@pytest.mark.parametrize("resolution", [*range(16, 38), *RECTANGLES])
def test_every_resolution_and_number_of_channels_is_rebuilt(resolution, downsampling):
    height, width = sides(resolution)
    channels = 1 + width % 4
    network = VQVAE(
        resolution, channels, LEVELS, width=2, downsampling=downsampling, parameters_per_value=2
    )
    images = torch.rand(2, channels, height, width)
    inference = network.infer(images, noise(2))
    assert inference.parameters.shape == (2, 2 * channels, height, width)
    for terms in (inference.rates, inference.log_ratios):
        assert [term.shape for term in terms] == [(2,)]
    assert network.encode(images).shape == inference.latents.shape == (2, network.latent_dim)


def test_an_image_is_judged_alike_alone_and_in_company(network, images):
    together = network.infer(images, noise(4))
    alone = network.infer(images[2:3], Noise(0, torch.tensor([2])))
    torch.testing.assert_close(together.parameters[2:3], alone.parameters)
    torch.testing.assert_close(together.latents[2:3], alone.latents)


def test_inference_decodes_the_codes_and_draws_nothing(network, images):
    inference = network.infer(images, noise(4))
    codes = network.encode(images)
    torch.testing.assert_close(inference.latents, codes, rtol=0, atol=0)
    torch.testing.assert_close(inference.parameters, network.decode(codes), rtol=0, atol=0)
    assert on_grid(codes) <= GRID


def test_the_rate_is_that_of_equally_probable_codes(network, images):
    inference = network.infer(images, noise(4))
    positions = network.latent_dim // 2
    for (term,) in (inference.rates, inference.log_ratios):
        torch.testing.assert_close(term, torch.full((4,), positions * math.log(12)))
        assert not term.requires_grad


def test_every_weight_learns(network, images):
    network.infer(images, noise(4)).parameters.square().sum().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize("resolution", [16, 37, *RECTANGLES])
def test_every_pixel_is_looked_at_and_drawn(resolution):
    torch.manual_seed(0)
    network = VQVAE(resolution, 1, width=4)
    images = torch.rand(4, 1, *sides(resolution), requires_grad=True)
    rebuilt = network.decode(network.encode(images))
    assert (rebuilt.std(dim=0) > 0).all()
    rebuilt.square().sum().backward()
    assert images.grad.any(0).all()


def test_latents_are_in_the_order_of_the_positions():
    torch.manual_seed(0)
    network = VQVAE([16, 24], 1, LEVELS, width=4, downsampling=8, blocks=0)
    latents = network.encode(torch.rand(1, 1, 16, 24)).reshape(2, 3, 2)  # rows, columns, dimensions
    other = latents.clone()
    other[1, 2] = -other[1, 2] + 2 / 3  # at the bottom on the right
    changed = network.decode(latents.reshape(1, -1)) != network.decode(other.reshape(1, -1))
    assert changed[0, 0, 12:, 20:].all()
    assert on_grid(other) <= GRID


def test_numbers_beside_the_grid_are_taken_for_its_nearest_point(network, images):
    codes = network.encode(images)
    torch.testing.assert_close(
        network.decode(codes + 0.2), network.decode(codes - 0.2), rtol=0, atol=0
    )


def test_classes_are_drawn_and_do_not_change_the_codes():
    torch.manual_seed(0)
    network = VQVAE(16, 1, LEVELS, width=4, num_classes=3)
    images, labels = torch.rand(1, 1, 16, 16).expand(3, -1, -1, -1), torch.arange(3)
    inference = network.infer(images, noise(3), labels)
    torch.testing.assert_close(inference.latents[0], inference.latents[1])
    assert not torch.allclose(inference.parameters[0], inference.parameters[1])
    alone = network.decode(inference.latents[2:], labels[2:])
    torch.testing.assert_close(inference.parameters[2:], alone)
    with pytest.raises(ValueError, match="labels"):
        network.infer(images, noise(3))


@pytest.mark.parametrize("side", [32, 37])
def test_a_square_is_the_same_network_by_one_side_or_by_two(side):
    images = torch.rand(2, 1, side, side)
    made = []
    for resolution in (side, [side, side]):
        torch.manual_seed(0)
        network = VQVAE(resolution, 1, width=2)
        rebuilt = network.infer(images, noise(2)).parameters
        made.append({**network.state_dict(), "rebuilt": rebuilt})
    torch.testing.assert_close(*made, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"levels": []}, "levels"),
        ({"levels": [5, 1]}, "levels"),
        ({"downsampling": 3}, "downsampling"),
        ({"downsampling": 1}, "downsampling"),
        ({"blocks": -1}, "blocks"),
        ({"width": 0}, "width"),
        ({"num_classes": -1}, "num_classes"),
        ({"resolution": 15}, "resolution"),
        ({"channels": 5}, "channels"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_remedy(options, named):
    with pytest.raises(ValueError, match=named):
        VQVAE(**{"resolution": 16, "channels": 1} | options)


def test_the_grid_has_every_point_and_no_other():
    torch.manual_seed(0)
    assert on_grid(Quantiser(LEVELS)(3 * torch.randn(1000, 2))) == GRID


@pytest.mark.parametrize("number", range(2, 10))
def test_levels_lie_evenly_from_end_to_end(number):
    values = Quantiser([number])(torch.linspace(-9, 9, 10_001)[:, None]).unique()
    torch.testing.assert_close(values, torch.linspace(-1, 1, number))


def test_points_of_the_grid_stay_where_they_are():
    quantiser = Quantiser([8, 5, 5, 5])
    points = quantiser(2 * torch.randn(1000, 4))
    torch.testing.assert_close(quantiser.nearest(points), points, rtol=0, atol=0)


def test_the_gradient_passes_rounding_and_not_the_bound():
    z = torch.randn(10, 2, requires_grad=True)
    weights = torch.randn(10, 2)
    (weights * Quantiser(LEVELS)(z)).sum().backward()
    torch.testing.assert_close(z.grad, weights * (1 - z.detach().tanh() ** 2))
