"""Numbers of quality, from features: what they are called, what they are held against."""

import math

import pytest
import torch

from darkroom.evaluation.quality import FEWEST, by_class, class_numbers, named, quality
from darkroom.images import Features

WIDTH = 6


def drawn(n: int, seed: int, mean: float = 0.0, spread: float = 1.0) -> Features:
    """Features of n images: a Gaussian whose directions are not alike."""
    generator = torch.Generator().manual_seed(seed)
    return mean + spread * torch.randn(n, WIDTH, generator=generator) * torch.linspace(1, 2, WIDTH)


REAL, HELD_OUT, FRESH = drawn(1200, 0), drawn(400, 1), drawn(800, 2)
NOISE = drawn(800, 3, mean=4.0, spread=0.3)
HIGHER = {"precision_x", "recall_x", "density_x", "coverage_x"}
LOWER = {"fd_x", "fd_infinity_x", "kid_x"}


def test_every_number_carries_its_features_and_its_direction() -> None:
    numbers = quality(REAL, HELD_OUT, FRESH, "x")
    assert set(numbers) == HIGHER | LOWER
    for name, number in numbers.items():
        assert number.better == ("higher" if name in HIGHER else "lower")
        assert math.isfinite(number.value)


def test_only_the_distance_in_inception_features_is_called_fid() -> None:
    assert named("fd", "inception") == "fid"
    assert named("fd_infinity", "inception") == "fid_infinity"
    assert named("kid", "inception") == "kid_inception"
    names = {name for other in ("lite0", "thumbnail", "classifier", "dinov2", "inceptionlike")
             for name in quality(REAL, HELD_OUT, FRESH, other)}  # fmt: skip
    assert not [name for name in names if "fid" in name]
    names = set(quality(REAL, HELD_OUT, FRESH, "inception"))
    assert {name for name in names if "fid" in name} == {"fid", "fid_infinity"}


def test_unseen_real_images_in_the_samples_place_get_the_floors() -> None:
    for name, number in quality(REAL, HELD_OUT, HELD_OUT, "x").items():
        assert number.floor == pytest.approx(number.value, abs=1e-9), name


def test_honest_samples_are_near_the_floors() -> None:
    numbers = quality(REAL, HELD_OUT, FRESH, "x")
    for name in HIGHER:
        assert numbers[name].value == pytest.approx(numbers[name].floor, abs=0.1), name
    for name in ("kid_x", "fd_infinity_x"):
        number = numbers[name]
        assert number.error is not None
        assert number.floor is not None
        assert abs(number.value - number.floor) < 5 * number.error, name


def test_noise_is_worse_in_every_number() -> None:
    honest, noise = (quality(REAL, HELD_OUT, samples, "x") for samples in (FRESH, NOISE))
    for name in HIGHER:
        assert noise[name].value < honest[name].value - 0.2, name
    for name in LOWER:
        assert noise[name].value > honest[name].value + 1, name


def test_what_samples_lack_lowers_recall_and_coverage_and_not_precision() -> None:
    typical, honest = (
        quality(REAL, HELD_OUT, samples, "x") for samples in (drawn(800, 4, spread=0.4), FRESH)
    )
    assert typical["precision_x"].value > honest["precision_x"].value
    for name in ("recall_x", "coverage_x"):
        assert typical[name].value < 0.8 * honest[name].value, name


def test_the_distance_has_a_floor_only_where_as_many_images_are_held_out() -> None:
    assert quality(REAL, HELD_OUT, FRESH, "x")["fd_x"].floor is None
    assert quality(REAL, HELD_OUT, FRESH[:400], "x")["fd_x"].floor is not None


def test_floors_do_not_depend_on_the_samples() -> None:
    a, b = (quality(REAL, HELD_OUT, samples, "x") for samples in (FRESH, NOISE))
    assert {name: number.floor for name, number in a.items()} == {
        name: number.floor for name, number in b.items()
    }


def test_floors_compare_equal_numbers_of_images() -> None:
    """Few samples are worse in recall and coverage, and so are as many held-out images."""
    few = quality(REAL, HELD_OUT, FRESH[:50], "x")
    for name in ("recall_x", "coverage_x"):
        assert few[name].value == pytest.approx(few[name].floor, abs=0.1), name


@pytest.mark.parametrize("held_out", [1, 2, 5, 6, 40])
@pytest.mark.parametrize("samples", [16, 30])
def test_few_images_give_what_can_be_given(samples: int, held_out: int) -> None:
    numbers = quality(REAL[:50], HELD_OUT[:held_out], FRESH[:samples], "x")
    assert {"fd_x", "kid_x"} <= set(numbers)
    assert ("precision_x" in numbers) == (held_out > 5)
    assert all(math.isfinite(number.value) for number in numbers.values())


def test_the_extrapolation_is_left_out_where_its_line_is_not_straight() -> None:
    assert "fd_infinity_x" not in quality(REAL, HELD_OUT, FRESH[: 4 * WIDTH - 1], "x")
    number = quality(REAL, HELD_OUT[: 4 * WIDTH - 1], FRESH, "x")["fd_infinity_x"]
    assert number.floor is None


# --- classes


def labels(*counts: int) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def test_classes_are_counted_beside_those_of_real_and_of_unseen_images() -> None:
    real = {"reference": labels(50, 50, 100), "held_out": labels(10, 10, 0)}
    numbers = class_numbers(real, labels(0, 30, 30), 3)
    assert set(numbers) == {
        "class_kl_classifier",
        "class_tv_classifier",
        "classes_reached_classifier",
    }
    assert numbers["class_tv_classifier"].value == pytest.approx(0.25)
    assert numbers["class_tv_classifier"].floor == pytest.approx(0.5)
    kl = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.5)
    assert numbers["class_kl_classifier"].value == pytest.approx(kl)
    reached = numbers["classes_reached_classifier"]
    assert (reached.value, reached.floor, reached.better) == (2, 3, "higher")


def test_a_class_has_its_share_and_where_there_are_enough_images_its_numbers() -> None:
    table = by_class((REAL, labels(800, 380, 20)), (FRESH, labels(700, 70, 30)), "abc", "x")
    assert list(table) == ["a", "b", "c"]
    assert table["b"]["share"].value == pytest.approx(70 / 800)
    assert table["b"]["share"].floor == pytest.approx(380 / 1200)
    assert set(table["a"]) == {"share", "kid_x", "precision_x", "recall_x"}
    assert set(table["c"]) == {"share"}


def test_a_class_that_is_drawn_badly_shows_in_its_row() -> None:
    samples = torch.cat([FRESH[:400], NOISE[:400]])
    table = by_class((REAL, labels(600, 600)), (samples, labels(400, 400)), ("good", "bad"), "x")
    assert table["bad"]["kid_x"].value > table["good"]["kid_x"].value + 1
    assert table["bad"]["precision_x"].value < table["good"]["precision_x"].value - 0.2


def test_as_many_images_as_a_class_needs_are_enough() -> None:
    some = by_class((REAL, labels(600, 600)), (FRESH, labels(FEWEST, 800 - FEWEST)), "ab", "x")
    few = by_class((REAL, labels(600, 600)), (FRESH, labels(FEWEST - 1, 801 - FEWEST)), "ab", "x")
    assert "kid_x" in some["a"]
    assert "kid_x" not in few["a"]
