import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from darkroom.objectives import (
    Adversarial,
    Hinge,
    LeastSquares,
    MinMax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)

REAL = torch.linspace(-6, 6, 13, dtype=torch.float64)
FAKE = REAL.flip(0) * 0.7
CROSS_ENTROPIES = [MinMax(), NonSaturating()]
ALL = [*CROSS_ENTROPIES, LeastSquares(), Hinge(), Wasserstein(), Relativistic()]
each_game = pytest.mark.parametrize("game", ALL)


def real():
    return REAL


def cross_entropy(logits, label):
    targets = torch.full_like(logits, label)
    return binary_cross_entropy(torch.sigmoid(logits), targets, reduction="none")


@pytest.mark.parametrize("game", CROSS_ENTROPIES)
def test_the_discriminator_minimises_the_cross_entropy_of_real_with_1_and_fake_with_0(game):
    expected = cross_entropy(REAL, 1) + cross_entropy(FAKE, 0)
    torch.testing.assert_close(game.discriminator(REAL, FAKE), expected)


def test_the_non_saturating_generator_minimises_the_cross_entropy_with_1():
    torch.testing.assert_close(NonSaturating().generator(real, FAKE), cross_entropy(FAKE, 1))


def test_the_min_max_generator_minimises_the_value_that_the_discriminator_maximises():
    torch.testing.assert_close(MinMax().generator(real, FAKE), -cross_entropy(FAKE, 0))


@pytest.mark.parametrize(("game", "gradient"), [(MinMax(), 0), (NonSaturating(), -1)])
def test_only_the_min_max_gradient_vanishes_where_the_discriminator_is_sure(game, gradient):
    fake = torch.tensor([-50.0], requires_grad=True)
    game.generator(real, fake).sum().backward()
    assert fake.grad.item() == pytest.approx(gradient, abs=1e-12)


@each_game
def test_extreme_logits_do_not_overflow(game):
    extreme = torch.tensor([-1e4, 1e4])
    assert torch.isfinite(game.discriminator(extreme, extreme)).all()
    assert torch.isfinite(game.generator(lambda: extreme, extreme)).all()


def test_least_squares_draws_real_logits_to_1_and_fake_logits_to_0():
    found = LeastSquares().discriminator(REAL, FAKE)
    torch.testing.assert_close(found, 0.5 * (REAL - 1) ** 2 + 0.5 * FAKE**2)
    torch.testing.assert_close(LeastSquares().generator(real, FAKE), 0.5 * (FAKE - 1) ** 2)


def test_hinge_asks_for_a_margin_of_1_and_no_more():
    found = Hinge().discriminator(torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-2.0, 0.0, 1.0]))
    assert found.tolist() == [0, 1, 3]
    torch.testing.assert_close(Hinge().generator(real, FAKE), -FAKE)


def test_wasserstein_is_the_difference_of_the_means():
    torch.testing.assert_close(Wasserstein().discriminator(REAL, FAKE), FAKE - REAL)
    torch.testing.assert_close(Wasserstein().generator(real, FAKE), -FAKE)


def test_relativistic_is_the_cross_entropy_of_the_differences_of_pairs():
    found = Relativistic().discriminator(REAL, FAKE)
    torch.testing.assert_close(found, cross_entropy(REAL - FAKE, 1))
    torch.testing.assert_close(Relativistic().generator(real, FAKE), cross_entropy(FAKE - REAL, 1))


def test_relativistic_does_not_notice_what_is_added_to_all_logits():
    game = Relativistic()
    torch.testing.assert_close(
        game.discriminator(REAL + 7, FAKE + 7), game.discriminator(REAL, FAKE)
    )


def test_only_the_relativistic_generator_asks_for_the_real_logits():
    asked = []
    for game in ALL:
        game.generator(lambda game=game: asked.append(game) or REAL, FAKE)
    assert [type(game) for game in asked] == [Relativistic]


@each_game
def test_each_player_pulls_its_own_way(game: Adversarial):
    """The discriminator raises real logits over fake ones, the generator raises fake ones."""
    x, y = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    game.discriminator(x, y).sum().backward()
    assert (x.grad - y.grad < 0).all()
    y.grad = None
    game.generator(x.detach, y).sum().backward()
    assert (y.grad < 0).all()


@each_game
def test_logits_are_read_as_probabilities_only_where_they_are_log_odds(game: Adversarial):
    logits = torch.tensor([-2.0, 0.0, 3.0])
    if game in CROSS_ENTROPIES:
        assert game.reading.name == "probability"
        torch.testing.assert_close(game.reading.of(logits), torch.sigmoid(logits))
    else:
        assert game.reading.name == "logit"
        torch.testing.assert_close(game.reading.of(logits), logits)
