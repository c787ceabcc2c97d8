"""What a run has cost, out of its curves and its system."""

import numpy as np
import pytest

from darkroom.curves import Curve
from darkroom.evaluation.cost import STEADY, cost_of
from darkroom.systems import System
from tests.conftest import tiny_system


def curve(*values: float) -> Curve:
    return Curve(np.arange(1, len(values) + 1) * 100, np.array(values, np.float64))


@pytest.fixture(scope="module")
def gan() -> System:
    system = tiny_system("gan").eval()
    system.images_seen = 600
    return system


LOGGED = {
    "throughput/seconds": curve(1, 2, 5),
    "throughput/peak_memory_mib": curve(100, 120, 130),
    "throughput/images_per_second": curve(90, 110, 100),
}


def test_costs_are_those_that_were_logged_last(gan: System) -> None:
    costs = cost_of(gan, LOGGED, 16)
    assert costs["training_seconds"] == 5
    assert costs["training_peak_memory_mib"] == 130
    assert costs["training_images_per_second"] == 100  # the median
    assert costs["training_images"] == 600


def test_what_was_not_logged_is_absent_or_follows_from_what_was(gan: System) -> None:
    costs = cost_of(gan, {}, 16)
    assert set(costs) == {
        "training_images",
        "trained_parameters",
        "flops_per_sample",
        "sampling_images_per_second",
    }
    speed = {"throughput/images_per_second": curve(100, 100)}
    assert cost_of(gan, speed, 16)["training_seconds"] == 6


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_all_that_is_trained_is_counted(model: str) -> None:
    system = tiny_system(model).eval()
    trained = {
        "gan": lambda: [system.generator, system.discriminator],
        "vae": lambda: [system.network],
    }[model]()
    numbers = sum(p.numel() for part in trained for p in part.parameters())
    assert cost_of(system, {}, 16)["trained_parameters"] == numbers


def test_operations_are_those_of_one_sample_whatever_the_batch(gan: System) -> None:
    few, many = (cost_of(gan, {}, size)["flops_per_sample"] for size in (4, 32))
    assert few == many > 0
    assert cost_of(gan, {}, 16)["sampling_images_per_second"] > 0


def test_the_spread_of_the_last_third_is_the_stability(gan: System) -> None:
    wild = curve(*[100.0, 1.0, 50.0] * 3, *[10.0, 12.0, 8.0, 10.0, 10.0])
    costs = cost_of(gan, {"quality/kid_thumbnail": wild}, 16)
    last = wild.tail(1 / 3).values
    assert costs["stability"] == pytest.approx(last.std() / np.median(last))
    steady = curve(*[10.0] * 12)
    assert cost_of(gan, {"quality/kid_thumbnail": steady}, 16)["stability"] == 0


@pytest.mark.parametrize("values", [[1.0] * (3 * STEADY - 3), [-1.0] * 12, [float("nan")] * 12])
def test_there_is_no_stability_without_enough_good_numbers(
    values: list[float], gan: System
) -> None:
    assert "stability" not in cost_of(gan, {"quality/kid": curve(*values)}, 16)


def test_a_point_that_is_no_number_does_not_hide_the_stability(gan: System) -> None:
    values = [10.0] * 20 + [float("nan")] + [10.0, 12.0, 8.0, 10.0, 10.0]
    costs = cost_of(gan, {"quality/kid": curve(*values)}, 16)
    assert 0 < costs["stability"] < 1


def test_a_curve_without_points_costs_nothing(gan: System) -> None:
    empty = {name: curve() for name in (*LOGGED, "quality/kid")}
    assert "training_seconds" not in cost_of(gan, empty, 16)
