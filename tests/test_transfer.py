"""What a network takes over, and that it begins by doing what the old one did."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from darkroom import networks, randomness
from darkroom.transfer import Transfer, transfer

GENERATORS = ["DCGANGenerator", "R3GANGenerator", "SNGANGenerator"]
DISCRIMINATORS = ["DCGANDiscriminator", "R3GANDiscriminator"]


def made(kind: str, seed: int, **options: Any) -> nn.Module:
    sizes = {"resolution": 16, "channels": 1, "width": 8}
    sizes |= {} if "Discriminator" in kind else {"latent_dim": 6}
    with randomness.initialisation(seed):
        network = getattr(networks, kind)(**sizes | options)
        for name, buffer in network.named_buffers():  # as if it had been trained
            if "running" in name:
                buffer.copy_(torch.linspace(0.5, 1.5, len(buffer)))
        for weight in network.parameters():
            if not weight.any():
                nn.init.normal_(weight, std=0.1)
    return network.eval()


def moved(kind: str, before: dict[str, Any], after: dict[str, Any]) -> tuple[Any, Any, Transfer]:
    """An old network, a new one, and what the new one took over."""
    old, new = made(kind, 1, **before), made(kind, 2, **after)
    channels = before.get("channels", 1), after.get("channels", 1)
    name = "discriminator" if "Discriminator" in kind else "generator"
    return old, new, transfer(name, old, new, channels)


def numbers(*shape: int) -> Tensor:
    with randomness.initialisation(3):
        return torch.nn.init.normal_(torch.empty(shape))


@pytest.mark.parametrize("kind", [*GENERATORS, *DISCRIMINATORS, "SNGANDiscriminator", "ConvVAE"])
def test_an_equal_network_is_taken_over_bit_for_bit(kind: str) -> None:
    old, new, said = moved(kind, {}, {})
    assert all(torch.equal(new.state_dict()[k], v) for k, v in old.state_dict().items())
    assert said.taken == [*old.state_dict()]
    assert (said.adapted, said.fresh, said.left_out, said.share) == ({}, [], [], 1.0)


@pytest.mark.parametrize(("kind", "alpha"), [*product(GENERATORS, (0, 1))])
def test_a_generator_of_colour_draws_the_grey_of_before(kind: str, alpha: int) -> None:
    old, new, said = moved(kind, {"channels": 1}, {"channels": 3 + alpha})
    images, z = new(numbers(5, 6)), numbers(5, 6)
    torch.testing.assert_close(images[:, :3], old(z).expand(-1, 3, -1, -1))
    assert not images[:, 3:].any()
    assert said.share == 1.0
    assert all("transparency zero" in how for how in said.adapted.values()) == bool(alpha)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
@pytest.mark.parametrize(("before", "after"), [(1, 3), (2, 4), (1, 2), (1, 4), (3, 1), (3, 4)])
def test_a_discriminator_judges_grey_images_as_before(kind: str, before: int, after: int) -> None:
    old, new, said = moved(kind, {"channels": before}, {"channels": after})
    grey, alpha = numbers(5, 1, 16, 16), torch.ones(5, 1, 16, 16)

    def image(channels: int) -> Tensor:
        colours = grey.expand(-1, 1 if channels < 3 else 3, -1, -1)
        return colours if channels % 2 else torch.cat([colours, alpha], dim=1)

    torch.testing.assert_close(new(image(after)), old(image(before)), rtol=1e-4, atol=1e-5)
    (layer,) = said.adapted
    assert layer in ("layers.0.weight", "higher.1.weight")


def test_a_generator_of_grey_draws_the_mean_of_the_colours_before_its_tanh() -> None:
    old, new, _ = moved("SNGANGenerator", {"channels": 3}, {"channels": 1})
    colours, grey = (network(numbers(5, 6)).atanh() for network in (old, new))
    torch.testing.assert_close(grey, colours.mean(1, keepdim=True), rtol=1e-3, atol=1e-4)


def test_a_spectral_norm_is_known_of_weights_that_were_adapted() -> None:
    _, new, said = moved("SNGANDiscriminator", {}, {"channels": 3, "num_classes": 4})
    for name in (*said.adapted, *said.fresh):
        weight = new.get_submodule(name.partition(".parametrizations")[0]).weight
        largest = torch.linalg.matrix_norm(weight.detach().flatten(1), 2)
        assert float(largest) == pytest.approx(1, abs=0.02), name


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_that_learns_classes_draws_the_images_of_before(kind: str) -> None:
    old, new, said = moved(kind, {}, {"num_classes": 4})
    z = numbers(4, 6)
    torch.testing.assert_close(new(z, torch.arange(4)), old(z))
    assert said.fresh == ["code.embedding.weight"]
    assert list(said.adapted.values()) == ["zeros: no class is heeded yet"]


@pytest.mark.parametrize("kind", GENERATORS)
def test_each_new_class_begins_as_the_mean_of_the_old_ones(kind: str) -> None:
    old, new, said = moved(kind, {"num_classes": 10}, {"num_classes": 3})
    z, mean = numbers(3, 6), old.code.embedding.weight.mean(0, keepdim=True)
    old.code.embedding.weight.data[:] = mean
    torch.testing.assert_close(new(z, torch.arange(3)), old(z, torch.tensor([9, 4, 0])))
    assert said.adapted == {"code.embedding.weight": "classes 10 -> 3, each the mean"}


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_that_forgets_its_classes_draws_as_for_a_class_of_zero(kind: str) -> None:
    old, new, said = moved(kind, {"num_classes": 10}, {})
    z = numbers(3, 6)
    nn.init.zeros_(old.code.embedding.weight)
    torch.testing.assert_close(new(z), old(z, torch.arange(3)))
    assert said.left_out == ["code.embedding.weight"]


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_a_discriminator_that_learns_or_forgets_classes_judges_as_without_them(kind: str) -> None:
    x, y = numbers(4, 1, 16, 16), torch.arange(4)
    old, new, said = moved(kind, {}, {"num_classes": 4})
    assert torch.equal(new(x, y), old(x))
    assert said.adapted == {"projection.embedding.weight": "zeros: no class is heeded yet"}
    old, new, said = moved(kind, {"num_classes": 4}, {})
    nn.init.zeros_(old.projection.embedding.weight)
    assert torch.equal(new(x), old(x, y))
    assert said.left_out == ["projection.embedding.weight"]


def test_a_residual_generator_of_twice_the_resolution_draws_the_same_twice_as_large() -> None:
    old = made("R3GANGenerator", 1)
    with randomness.initialisation(2):
        new = networks.R3GANGenerator(resolution=32, channels=1, width=8, latent_dim=6)
    said = transfer("generator", old, new, (1, 1))
    doubled = nn.Sequential(*old.higher[:-1], old.higher[0], old.higher[-1])
    old.higher, z = doubled, numbers(5, 6)
    old.crop = new.crop
    torch.testing.assert_close(new(z), old(z))
    assert {name.partition(".")[0] + name[6:8] for name in said.fresh} == {"higher.5"}
    assert said.left_out == []


def test_layers_of_another_depth_are_matched_by_what_they_do_and_not_by_their_number() -> None:
    old, new, said = moved("DCGANGenerator", {"width": 4}, {"width": 4, "resolution": 32})
    for at_16, at_32 in ((3, 6), (6, 9)):  # the convolutions nearest the image
        assert torch.equal(new.layers[at_32].weight, old.layers[at_16].weight)
    assert {name[:8] for name in said.fresh} == {"layers.0", "layers.1", "layers.3"}
    assert said.left_out == ["layers.0.weight"]
    old, new, said = moved("R3GANDiscriminator", {"channels": 3}, {"channels": 1, "resolution": 32})
    assert torch.equal(new.higher[4][0].weight, old.higher[2][0].weight)  # nearest the logits
    assert "higher.1.weight" in said.adapted
    assert {name[:8] for name in said.fresh} == {"higher.2"}


def test_nothing_fits_of_another_width() -> None:
    for kind in (*GENERATORS, *DISCRIMINATORS, "SNGANDiscriminator"):
        _, new, said = moved(kind, {}, {"width": 16})
        before = made(kind, 2, width=16).state_dict()
        assert said.share < 0.02
        assert all(torch.equal(new.state_dict()[name], before[name]) for name in said.fresh)


def test_latents_of_another_length_are_not_taken_for_latents_with_a_class() -> None:
    for kind, length in product(GENERATORS, (3, 12)):
        _, _, said = moved(kind, {}, {"latent_dim": length})
        assert said.adapted == {}
        assert said.fresh


def test_the_statement_names_every_tensor_once() -> None:
    before = {"num_classes": 10}
    after = {"channels": 3, "num_classes": 4, "resolution": 32}
    for kind in (*GENERATORS, *DISCRIMINATORS):
        old, new, said = moved(kind, before, after)
        assert sorted([*said.taken, *said.adapted, *said.fresh]) == sorted(new.state_dict())
        assert set(said.left_out) <= set(old.state_dict())
        lines = str(said).splitlines()
        assert f"{len(said.taken)} tensors taken over, in all {said.share:.1%}" in lines[0]
        assert len(lines) <= 6
