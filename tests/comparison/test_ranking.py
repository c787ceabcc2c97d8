"""Only what chance does not explain is a difference."""

import math

import pytest

from darkroom.comparison import told_apart
from darkroom.evaluation.record import Number
from tests.comparison.compared import by_kid, compared
from tests.reports.synthetic import evaluation, numbers

NAN = float("nan")


@pytest.mark.parametrize(
    ("a", "b", "better"),
    [
        (Number(1.0, "lower", 0.1), Number(2.0, "lower", 0.1), True),
        (Number(2.0, "lower", 0.1), Number(1.0, "lower", 0.1), False),
        (Number(2.0, "higher", 0.1), Number(1.0, "higher", 0.1), True),
        (Number(1.0, "lower", 0.4), Number(2.0, "lower", 0.4), None),  # 2 * 0.57 > 1
        (Number(1.0, "lower"), Number(2.0, "lower", 0.1), None),
        (Number(1.0, "neither", 0.1), Number(2.0, "neither", 0.1), None),
        (Number(NAN, "lower", 0.1), Number(2.0, "lower", 0.1), None),
        (Number(1.0, "lower", NAN), Number(2.0, "lower", 0.1), None),
        (Number(math.inf, "lower", 0.1), Number(2.0, "lower", 0.1), None),
        (Number(1.0, "lower", 0.1), Number(1.0, "lower", 0.1), None),
    ],
)
def test_numbers_differ_beyond_two_errors_of_both(
    a: Number, b: Number, better: bool | None
) -> None:
    assert told_apart(a, b) is better


def test_a_place_counts_those_that_are_surely_better() -> None:
    ranking = by_kid(a=0.010, b=0.012, c=0.014, d=0.030).rankings["kid_lite0"]
    assert ranking.places == {"a": 1, "b": 1, "c": 2, "d": 4}
    assert ranking.leaders == ("a", "b")


def test_a_tie_is_called_a_tie() -> None:
    found = by_kid(a=0.0120, b=0.0121)
    assert found.conclusion[0] == (
        "a and b cannot be told apart in quality: KID (lite0) is 0.0120 ± 0.0010 and "
        "0.0121 ± 0.0010."
    )
    assert "the best images" not in found.choices


def test_what_has_no_number_has_no_place_and_comes_last() -> None:
    lacking = {k: v for k, v in numbers().items() if k != "kid_lite0"}
    found = compared(
        a=evaluation(numbers=lacking),
        b=evaluation(numbers=numbers(NAN)),
        c=evaluation(numbers=numbers(0.02)),
        d=evaluation(numbers=numbers(0.01)),
    )
    ranking = found.rankings["kid_lite0"]
    assert ranking.places == {"a": None, "b": None, "c": 2, "d": 1}
    assert found.order[:2] == ("d", "c")
    assert found.conclusion[0].startswith("d gives the better images")
