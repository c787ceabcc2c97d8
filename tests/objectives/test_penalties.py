"""Penalties against critics whose slope is known, and the equations of their papers."""

import pytest
import torch
from torch import Tensor

from darkroom.images import Images, Logits
from darkroom.objectives import R1, R2, ApproximateR1, ApproximateR2, Judged, UnitSlope
from darkroom.randomness import Noise, key

REAL = torch.linspace(-1, 1, 5 * 2 * 3 * 4, dtype=torch.float64).reshape(5, 2, 3, 4)
FAKE = REAL.flip(0, 3) * 0.7 + 0.1
SLOPE = torch.arange(24, dtype=torch.float64).reshape(2, 3, 4).sin()


def line(images: Images) -> Logits:
    """D(x) = a x + 3, whose slope is a everywhere."""
    return (images * SLOPE).sum((1, 2, 3)) + 3


def bowl(images: Images) -> Logits:
    """D(x) = |x|^2 / 2, whose slope is x."""
    return images.square().sum((1, 2, 3)) / 2


def judged(critic, images: Tensor) -> Judged:
    return Judged(critic, images.clone().requires_grad_())


def noise(first: int = 0) -> Noise:
    return Noise(key("penalty"), torch.arange(first, first + 5))


def of(penalty, critic, first: int = 0) -> Tensor:
    return penalty(judged(critic, REAL), judged(critic, FAKE), noise(first))


def squared(images: Tensor) -> Tensor:
    return images.square().sum((1, 2, 3))


def test_r1_and_r2_are_half_the_squared_slope_at_real_and_at_fake_images() -> None:
    torch.testing.assert_close(of(R1(1), bowl), squared(REAL) / 2)
    torch.testing.assert_close(of(R2(1), bowl), squared(FAKE) / 2)
    for penalty in (R1(1), R2(1)):
        torch.testing.assert_close(of(penalty, line), squared(SLOPE[None]).expand(5) / 2)


def test_unit_slope_is_nothing_for_a_slope_of_one_and_counts_both_sides_of_it() -> None:
    length = SLOPE.square().sum().sqrt()
    for scale in (0.5, 1.0, 2.0):
        found = of(UnitSlope(), lambda images, scale=scale: line(images) * scale / length)
        torch.testing.assert_close(found, torch.full_like(found, (scale - 1) ** 2))


def test_unit_slope_looks_at_places_between_the_real_image_and_the_fake() -> None:
    u = noise().uniform(1, 1, 1).double()
    between = u * REAL + (1 - u) * FAKE
    torch.testing.assert_close(of(UnitSlope(), bowl), (squared(between).sqrt() - 1) ** 2)


def test_a_flat_critic_has_a_finite_gradient_of_its_penalty() -> None:
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    of(UnitSlope(), lambda images: weight * line(images)).sum().backward()
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize(
    ("approximate", "exact"), [(ApproximateR1(1, sigma=1e-4), R1(1)), (ApproximateR2(1), R2(1))]
)
def test_the_mean_of_an_approximation_is_the_exact_penalty(approximate, exact) -> None:
    draws = torch.stack([of(approximate, line, 5 * k) for k in range(4000)])
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - of(exact, line)).abs() < 4 * error).all()
    assert (error < 0.03 * of(exact, line)).all()


@pytest.mark.parametrize("penalty", [R1(1), R2(1), UnitSlope(), ApproximateR1(1), ApproximateR2(1)])
def test_a_penalty_moves_the_critic_towards_less_slope_and_not_the_images(penalty) -> None:
    weight = torch.full((1,), 3.0, dtype=torch.float64, requires_grad=True)
    real, fake = (judged(lambda images: weight * line(images), images) for images in (REAL, FAKE))
    penalty(real, fake, noise()).mean().backward()
    assert weight.grad.item() > 0


def test_each_image_has_a_penalty_of_its_own() -> None:
    alone = R1(1)(judged(bowl, REAL[3:4]), judged(bowl, FAKE[3:4]), noise())
    torch.testing.assert_close(alone, of(R1(1), bowl)[3:4])
