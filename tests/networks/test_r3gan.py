import copy
import re

import pytest
import torch
from torch import nn

from darkroom.images import sides
from darkroom.networks import R3GANDiscriminator, R3GANGenerator

RECTANGLES = [[48, 64], [64, 48], [17, 40], [16, 128]]
SIDES = [16, 17, 28, 31, 32, 37, 63, 64, 65, 100]

each_network = pytest.mark.parametrize("kind", [R3GANGenerator, R3GANDiscriminator])


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def woken(network):
    """The network with what begins at zero away from it, so that every weight matters."""
    torch.manual_seed(1)
    for weights in network.parameters():
        if not weights.any():
            nn.init.normal_(weights, std=0.1)
    return network


def pair(resolution, channels=2, **options):
    """Both networks, narrow and awake."""
    torch.manual_seed(0)
    options = {"width": 4, "group_size": 4, **options}
    generator = R3GANGenerator(resolution, channels, latent_dim=3, **options)
    return woken(generator), woken(R3GANDiscriminator(resolution, channels, **options))


@each_network
def test_the_docstring_tells_the_number_of_parameters(kind):
    told = re.search(r"At 32x32x1 with the defaults: ([\d,]+) parameters", kind.__doc__)
    assert int(told[1].replace(",", "")) == parameters(kind(32, 1))


@pytest.mark.parametrize(("side", "drawing", "judging"), [(32, 20.73, 20.68), (64, 22.43, 22.38)])
def test_at_the_papers_sizes_the_networks_have_the_papers_parameters(side, drawing, judging):
    with torch.device("meta"):
        networks = [
            kind(side, 3, width=768, blocks=2) for kind in (R3GANGenerator, R3GANDiscriminator)
        ]
    assert [round(parameters(network) / 1e6, 2) for network in networks] == [drawing, judging]


@pytest.mark.parametrize(
    ("side", "options", "widths"),
    [
        (32, {}, [128, 128, 128, 128]),
        (64, {"width": 256, "wide_levels": 3}, [256, 256, 256, 128, 64]),
        (64, {"width": 384, "wide_levels": 3}, [384, 384, 384, 192, 96]),
        (64, {"width": 768}, [768, 768, 768, 768, 384]),
        (64, {"width": 8, "wide_levels": 1}, [8, 4, 2, 1, 1]),
        (28, {"width": 8, "wide_levels": 9}, [8, 8, 8]),
    ],
)
@each_network
def test_the_lowest_levels_are_wide_and_each_further_one_half_as_wide(kind, side, options, widths):
    with torch.device("meta"):
        network = kind(side, 1, blocks=2, **options)
    drawn = [
        next(module.parameters()).shape[1]
        for module in network.modules()
        if type(module).__name__ == "_Block"
    ]
    expected = [width for width in widths for _ in range(2)]
    assert drawn == (expected if kind is R3GANGenerator else expected[::-1])


@each_network
@pytest.mark.parametrize(("group_size", "looks_at"), [(16, 16), (None, 48), (32, 16), (1, 1)])
def test_the_group_size_tells_how_many_channels_are_looked_at_together(kind, group_size, looks_at):
    network = kind(16, 1, width=24, group_size=group_size)
    looking = [layer for layer in network.modules() if getattr(layer, "padding", None) == (1, 1)]
    assert [layer.weight.shape for layer in looking] == [(48, looks_at, 3, 3)] * 3


@each_network
def test_the_initial_weights_are_fix_ups(kind):
    torch.manual_seed(0)
    network = kind(32, 1, width=64, blocks=2)  # eight blocks
    gain = 2**0.5 / (1 + 0.2**2) ** 0.5 * 8**-0.25
    for module in network.modules():
        if type(module).__name__ == "_Block":
            widening, _, looking, _, narrowing = module
            assert widening.weight.std().item() == pytest.approx(gain / 64**0.5, rel=0.05)
            assert looking.weight.std().item() == pytest.approx(gain / (16 * 9) ** 0.5, rel=0.05)
            assert not any(w.any() for w in (widening.bias, looking.bias, narrowing.weight))


def test_at_first_images_and_logits_are_about_as_large_as_their_causes():
    torch.manual_seed(0)
    images = R3GANGenerator(32, 1, width=64)(torch.randn(32, 64))
    assert 0.25 < images.std() < 2
    logits = R3GANDiscriminator(32, 1, width=64)(torch.ones(1, 1, 32, 32)).item()
    assert 0.1 < abs(logits) < 4


@pytest.mark.parametrize("resolution", [*SIDES, *RECTANGLES])
def test_every_resolution_and_number_of_channels_is_made_and_judged(resolution):
    height, width = sides(resolution)
    channels = 1 + width % 4
    generator, discriminator = pair(resolution, channels)
    images = generator(torch.randn(2, 3))
    assert images.shape == (2, channels, height, width)
    assert discriminator(images).shape == (2,)


