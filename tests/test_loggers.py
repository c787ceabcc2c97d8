import csv
import time

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from darkroom.loggers import PATIENCE, Table, TensorBoard


def rows_of(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.reader(file))


def points_of(folder):
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


def log(logger, **points):
    for step, value in points.items():
        logger.log_metrics({"loss": value}, step=int(step.removeprefix("at_")))
    logger.finalize("success")


def test_every_number_is_a_row_under_the_header(tmp_path):
    table = Table(str(tmp_path))
    table.log_metrics({"loss/generator": 0.5, "rate": 2.0}, step=64)
    table.log_metrics({'of, a "new" name': 1.0}, step=128)
    assert rows_of(tmp_path) == [
        ["images_seen", "name", "value"],
        ["64", "loss/generator", "0.5"],
        ["64", "rate", "2.0"],
        ["128", 'of, a "new" name', "1.0"],
    ]


@pytest.mark.parametrize(
    ("logger", "read"),
    [
        (Table, lambda folder: [(int(s), float(v)) for s, _, v in rows_of(folder)[1:]]),
        (TensorBoard, points_of),
    ],
)
def test_a_resumed_run_has_no_point_twice_and_loses_none(logger, read, tmp_path):
    log(logger(str(tmp_path)), at_100=1.0, at_200=2.0, at_300=3.0)
    log(logger(str(tmp_path), resumed_at=200), at_250=2.5, at_300=3.5)
    assert read(tmp_path) == [(100, 1.0), (200, 2.0), (250, 2.5), (300, 3.5)]


def test_tensorboard_reads_starts_within_one_second_in_their_order(tmp_path):
    log(TensorBoard(str(tmp_path)), at_100=1.0, at_200=2.0)
    (file,) = (tmp_path / "tensorboard").glob("events.*")
    file.rename(file.with_name(f"{'.'.join(file.name.split('.')[:4])}.zz.99999.0"))
    log(TensorBoard(str(tmp_path), resumed_at=200), at_250=2.5)
    assert points_of(tmp_path) == [(100, 1.0), (200, 2.0), (250, 2.5)]


def test_a_clock_that_is_far_ahead_keeps_no_run_waiting(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    (tmp_path / "tensorboard").mkdir()
    name = f"events.out.tfevents.{int(time.time()) + 1000}.vm.1.0"
    (tmp_path / "tensorboard" / name).touch()
    log(TensorBoard(str(tmp_path), resumed_at=200), at_250=2.5)
    assert max(waits) == PATIENCE


def test_a_new_run_begins_a_new_table(tmp_path):
    log(Table(str(tmp_path)), at_100=1.0)
    log(Table(str(tmp_path)), at_50=2.0)
    assert rows_of(tmp_path)[1:] == [["50", "loss", "2.0"]]
