"""Metrics of latents against cases that are known."""

import pytest
import torch
from sklearn.metrics import mutual_info_score

from darkroom.metrics.latents import _information, active_units, mutual_information_gap

generator = torch.Generator().manual_seed(0)


def test_units_are_active_where_their_means_vary():
    means = torch.tensor([[0.0, 1.0, -1.0, 0.05], [0.0, 1.0, 1.0, -0.05], [0.0, 1.0, 0.0, 0.0]])
    # the variances are 0, 0, 1 and 0.0025
    assert active_units(means).tolist() == [False, False, True, False]
    assert active_units(means, threshold=0.001).tolist() == [False, False, True, True]


def test_the_information_is_that_of_scikit_learn():
    a, b = torch.randint(0, 7, (2, 300), generator=generator)
    b[:150] = a[:150]
    assert _information(a, b) == pytest.approx(mutual_info_score(a.numpy(), b.numpy()))


def squares():
    """Pictures of a bright square in every place and of every size, and these three numbers."""
    factors = torch.cartesian_prod(torch.arange(8), torch.arange(8), torch.arange(4))
    y, x, size = factors.T[:, :, None, None]
    rows, columns = torch.arange(16)[:, None], torch.arange(16)
    inside = (rows >= y) & (rows < y + 2 + size) & (columns >= x) & (columns < x + 2 + size)
    return inside[:, None].to(torch.uint8) * 255, factors


def measured(pixels):
    """What an encoder that understands squares would say: top, left and side."""
    rows, columns = (pixels > 0).any(3)[:, 0], (pixels > 0).any(2)[:, 0]
    top, left = rows.int().argmax(1), columns.int().argmax(1)
    return torch.stack([top, left, rows.sum(1)], dim=1).double()


def test_the_gap_is_1_where_each_factor_has_a_latent_of_its_own():
    pixels, factors = squares()
    means = measured(pixels) * torch.tensor([-1.0, 0.3, 7.0])
    assert mutual_information_gap(means, factors) == pytest.approx(1)
    with_idle_ones = torch.cat([torch.zeros(len(means), 2), means], dim=1)
    assert mutual_information_gap(with_idle_ones, factors) == pytest.approx(1)


def test_the_gap_is_0_where_two_latents_share_two_factors():
    pixels, factors = squares()
    top, left, _ = measured(pixels).T
    rotated = torch.stack([top + left, top - left], dim=1)
    assert mutual_information_gap(rotated, factors[:, :2]) == pytest.approx(0, abs=0.01)


def test_the_gap_is_0_where_latents_say_nothing():
    _, factors = squares()
    means = torch.randn(256, 5, generator=generator)
    assert mutual_information_gap(means, factors) < 0.05
    assert mutual_information_gap(torch.zeros(256, 5), factors) == 0


def test_a_single_latent_has_no_second_one():
    _, factors = squares()
    assert mutual_information_gap(factors[:, :1].double(), factors[:, :1]) == pytest.approx(1)


def test_names_of_values_do_not_matter():
    pixels, factors = squares()
    renamed = factors * 1000 - 77
    assert mutual_information_gap(measured(pixels), renamed) == pytest.approx(1)


def test_a_factor_that_never_changes_is_refused():
    factors = torch.stack([torch.arange(9), torch.zeros(9, dtype=torch.long)], dim=1)
    with pytest.raises(ValueError, match=r"factors\[:, 1\] is the same for all images"):
        mutual_information_gap(torch.ones(9, 2), factors)