@pytest.mark.parametrize("resolution", [16, 28, 37, *RECTANGLES])
def test_every_pixel_is_drawn_and_judged(resolution):
    generator, discriminator = pair(resolution)
    images = generator(torch.randn(4, 3))
    assert (images.std(dim=0) > 0).all()
    images = images.detach().requires_grad_()
    discriminator(images).sum().backward()
    assert images.grad.all()


def test_images_are_not_squeezed():
    generator, _ = pair(16)
    latents = torch.randn(1, 3)
    assert generator(100 * latents).abs().max() > 1


@pytest.mark.parametrize("options", [{}, {"blocks": 2, "wide_levels": 2}, {"group_size": None}])
@pytest.mark.parametrize("resolution", [32, *RECTANGLES])
def test_all_weights_learn(resolution, options):
    generator, discriminator = pair(resolution, **options)
    discriminator(generator(torch.randn(4, 3))).square().sum().backward()
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        assert parameter.grad.any()


@pytest.mark.parametrize("resolution", [32, *RECTANGLES])
def test_an_image_is_made_and_judged_alike_alone_and_in_company(resolution):
    generator, discriminator = pair(resolution)
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


def test_resampling_is_bilinear_by_1_2_1():
    halved = R3GANDiscriminator(16, 1).higher[3]
    doubled = R3GANGenerator(16, 1).higher[0]
    dot = torch.zeros(1, 1, 8, 8)
    dot[..., 4, 4] = 1
    hat = torch.tensor([1.0, 2.0, 1.0]) / 2
    assert doubled(dot)[0, 0, 7:10, 7:10].equal(hat[:, None] * hat)
    assert doubled(dot).sum() == 4
    assert halved(dot)[0, 0, 2, 2] == 1 / 4
    maps, half = torch.randn(2, 3, 8, 12), torch.randn(2, 3, 4, 6)
    torch.testing.assert_close((halved(maps) * half).sum(), (maps * doubled(half)).sum() / 4)


@pytest.mark.parametrize("halves", [False, True], ids=["float64", "bfloat16"])
def test_a_gradient_penalty_reaches_every_weight(halves):
    """R1 needs the derivative of a derivative; in half precision too, where autocast chooses."""
    _, discriminator = pair(20, group_size=4, wide_levels=2)
    images = torch.randn(4, 2, 20, 20)
    if not halves:
        discriminator, images = discriminator.double(), images.double()
    images.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=halves):
        logits = discriminator(images)
        assert logits.dtype == images.dtype
        (slopes,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        slopes.square().sum(dim=(1, 2, 3)).mean().backward()
    gradients = {name: p.grad for name, p in discriminator.named_parameters()}
    for name, gradient in gradients.items():
        assert gradient.isfinite().all()
        assert gradient.any() or "bias" in name


def test_in_double_precision_the_penaltys_gradient_is_the_slope():
    _, discriminator = pair(16)
    images = torch.randn(1, 2, 16, 16, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(discriminator.double(), images, fast_mode=True)


def test_the_lowest_level_keeps_its_precision_under_autocast():
    dtypes = {}
    for network, x in zip(pair(16), (torch.randn(2, 3), torch.randn(2, 2, 16, 16)), strict=True):
        for part in ("lowest", "higher"):
            key = (type(network), part)
            getattr(network, part).register_forward_hook(
                lambda _, __, maps, key=key: dtypes.update({key: maps.dtype})
            )
        with torch.autocast("cpu", torch.bfloat16):
            network(x)
    assert {part: dtype for (_, part), dtype in dtypes.items()} == {
        "lowest": torch.float32,
        "higher": torch.bfloat16,
    }


def test_the_networks_are_copied_and_loaded():
    for network, x in zip(pair(16), (torch.randn(2, 3), torch.randn(2, 2, 16, 16)), strict=True):
        torch.manual_seed(3)
        twin = copy.deepcopy(network)
        assert twin(x).equal(network(x))
        for weights in network.parameters():
            weights.data += 0.1
        assert not twin(x).equal(network(x))
        twin.load_state_dict(network.state_dict())
        assert twin(x).equal(network(x))


@each_network
@pytest.mark.parametrize("option", ["wide_levels", "blocks", "expansion", "group_size"])
def test_what_cannot_be_made_is_refused_with_its_option(kind, option):
    place = "generator" if kind is R3GANGenerator else "discriminator"
    with pytest.raises(ValueError, match=rf"model\.{place}\.{option}=0: type a number from 1"):
        kind(16, 1, **{option: 0})
