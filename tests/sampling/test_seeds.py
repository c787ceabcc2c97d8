"""Latents of seeds, plain and truncated."""

import math

import pytest
import torch

from darkroom.randomness import Noise, key
from darkroom.sampling import Classes, Interpolation, Samples, latents_of


def test_a_latent_depends_on_its_seed_alone():
    together, alone = latents_of([5, 6, 7], 100), latents_of([6], 100)
    assert torch.equal(together[1], alone[0])
    assert together.unique().numel() == together.numel()


def test_without_truncation_a_seeds_latent_is_what_it_always_was():
    seeds = torch.arange(50)
    assert torch.equal(latents_of(range(50), 20), Noise(key("sample"), seeds).normal(20))


@pytest.mark.parametrize("t", [0.01, 0.5, 1.0, 2.0, 6.0])
def test_truncated_latents_are_within_the_bounds_and_spread_as_a_truncated_normal_is(t):
    z = latents_of(range(2000), 100, truncation=t).double()
    assert z.abs().max() <= t
    assert z.abs().max() > 0.7 * t
    assert z.unique().numel() > 0.9 * min(z.numel(), 2**20)
    density = math.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    variance = 1 - 2 * t * density / math.erf(t / math.sqrt(2))
    if t < 0.1:
        variance = t * t / 3  # nearly uniform, and no cancellation
    assert float(z.var()) == pytest.approx(variance, rel=0.01)
    assert float(z.mean()) == pytest.approx(0, abs=5 * math.sqrt(variance / z.numel()))


def test_a_truncated_latent_is_its_seeds_own_and_a_wide_bound_leaves_it_as_it_is():
    plain, truncated = latents_of(range(100), 50), latents_of(range(100), 50, truncation=0.8)
    assert torch.equal(plain.argsort(1), truncated.argsort(1))
    assert torch.equal(plain.sign(), truncated.sign())
    assert torch.equal(latents_of([7], 50, truncation=0.8)[0], truncated[7])
    torch.testing.assert_close(latents_of(range(100), 50, truncation=20), plain)


def no_images(n):
    raise AssertionError("this drawing needs no held-out images")


class Shower:
    """Shows its latents as pixels."""

    latent_dim, class_shares = 256, torch.tensor([0.5, 0.5])

    def __call__(self, latents, labels=None):
        return (latents / 4).reshape(-1, 1, 16, 16)


def contrast(sheet):
    """How far each image is from grey, within 0..1."""
    return (sheet.pixels.float() / 127.5 - 1).abs().flatten(1).amax(1)


@pytest.mark.parametrize(
    ("draw", "reach"),
    # the great circle between two latents at right angles swings out by sqrt(2)
    [(Samples, 0.1), (Classes, 0.1), (Interpolation, 0.15)],
)
def test_drawings_of_seeds_can_be_truncated(draw, reach):
    assert contrast(draw(n=4, truncation=0.4)(Shower(), no_images)).max() <= reach
    assert contrast(draw(n=4)(Shower(), no_images)).min() > reach
    with pytest.raises(ValueError, match=r"draw\.truncation=0: type a positive number such as"):
        draw(truncation=0)
