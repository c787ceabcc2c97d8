"""Numbers have names, and as many digits as are known."""

import math

import pytest

from darkroom.evaluation.record import Number
from darkroom.evaluation.wording import (
    COSTS,
    FAMILIES,
    counted,
    family_of,
    interval,
    label_of,
    lasted,
    listed,
    main_of,
    reading_order,
    rounded,
    shown,
)
from tests.reports.synthetic import COST

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "family", "label"),
    [
        ("kid_lite0", "kid", "KID (lite0)"),
        ("fd_lite0", "fd", "Fréchet distance (lite0)"),
        ("fd_infinity_dino_v2", "fd_infinity", "FD∞ (dino v2)"),
        ("fid", "fd", "FID"),
        ("fid_infinity", "fd_infinity", "FID∞"),
        ("classes_reached", "classes_reached", "Classes reached"),
        ("iw_bound_50", "iw_bound", "Importance-weighted bound (50)"),
        (
            "iw_bound_50_bits_per_dim",
            "bits_per_dim",
            "Bits per dimension (Importance-weighted bound (50))",
        ),
        ("bits_per_dim", "bits_per_dim", "Bits per dimension"),
        ("never_heard_of", "never_heard_of", "never heard of"),
    ],
)
def test_a_name_tells_the_kind_of_number(name: str, family: str, label: str) -> None:
    assert (family_of(name), label_of(name)) == (family, label)


def test_an_aspect_is_judged_by_its_first_number_in_the_features_of_the_protocol() -> None:
    known = {name: Number(1.0, "lower") for name in ("fd_b", "kid_a", "kid_b", "recall_a")}
    assert main_of(known, "quality", "b") == "kid_b"
    assert main_of(known, "quality", "c") == "kid_a"
    assert main_of(known, "diversity") == "recall_a"
    assert main_of(known, "likelihood") is None
    assert main_of({"kid_a": Number(NAN, "lower"), "fd_a": known["fd_b"]}, "quality") == "fd_a"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(0.012341, "lower", 0.00089), "0.01234 ± 0.00089"),
        (Number(31.23, "lower", 0.42), "31.23 ± 0.42"),
        (Number(123456.0, "lower", 1234.0), "123,500 ± 1,200"),
        (Number(0.71, "higher"), "0.71"),
        (Number(0.0, "lower"), "0"),
        (Number(-0.00002, "lower"), "-2.00e-5"),
        (Number(NAN, "lower", 0.1), "—"),
        (Number(math.inf, "lower"), "∞"),
        (Number(0.5, "lower", NAN), "0.5"),
        (Number(0.5, "lower", 0.0), "0.5 ± 0"),
    ],
)
def test_a_number_has_the_digits_that_its_error_allows(number: Number, text: str) -> None:
    assert shown(number) == text


def test_large_numbers_and_times_are_short() -> None:
    sizes = [counted(size) for size in (999, 20_000, 1_234_567, 2.1e9, NAN)]
    assert sizes == ["999", "20k", "1.23M", "2.1G", "—"]
    times = [lasted(seconds) for seconds in (3.2, 640, 3600 * 5, 86400 * 3)]
    assert times == ["3.2 s", "11 min", "5.0 h", "3.0 days"]
    assert rounded(1234.5) == "1,234"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, 0.0, "below 1%"),
        (0.0, 0.0004, "below 1%"),
        (0.0, 0.01, "0% to 1.0%"),
        (0.004, 0.3, "0.4% to 30%"),
        (NAN, NAN, "— to —"),
    ],
)
def test_an_interval_never_promises_nothing_at_all(low: float, high: float, text: str) -> None:
    assert interval(low, high) == text


def test_numbers_of_quality_come_first_and_unknown_ones_last() -> None:
    names = ["never_heard_of", "rate", "recall_a", "fid", "kid_a"]
    assert sorted(names, key=reading_order) == ["kid_a", "fid", "recall_a", "rate", names[0]]


def test_many_names_are_cut_short() -> None:
    assert [listed("abcdef"[:n]) for n in (1, 2, 4, 6)] == [
        "a",
        "a and b",
        "a, b, c and d",
        "a, b, c and 3 others",
    ]


def test_every_kind_of_number_says_what_it_means() -> None:
    assert all(family.meaning.endswith(".") for family in FAMILIES.values())
    assert COST.keys() <= COSTS.keys()
