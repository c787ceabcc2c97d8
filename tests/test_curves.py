"""Curves are read as they were logged, and told from their noise."""

from pathlib import Path

import numpy as np
import pytest

from darkroom import curves
from darkroom.curves import Curve


def curve(*values: float) -> Curve:
    return Curve(np.arange(1, len(values) + 1) * 100, np.array(values, float))


def test_a_table_is_read_by_name(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text(
        "images_seen,name,value\n64,loss/vae,3.5\n64,rate,nan\n128,loss/vae,inf\n192,loss/vae,-1\n"
    )
    read = curves.read(table)
    assert list(read) == ["loss/vae", "rate"]
    assert read["loss/vae"].images.tolist() == [64, 128, 192]
    assert read["loss/vae"].values.tolist() == [3.5, np.inf, -1]
    assert len(read["rate"]) == 1
    assert len(read["rate"].finite) == 0


def test_a_run_without_a_table_has_no_curves(tmp_path: Path) -> None:
    assert curves.read(tmp_path / "metrics.csv") == {}


def test_finite_points_keep_their_places() -> None:
    finite = curve(1, np.nan, 3, np.inf, 5).finite
    assert finite.images.tolist() == [100, 300, 500]
    assert finite.values.tolist() == [1, 3, 5]


@pytest.mark.parametrize(("share", "kept"), [(1, 6), (1 / 3, 2), (0.5, 3), (0.01, 1)])
def test_heads_and_tails_have_at_least_one_point(share: float, kept: int) -> None:
    whole = curve(1, 2, 3, 4, 5, 6)
    assert whole.head(share).values.tolist() == [1, 2, 3, 4, 5, 6][:kept]
    assert whole.tail(share).values.tolist() == [1, 2, 3, 4, 5, 6][-kept:]


def test_a_spike_does_not_move_the_level() -> None:
    assert curve(2, 2, 1e9, 2, 2).level() == 2


def test_a_straight_course_has_no_noise_and_few_points_tell_of_none() -> None:
    assert curve(*range(20)).noise() == 0
    assert curve(1, 9, 1).noise() == 0


def test_noise_is_told_from_the_course_and_from_jumps() -> None:
    draw = np.random.default_rng(0)
    values = np.linspace(5, 1, 500) + 0.1 * draw.normal(size=500)
    values[250:] += 7
    assert curve(*values).noise() == pytest.approx(0.1, rel=0.15)
