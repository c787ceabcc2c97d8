import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from darkroom.objectives import MinMax, NonSaturating

REAL = torch.linspace(-6, 6, 13, dtype=torch.float64)
FAKE = REAL.flip(0) * 0.7
each_game = pytest.mark.parametrize("game", [MinMax(), NonSaturating()])


def cross_entropy(logits, label):
    targets = torch.full_like(logits, label)
    return binary_cross_entropy(torch.sigmoid(logits), targets, reduction="none")


@each_game
def test_the_discriminator_minimises_the_cross_entropy_of_real_with_1_and_fake_with_0(game):
    expected = cross_entropy(REAL, 1) + cross_entropy(FAKE, 0)
    torch.testing.assert_close(game.discriminator(REAL, FAKE), expected)


def test_the_non_saturating_generator_minimises_the_cross_entropy_with_1():
    torch.testing.assert_close(NonSaturating().generator(FAKE), cross_entropy(FAKE, 1))


def test_the_min_max_generator_minimises_the_value_that_the_discriminator_maximises():
    torch.testing.assert_close(MinMax().generator(FAKE), -cross_entropy(FAKE, 0))


@pytest.mark.parametrize(("game", "gradient"), [(MinMax(), 0), (NonSaturating(), -1)])
def test_only_the_min_max_gradient_vanishes_where_the_discriminator_is_sure(game, gradient):
    fake = torch.tensor([-50.0], requires_grad=True)
    game.generator(fake).sum().backward()
    assert fake.grad.item() == pytest.approx(gradient, abs=1e-12)


@each_game
def test_extreme_logits_do_not_overflow(game):
    extreme = torch.tensor([-1e4, 1e4])
    assert torch.isfinite(game.discriminator(extreme, extreme)).all()
    assert torch.isfinite(game.generator(extreme)).all()
