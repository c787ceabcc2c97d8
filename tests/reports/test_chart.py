"""A chart shows the points that it was given, whatever they are."""

import re

import numpy as np
import pytest

from darkroom.curves import Curve
from darkroom.evaluation.record import Number
from darkroom.reports import chart
from darkroom.reports.chart import Axis, lines, thinned, whisker
from tests.reports.synthetic import curve

NAN = float("nan")


def points(drawn: str) -> list[list[tuple[float, float]]]:
    """The corners of each line."""
    return [
        [(float(x), float(y)) for x, _, y in (pair.partition(",") for pair in path.split())]
        for path in re.findall(r'<polyline[^>]* points="([^"]*)"', drawn)
    ]


@pytest.mark.parametrize(
    ("values", "log", "expected"),
    [
        ((0, 10), False, [0, 2, 4, 6, 8, 10]),
        ((0, 1_200_000), False, [0, 500_000, 1_000_000]),
        ((-3e-7, 3e-7), False, [-2e-7, 0, 2e-7]),
        ((1e-6, 1e6), True, [1e-6, 1e-3, 1, 1e3, 1e6]),
        ((2, 7), True, [2, 3, 4, 5, 6, 7]),
    ],
)
def test_ticks_are_few_and_round(
    values: tuple[float, float], log: bool, expected: list[float]
) -> None:
    assert Axis(values, log).ticks() == pytest.approx(expected, abs=1e-20)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values", [[], [NAN], [0.0], [5.0, 5.0], [1e-300, 1e300], [-1e9, NAN, np.inf, 3]]
)
def test_an_axis_holds_whatever_is_finite(values: list[float], log: bool) -> None:
    axis = Axis(values, log)
    finite = [value for value in values if np.isfinite(value)]
    assert all(0 <= axis.place(value) <= 100 for value in finite)
    assert 1 <= len(axis.ticks()) <= chart.TICKS + 1
    assert all(-1e-9 <= axis.place(tick) <= 100 + 1e-9 for tick in axis.ticks())


def test_a_logarithm_of_what_is_not_above_zero_is_not_taken() -> None:
    assert not Axis([0, 10], log=True).log
    assert Axis([1, 10], log=True).log
    assert Axis([1, 10, 100], log=True, margin=0).place(10) == pytest.approx(50)


def test_a_line_goes_through_its_points() -> None:
    (line,) = points(lines({"loss": curve([0, 1, 0.5])}, "loss"))
    assert [x for x, _ in line] == [0, 50, 100]
    low, high, middle = (y for _, y in line)
    assert low > middle > high  # SVG counts from above
    assert middle == pytest.approx((low + high) / 2, abs=0.02)


def test_a_single_point_is_a_dot() -> None:
    drawn = lines({"loss": curve([3.0])}, "loss")
    assert points(drawn) == []
    assert len(re.findall("<circle", drawn)) == 1


@pytest.mark.parametrize("missing", [NAN, np.inf, -np.inf])
def test_a_line_breaks_where_there_is_no_number_and_says_so(missing: float) -> None:
    drawn = lines({"loss": curve([1, 2, missing, 3, 4, missing, missing])}, "loss")
    assert [len(line) for line in points(drawn)] == [2, 2]
    assert len(re.findall('class="broken"', drawn)) == 3
    assert "3 points are no numbers" in drawn


@pytest.mark.parametrize("empty", [curve([]), curve([NAN, NAN])])
def test_a_chart_of_nothing_is_empty(empty: Curve) -> None:
    drawn = lines({"loss": empty}, "loss")
    assert points(drawn) == []
    assert "no numbers" in drawn
    assert "<svg" in lines({}, "nothing")


def test_of_thousands_of_points_the_extremes_and_the_gaps_stay() -> None:
    values = np.sin(np.arange(100_000) / 3000)
    values[4321], values[98_765], values[50_000] = 9.0, -9.0, NAN
    thin = thinned(curve(values))
    assert len(thin) <= chart.POINTS
    assert {9.0, -9.0, values[0], values[-1]} <= set(thin.values)
    assert np.isnan(thin.values).sum() == 1
    assert (np.diff(thin.images) > 0).all()
    assert len(lines({"loss": curve(values)}, "loss")) < 20_000


def test_few_points_are_left_alone() -> None:
    short = curve([1, 2, 3])
    assert thinned(short) is short


def test_series_have_a_legend_and_what_is_muted_shares_a_place_in_it() -> None:
    drawn = lines({name: curve([1, 2]) for name in "abcd"}, "runs", muted=["c", "d"])
    assert re.findall(r"<span><i class=\"(\w+)\"></i>([^<]*)</span>", drawn) == [
        ("s0", "a"),
        ("s1", "b"),
        ("sx", "2 others"),
    ]
    assert "legend" not in lines({"a": curve([1, 2])}, "one")


def test_more_series_than_colours_can_be_drawn() -> None:
    drawn = lines({str(k): curve([k, k + 1]) for k in range(20)}, "many")
    assert len(points(drawn)) == 20


@pytest.mark.parametrize("log", [False, True])
def test_an_error_is_a_band_around_its_line(log: bool) -> None:
    series = curve([1, 2, NAN, 3, 4])
    drawn = lines({"a": series}, "a", log=log, errors={"a": np.array([0.5, 9, 1, NAN, 0.5])})
    bands = re.findall(r'<polygon[^>]* points="([^"]*)"', drawn)
    assert [len(band.split()) for band in bands] == [4, 4]
    heights = [float(pair.split(",")[1]) for band in bands for pair in band.split()]
    assert all(-0.01 <= height <= 100.01 for height in heights)


def test_a_chart_can_be_read_aloud_and_names_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    drawn = lines({evil: curve([1, 2]), "b": curve([1, 3])}, evil)
    assert "<script" not in drawn
    assert "<title>&lt;script&gt;" in drawn
    assert "b: from 1 to 3, between 1 and 3." in drawn


def test_a_whisker_spans_two_errors_to_either_side() -> None:
    axis = Axis([0, 10], margin=0)
    drawn = whisker(Number(5, "lower", 1, 2), axis)
    assert 'x1="30.00%" x2="70.00%"' in drawn
    assert 'cx="50.00%"' in drawn
    assert 'class="floor" x1="20.00%"' in drawn
    assert "unseen real images get 2" in drawn


@pytest.mark.parametrize(
    "number", [Number(5, "lower"), Number(NAN, "lower", NAN, NAN), Number(5, "lower", NAN, np.inf)]
)
def test_a_whisker_leaves_out_what_is_not_known(number: Number) -> None:
    drawn = whisker(number, chart.whisker_axis([number]))
    assert "nan%" not in drawn
    assert "inf%" not in drawn
    assert "floor" not in drawn
