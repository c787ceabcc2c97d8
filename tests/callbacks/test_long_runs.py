"""However long a run, what it logs and draws stays bounded."""

import csv
from collections import Counter

import pytest

from darkroom import trainer
from darkroom.callbacks import every as intervals
from darkroom.callbacks.every import EveryImages
from darkroom.loggers import Table
from tests.conftest import BATCH_SIZE

STEPS = 40


class Counting(EveryImages):
    """Notes when it acts."""

    def __init__(self, every):
        super().__init__(every)
        self.acts = []

    def act(self, trainer, system):
        self.acts.append(system.images_seen)


@pytest.fixture
def logged(run, tmp_path):
    """How often each name was logged in a run of so many steps."""

    def start(steps, **options):
        run("gan", images=steps * BATCH_SIZE, logger=[Table(str(tmp_path))], **options)
        with (tmp_path / "metrics.csv").open(newline="") as file:
            return Counter(row["name"] for row in csv.DictReader(file))

    return start


@pytest.mark.parametrize(("most", "times"), [(10, 10), (20, 20), (1000, STEPS)])
def test_at_most_so_many_steps_are_logged(logged, monkeypatch, most, times):
    monkeypatch.setattr(trainer, "LOGGED", most)
    assert set(logged(STEPS, log_every_n_steps=1).values()) == {times}


def test_a_longer_stride_than_that_is_kept(logged, monkeypatch):
    monkeypatch.setattr(trainer, "LOGGED", 20)
    assert set(logged(STEPS, log_every_n_steps=8).values()) == {STEPS // 8}


@pytest.mark.parametrize("most", [4, 10, 500])
def test_an_observer_acts_at_most_so_often_and_at_the_end(run, monkeypatch, most):
    monkeypatch.setattr(intervals, "MOST", most)
    observer = Counting(2 * BATCH_SIZE)
    run("gan", images=STEPS * BATCH_SIZE, callbacks=(observer,))
    interval = max(2, STEPS // most) * BATCH_SIZE
    assert observer.acts == list(range(interval, STEPS * BATCH_SIZE + 1, interval))
