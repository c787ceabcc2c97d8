"""What is held out, and what for: shares are exact, groups stay whole, the user's word counts."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom import randomness
from darkroom.data.division import divide

SHARES = st.floats(0.01, 0.99)
NAMES = st.one_of(st.none(), st.sampled_from("abcdefgh"))
SPLITS = st.sampled_from([None, "train", "validation", "test"])


def parts(division):
    return [division.training.tolist(), division.held_out.tolist(), division.test.tolist()]


def clusters(groups):
    """Sizes of what has to stay together."""
    return [*Counter(group for group in groups if group).values()] + [1] * groups.count(None)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("length", "share"), [(1, 0.1), (10, 0.25), (1797, 0.2), (60000, 0.1)])
def test_a_set_without_groups_is_divided_as_it_always_was(length, share, seed):
    """Runs of before groups, and the numbers in the README, are of this very division."""
    held_out = round(share * length)
    order = randomness.permutation(length, seed, "split")
    for nothing in ((), [None] * length):
        division = divide(length, share, seed, nothing, nothing)
        assert torch.equal(division.held_out, order[:held_out])
        assert torch.equal(division.training, order[held_out:])
        assert len(division.test) == 0


@settings(deadline=None)
@given(st.lists(st.tuples(SPLITS, NAMES), max_size=60), SHARES, st.integers(0, 99))
def test_every_place_is_in_one_part_and_what_the_user_set_apart_stays_there(rows, share, seed):
    splits, groups = [split for split, _ in rows], [group for _, group in rows]
    training, held_out, test = parts(divide(len(rows), share, seed, splits, groups))
    assert sorted(training + held_out + test) == list(range(len(rows)))
    assert test == [k for k, split in enumerate(splits) if split == "test"]
    if "validation" in splits:
        assert held_out == [k for k, split in enumerate(splits) if split == "validation"]
    else:
        assert {splits[place] for place in training + held_out} <= {None, "train"}


@settings(deadline=None)
@given(st.lists(NAMES, min_size=2, max_size=60), SHARES, st.integers(0, 99))
def test_no_group_is_torn_apart_and_no_more_than_the_share_is_held_out(groups, share, seed):
    training, held_out, _ = parts(divide(len(groups), share, seed, (), groups))
    torn = {groups[k] for k in training} & {groups[k] for k in held_out}
    assert torn <= {None}
    wanted, sizes = round(share * len(groups)), clusters(groups)
    singles = sizes.count(1)
    if len(held_out) > wanted:  # nothing was as small as the share
        assert len(held_out) == min(sizes) > wanted
    elif wanted and len(sizes) > 1:
        assert held_out
        assert len(held_out) == wanted or singles < wanted  # enough singles make it exact


@pytest.mark.parametrize("seed", range(20))
def test_a_large_group_among_singles_leaves_the_share_exact(seed):
    groups = ["large"] * 30 + [None] * 70
    _, held_out, _ = parts(divide(100, 0.2, seed, (), groups))
    assert len(held_out) == 20
    assert min(held_out) >= 30


def test_any_group_can_be_held_out_and_the_seed_says_which():
    groups = [f"patient {k // 5}" for k in range(50)]
    chosen = [tuple(sorted(parts(divide(50, 0.1, seed, (), groups))[1])) for seed in range(40)]
    assert chosen[0] == tuple(sorted(parts(divide(50, 0.1, 0, (), groups))[1]))
    assert all(len(each) == 5 for each in chosen)
    assert len(set(chosen)) > 5


def test_if_all_groups_are_larger_than_the_share_the_smallest_is_held_out():
    groups = ["a"] * 40 + ["b"] * 25 + ["c"] * 35
    training, held_out, _ = parts(divide(100, 0.1, 0, (), groups))
    assert held_out == list(range(40, 65))
    assert sorted(training) == [*range(40), *range(65, 100)]


@pytest.mark.parametrize(("length", "share"), [(50, 0.1), (50, 0.9), (1, 0.5)])
def test_a_single_group_is_never_divided(length, share):
    training, held_out, _ = parts(divide(length, share, 0, (), ["same"] * length))
    assert (len(training), len(held_out)) == (length, 0)


def test_a_share_that_rounds_to_nothing_holds_nothing_out():
    assert parts(divide(4, 0.1, 0))[1] == []
    assert parts(divide(4, 0.1, 0, (), ["a", "a", "b", "b"]))[1] == []


def test_a_given_validation_is_the_validation_whatever_share_and_groups_say():
    splits = ["train"] * 5 + ["validation"] * 3 + [None] * 2
    division = divide(10, 0.9, 0, splits, ["all"] * 10)
    assert parts(division) == [[0, 1, 2, 3, 4, 8, 9], [5, 6, 7], []]


def test_beside_a_given_test_the_share_is_one_of_the_rest():
    splits = ["test", "train"] * 50
    training, held_out, test = parts(divide(100, 0.2, 0, splits))
    assert test == list(range(0, 100, 2))
    assert (len(training), len(held_out)) == (40, 10)
    assert all(place % 2 for place in training + held_out)


def test_with_test_and_validation_given_nothing_is_left_to_chance():
    splits = ["test", "train", "validation"] * 4
    for seed in range(3):
        assert parts(divide(12, 0.5, seed, splits)) == [
            [1, 4, 7, 10],
            [2, 5, 8, 11],
            [0, 3, 6, 9],
        ]
