"""What the numbers of runs say together."""

from typing import Any

import pytest

from darkroom.comparison import Entry, compare, varied
from darkroom.evaluation import Number
from tests.comparison.compared import by_kid, compared
from tests.reports.synthetic import COST, LOST, evaluation, numbers, originality


def test_the_conclusion_names_the_better_in_each_aspect() -> None:
    gan = evaluation(numbers=numbers(0.01, 0.001, 0.3), originality=originality(0.2, 0.15, 0.25))
    vae = evaluation(
        numbers=numbers(0.05, 0.001, 0.6),
        cost=COST
        | {"training_seconds": 60.0, "sampling_images_per_second": 9e3, "stability": 0.01},
    )
    found = compared(gan=gan, vae=vae)
    assert found.conclusion == (
        "gan gives the better images: KID (lite0) 0.0100 ± 0.0010 against 0.0500 ± 0.0010 (vae).",
        "vae gives the greater variety: Recall (lite0) 0.600 ± 0.015 against 0.300 ± 0.015 (gan).",
        "gan copies more than vae: 20.0% against 0.0% of the samples.",
        "vae trained more steadily, by the spread of its quality: 1% against 8% (gan).",
        "vae was trained sooner: 60 s against 11 min (gan).",
        "vae draws faster: 9k images/s against 1.5k images/s (gan).",
    )
    assert found.choices["the best images"] == ("gan",)
    assert {runs for want, runs in found.choices.items() if want != "the best images"} == {("vae",)}


def test_of_many_the_best_is_named_and_those_that_may_be_as_good() -> None:
    alone = by_kid(a=0.01, b=0.02, c=0.03)
    assert alone.conclusion[0].startswith("a gives the best images")
    together = by_kid(a=0.010, b=0.011, c=0.030, d=0.031)
    assert together.conclusion[0].startswith("a and b lead in quality")
    assert together.choices["the best images"] == ("a", "b")


def test_times_that_differ_by_little_do_not_differ() -> None:
    fast, same = ({**COST, "training_seconds": seconds} for seconds in (600.0, 650.0))
    found = compared(a=evaluation(cost=fast), b=evaluation(cost=same))
    assert "In training time there is no difference to speak of." in found.conclusion


def test_a_lost_run_is_recommended_for_nothing() -> None:
    quick = evaluation(findings=(LOST,), cost=COST | {"training_seconds": 1.0})
    found = compared(a=evaluation(), b=quick)
    assert found.costs["training_seconds"].leaders == ("b",)
    assert "results soon" not in found.choices
    assert "b is lost: divergence." in found.cautions


def test_runs_of_different_length_are_told() -> None:
    found = compared(a=evaluation(), b=evaluation(images_seen=1_000_000))
    assert "The runs saw different numbers of images: 200k to 1M." in found.cautions


def test_numbers_of_one_aspect_that_disagree_are_told() -> None:
    def run(kid: float, limit: float) -> Any:
        both = {"kid_lite0": Number(kid, "lower", 0.001)}
        return evaluation(numbers=both | {"fd_infinity_lite0": Number(limit, "lower", 1.0)})

    found = compared(a=run(0.01, 90.0), b=run(0.05, 40.0))
    assert found.cautions[0] == (
        "In quality, FD∞ (lite0) puts other runs first than KID (lite0) does. Look at the samples "
        "before you choose."
    )
    agreeing = compared(a=run(0.01, 40.0), b=run(0.05, 90.0))
    assert not any("other runs first" in caution for caution in agreeing.cautions)


def test_where_nothing_is_known_nothing_is_said() -> None:
    bare: dict[str, Any] = {"numbers": {}, "originality": None, "cost": {}, "images_seen": None}
    found = compared(a=evaluation(**bare), b=evaluation(**bare))
    assert (found.conclusion, dict(found.choices), found.cautions) == ((), {}, ())
    assert found.order == ("a", "b")


def test_one_run_is_compared_with_nothing() -> None:
    assert compared(a=evaluation()).conclusion == ()


def test_only_the_options_that_differ_are_listed() -> None:
    typed = [{"lr": "1", "seed": "0"}, {"lr": "2", "seed": "0"}, {"seed": "0", "width": "8"}]
    found = compare(Entry(name, evaluation(), own) for name, own in zip("abc", typed, strict=True))
    assert varied(found.entries) == {
        "lr": {"a": "1", "b": "2", "c": ""},
        "width": {"a": "", "b": "", "c": "8"},
    }


@pytest.mark.parametrize(("names", "error"), [([], "nothing to compare"), (["a", "a"], "a is giv")])
def test_what_cannot_be_compared_is_refused(names: list[str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        compare(Entry(name, evaluation()) for name in names)
