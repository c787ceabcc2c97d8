"""Only what was measured alike is ranked, and only what chance does not explain."""

import math
from dataclasses import replace
from typing import Any

import pytest

from darkroom.comparison import (
    COSTS,
    FAMILIES,
    Comparison,
    Entry,
    compare,
    counted,
    family_of,
    label_of,
    lasted,
    listed,
    main_of,
    rounded,
    shown,
    told_apart,
)
from darkroom.evaluation.record import Evaluation, Number
from darkroom.metrics.features.contracts import Instrument
from tests.reports.synthetic import COST, LOST, evaluation, latent, numbers, originality, protocol

NAN = float("nan")


def comparison(**runs: Evaluation) -> Comparison:
    return compare(
        Entry(name, replace(own, subject=f"outputs/{name}")) for name, own in runs.items()
    )


def by_kid(**values: float | tuple[float, float | None]) -> Comparison:
    """Runs that differ in nothing but their KID."""
    pairs = {run: v if isinstance(v, tuple) else (v, 0.001) for run, v in values.items()}
    return comparison(**{run: evaluation(numbers=numbers(*pair)) for run, pair in pairs.items()})


# --- which numbers may be ranked


@pytest.mark.parametrize(
    ("facts", "difference", "option"),
    [
        ({"samples": 500}, "samples: 500 and 2000", "samples=2000"),
        ({"split": "test"}, "split: test and training", "split=training"),
        ({"first_seed": 7}, "first_seed: 7 and 0", "first_seed=0"),
        ({"reference": 99, "held_out": 98}, "reference: 99 and 4000", "real=4000"),
        ({"instrument": Instrument("other", "ab", "x")}, "other and lite0", "features=lite0"),
    ],
)
def test_unequal_protocols_are_not_ranked_and_a_command_mends_it(
    facts: dict[str, Any], difference: str, option: str
) -> None:
    odd = evaluation(protocol=protocol(**facts), numbers=numbers(0.5))
    compared = comparison(a=evaluation(), b=odd, c=evaluation())
    (refusal,) = compared.refusals
    assert not compared.ranked
    assert difference in refusal.reason
    assert refusal.commands == (f"python evaluate.py run=outputs/b {option}",)
    assert all(set(r.places.values()) == {None} for r in compared.rankings.values())
    assert compared.order == ("a", "b", "c")
    assert not any("better" in sentence for sentence in compared.conclusion)
    assert "the best images" not in compared.choices


def test_what_was_held_against_other_images_cannot_be_mended() -> None:
    (refusal,) = comparison(a=evaluation(), b=evaluation(protocol=protocol(data="x"))).refusals
    assert refusal.commands == ()
    assert "different images" in refusal.reason


def test_with_other_versions_both_have_to_be_measured_again() -> None:
    old = evaluation(protocol=protocol(versions={"torch": "1.0"}))
    (refusal,) = comparison(a=evaluation(), b=old).refusals
    assert refusal.commands == (
        "python evaluate.py run=outputs/b",
        "python evaluate.py run=outputs/a",
    )


def test_the_folder_of_a_stranger_is_quoted_in_a_command() -> None:
    odd = evaluation("outputs/a; rm -rf ~", protocol=protocol(samples=500))
    (refusal,) = compare([Entry("a", evaluation()), Entry("b", odd)]).refusals
    assert "'run=outputs/a; rm -rf ~'" in refusal.commands[0]


def test_costs_are_ranked_all_the_same() -> None:
    slow = evaluation(protocol=protocol(samples=500), cost=COST | {"training_seconds": 9e5})
    compared = comparison(a=evaluation(), b=slow)
    assert compared.costs["training_seconds"].leaders == ("a",)
    assert compared.costs["stability"].leaders == ()


def test_likelihoods_are_ranked_only_where_they_are_of_one_kind() -> None:
    same = comparison(a=latent(800), b=latent(900))
    assert same.rankings["negative_elbo"].leaders == ("a",)
    other = latent(900, notes=("Another likelihood.",))
    unequal = comparison(a=latent(800), b=other, c=evaluation())
    assert unequal.ranked
    assert unequal.rankings["negative_elbo"].leaders == ()
    assert unequal.rankings["kid_lite0"].leaders == ("a", "b", "c")
    assert any("b: Another likelihood." in caution for caution in unequal.cautions)


# --- what chance explains


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
    compared = by_kid(a=0.0120, b=0.0121)
    assert compared.conclusion[0] == (
        "a and b cannot be told apart in quality: KID (lite0) is 0.0120 ± 0.0010 and "
        "0.0121 ± 0.0010."
    )
    assert "the best images" not in compared.choices


