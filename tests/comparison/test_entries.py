"""Only what was measured alike is ranked, and a command mends the rest."""

from typing import Any

import pytest

from darkroom.comparison import Entry, compare
from darkroom.metrics.features.contracts import Instrument
from tests.comparison.compared import compared
from tests.reports.synthetic import COST, evaluation, latent, numbers, protocol


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
    found = compared(a=evaluation(), b=odd, c=evaluation())
    (refusal,) = found.refusals
    assert not found.ranked
    assert difference in refusal.reason
    assert refusal.commands == (f"python evaluate.py run=outputs/b {option}",)
    assert all(set(r.places.values()) == {None} for r in found.rankings.values())
    assert found.order == ("a", "b", "c")
    assert not any("better" in sentence for sentence in found.conclusion)
    assert "the best images" not in found.choices


def test_what_was_held_against_other_images_cannot_be_mended() -> None:
    (refusal,) = compared(a=evaluation(), b=evaluation(protocol=protocol(data="x"))).refusals
    assert refusal.commands == ()
    assert "different images" in refusal.reason


def test_with_other_versions_both_have_to_be_measured_again() -> None:
    old = evaluation(protocol=protocol(versions={"torch": "1.0"}))
    (refusal,) = compared(a=evaluation(), b=old).refusals
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
    found = compared(a=evaluation(), b=slow)
    assert found.costs["training_seconds"].leaders == ("a",)
    assert found.costs["stability"].leaders == ()


def test_likelihoods_are_ranked_only_where_they_are_of_one_kind() -> None:
    same = compared(a=latent(800), b=latent(900))
    assert same.rankings["negative_elbo"].leaders == ("a",)
    other = latent(900, notes=("Another likelihood.",))
    unequal = compared(a=latent(800), b=other, c=evaluation())
    assert unequal.ranked
    assert unequal.rankings["negative_elbo"].leaders == ()
    assert unequal.rankings["kid_lite0"].leaders == ("a", "b", "c")
    assert any("b: Another likelihood." in caution for caution in unequal.cautions)
