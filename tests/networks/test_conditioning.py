"""What every network does with classes, and what none of them does without."""

import pytest
import torch

from darkroom.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    R3GANDiscriminator,
    R3GANGenerator,
    SNGANDiscriminator,
    SNGANGenerator,
)

GENERATORS = [DCGANGenerator, R3GANGenerator, SNGANGenerator]
DISCRIMINATORS = [DCGANDiscriminator, R3GANDiscriminator, SNGANDiscriminator]

each_generator = pytest.mark.parametrize("kind", GENERATORS)
each_discriminator = pytest.mark.parametrize("kind", DISCRIMINATORS)
each_network = pytest.mark.parametrize("kind", [*GENERATORS, *DISCRIMINATORS])


def made(kind, num_classes, seed=0):
    """A small network in double precision, for images of 16x16x2 from latents of length 3."""
    torch.manual_seed(seed)
    latent_dim = {"latent_dim": 3} if kind in GENERATORS else {}
    return kind(16, 2, width=4, num_classes=num_classes, **latent_dim).eval().double()


def given(kind):
    """Three times the same input."""
    torch.manual_seed(1)
    shape = (1, 3) if kind in GENERATORS else (1, 2, 16, 16)
    repeats = [1] * (len(shape) - 1)
    return torch.randn(shape, dtype=torch.float64).repeat(3, *repeats)


@each_network
def test_another_class_gives_another_answer_and_the_same_class_the_same(kind):
    answers = made(kind, num_classes=5)(given(kind), torch.tensor([4, 0, 4]))
    torch.testing.assert_close(answers[0], answers[2])
    assert not torch.isclose(answers[0], answers[1]).all()


@each_network
def test_without_classes_labels_change_nothing_and_are_not_needed(kind):
    network, x = made(kind, num_classes=0), given(kind)
    assert network(x).equal(network(x, torch.tensor([4, 0, 4])))


@each_network
def test_without_classes_nothing_of_them_is_there(kind):
    without, classed = (made(kind, n).state_dict() for n in (0, 5))
    added = {name for name in classed if "embedding" in name}
    assert added
    assert list(without) == [name for name in classed if name not in added]


@each_network
def test_a_network_of_classes_asks_for_labels(kind):
    does = "draws" if kind in GENERATORS else "judges"
    with pytest.raises(ValueError, match=rf"{does} images of 5 classes .* one of 0 to 4"):
        made(kind, num_classes=5)(given(kind))


@each_network
def test_a_negative_number_of_classes_is_refused(kind):
    place = "generator" if kind in GENERATORS else "discriminator"
    with pytest.raises(ValueError, match=rf"model\.{place}\.num_classes=-1: type"):
        made(kind, num_classes=-1)


@each_network
def test_the_classes_that_were_seen_learn(kind):
    network = made(kind, num_classes=5).train()
    network(given(kind), torch.tensor([4, 0, 4])).square().sum().backward()
    (learnt,) = (p.grad for name, p in network.named_parameters() if "embedding" in name)
    if kind is not SNGANDiscriminator:  # there, the largest singular value is everybody's
        assert learnt.any(dim=1).tolist() == [True, False, False, False, True]
    assert learnt[0].any()


@each_generator
def test_a_generator_starts_from_the_latents_with_the_class_beside_them(kind):
    network, latents = made(kind, num_classes=5), given(kind)
    code = network.code(latents, torch.tensor([4, 0, 4]))
    assert code[:, :3].equal(latents)
    assert code[:, 3:].equal(network.code.embedding.weight[[4, 0, 4]])


@each_discriminator
def test_a_discriminator_adds_the_projection(kind):
    network, y = made(kind, num_classes=5), torch.tensor([4, 0, 4])
    projected = []
    network.projection.register_forward_hook(lambda _, given, sum: projected.append((*given, sum)))
    network(given(kind), y)
    ((logits, maps, labels, sum),) = projected
    assert labels.equal(y)
    embed, h = network.projection.embedding.weight, maps.mean(dim=(2, 3))
    written = torch.stack([logits[i] + embed[y[i]] @ h[i] for i in range(3)])
    torch.testing.assert_close(sum, written)


@each_network
def test_a_network_of_classes_is_loaded_as_it_was_saved(kind):
    network, x, y = made(kind, num_classes=5), given(kind), torch.tensor([4, 0, 4])
    other = made(kind, num_classes=5, seed=1)
    assert not other(x, y).equal(network(x, y))
    other.load_state_dict(network.state_dict())
    assert other(x, y).equal(network(x, y))
