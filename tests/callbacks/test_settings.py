"""What changes by a schedule is logged, and what does not is not."""

import csv

import pytest

from darkroom.callbacks import Settings
from darkroom.loggers import Table


def logged(run, tmp_path, model: str) -> dict[str, list[float]]:
    run(model, images=64, callbacks=(Settings(16),), logger=[Table(str(tmp_path))])
    found: dict[str, list[float]] = {}
    with (tmp_path / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["name"].startswith("settings/"):
                found.setdefault(row["name"].removeprefix("settings/"), []).append(
                    float(row["value"])
                )
    return found


def test_schedules_are_shown_on_their_way(run, tmp_path) -> None:
    found = logged(run, tmp_path, "modern")
    assert set(found) == {
        "half_life",
        "generator/lr",
        "generator/beta2",
        "penalty/r1",
        "augmentation",
    }
    assert all(len(values) == 4 for values in found.values())
    assert found["penalty/r1"] == sorted(found["penalty/r1"], reverse=True)
    assert found["penalty/r1"][-1] == pytest.approx(0.1)


def test_a_probability_that_follows_the_discriminator_is_shown(run, tmp_path) -> None:
    found = logged(run, tmp_path, "adaptive")
    assert list(found) == ["augmentation"]
    assert all(0 <= value <= 1 for value in found["augmentation"])


def test_a_run_whose_settings_stay_logs_none(run, tmp_path) -> None:
    assert logged(run, tmp_path, "gan") == {}