def test_what_has_no_number_has_no_place_and_comes_last() -> None:
    lacking = {k: v for k, v in numbers().items() if k != "kid_lite0"}
    compared = comparison(
        a=evaluation(numbers=lacking),
        b=evaluation(numbers=numbers(NAN)),
        c=evaluation(numbers=numbers(0.02)),
        d=evaluation(numbers=numbers(0.01)),
    )
    ranking = compared.rankings["kid_lite0"]
    assert ranking.places == {"a": None, "b": None, "c": 2, "d": 1}
    assert compared.order[:2] == ("d", "c")
    assert compared.conclusion[0].startswith("d gives the better images")


# --- what the numbers say


def test_the_conclusion_names_the_better_in_each_aspect() -> None:
    gan = evaluation(numbers=numbers(0.01, 0.001, 0.3), originality=originality(0.2, 0.15, 0.25))
    vae = evaluation(
        numbers=numbers(0.05, 0.001, 0.6),
        cost=COST
        | {"training_seconds": 60.0, "sampling_images_per_second": 9e3, "stability": 0.01},
    )
    compared = comparison(gan=gan, vae=vae)
    assert compared.conclusion == (
        "gan gives the better images: KID (lite0) 0.0100 ± 0.0010 against 0.0500 ± 0.0010 (vae).",
        "vae gives the greater variety: Recall (lite0) 0.600 ± 0.015 against 0.300 ± 0.015 (gan).",
        "gan copies more than vae: 20.0% against 0.0% of the samples.",
        "vae trained more steadily, by the spread of its quality: 1% against 8% (gan).",
        "vae was trained sooner: 60 s against 11 min (gan).",
        "vae draws faster: 9k images/s against 1.5k images/s (gan).",
    )
    assert compared.choices["the best images"] == ("gan",)
    assert {runs for want, runs in compared.choices.items() if want != "the best images"} == {
        ("vae",)
    }


def test_of_many_the_best_is_named_and_those_that_may_be_as_good() -> None:
    alone = by_kid(a=0.01, b=0.02, c=0.03)
    assert alone.conclusion[0].startswith("a gives the best images")
    together = by_kid(a=0.010, b=0.011, c=0.030, d=0.031)
    assert together.conclusion[0].startswith("a and b lead in quality")
    assert together.choices["the best images"] == ("a", "b")


def test_times_that_differ_by_little_do_not_differ() -> None:
    fast, same = ({**COST, "training_seconds": seconds} for seconds in (600.0, 650.0))
    compared = comparison(a=evaluation(cost=fast), b=evaluation(cost=same))
    assert "In training time there is no difference to speak of." in compared.conclusion


def test_a_lost_run_is_recommended_for_nothing() -> None:
    quick = evaluation(findings=(LOST,), cost=COST | {"training_seconds": 1.0})
    compared = comparison(a=evaluation(), b=quick)
    assert compared.costs["training_seconds"].leaders == ("b",)
    assert "results soon" not in compared.choices
    assert "b is lost: divergence." in compared.cautions


def test_runs_of_different_length_are_told() -> None:
    compared = comparison(a=evaluation(), b=evaluation(images_seen=1_000_000))
    assert "The runs saw different numbers of images: 200k to 1M." in compared.cautions


def test_where_nothing_is_known_nothing_is_said() -> None:
    bare: dict[str, Any] = {"numbers": {}, "originality": None, "cost": {}, "images_seen": None}
    compared = comparison(a=evaluation(**bare), b=evaluation(**bare))
    assert (compared.conclusion, dict(compared.choices), compared.cautions) == ((), {}, ())
    assert compared.order == ("a", "b")


def test_one_run_is_compared_with_nothing() -> None:
    assert comparison(a=evaluation()).conclusion == ()


def test_only_the_options_that_differ_are_listed() -> None:
    typed = [{"lr": "1", "seed": "0"}, {"lr": "2", "seed": "0"}, {"seed": "0", "width": "8"}]
    compared = compare(
        Entry(name, evaluation(), own) for name, own in zip("abc", typed, strict=True)
    )
    assert compared.varied == {
        "lr": {"a": "1", "b": "2", "c": ""},
        "width": {"a": "", "b": "", "c": "8"},
    }


@pytest.mark.parametrize(("names", "error"), [([], "nothing to compare"), (["a", "a"], "a is giv")])
def test_what_cannot_be_compared_is_refused(names: list[str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        compare(Entry(name, evaluation()) for name in names)


# --- names and figures


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
    assert [counted(n) for n in (999, 20_000, 1_234_567, 2.1e9, NAN)] == [
        "999", "20k", "1.23M", "2.1G", "—",
    ]  # fmt: skip
    assert [lasted(s) for s in (3.2, 640, 3600 * 5, 86400 * 3)] == [
        "3.2 s", "11 min", "5.0 h", "3.0 days",
    ]  # fmt: skip
    assert rounded(1234.5) == "1,234"


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
