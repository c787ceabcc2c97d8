"""A run keeps its checkpoints when the disk is full and when it is killed."""

import os
import random
import resource
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from darkroom import checkpoint
from darkroom.callbacks import Checkpoints
from darkroom.checkpoint import CheckpointIO

KILLS = 120
NOBODY = 65534
WEIGHTS = np.arange(300_000.0)


class Limit(Callback):
    """Limits the size of files, as a full disk or a quota does, from one clock on to another."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        _, self.hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def on_train_batch_start(self, trainer, system, batch, batch_idx) -> None:
        is_full = self.first <= system.images_seen <= self.last
        soft = 4096 if is_full else self.hard
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, self.hard))


@pytest.fixture(autouse=True)
def _no_limit():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def clocks(folder: Path) -> dict[str, int]:
    return {
        path.name: checkpoint.read(path)["images_seen"]
        for path in sorted((folder / "checkpoints").iterdir())
    }


@pytest.mark.promise(
    "A full disk while a checkpoint is written",
    "The last one stays whole, nothing partial is left; the run stops and names the free space.",
)
def test_a_full_disk_stops_the_run_and_spoils_nothing(run, tmp_path: Path):
    with pytest.raises(OSError, match=r"last.ckpt could not be written: File too large \(.* MiB"):
        run("gan", images=96, callbacks=(Limit(48, 96), Checkpoints(every=16, patience=0)))
    assert clocks(tmp_path) == {"last.ckpt": 32, "previous.ckpt": 16}


@pytest.mark.promise(
    "A disk that is full for a while", "The run goes on, says so, and saves when there is room."
)
def test_a_disk_that_is_full_for_a_while_is_borne(run, tmp_path: Path, capsys):
    run("gan", images=96, callbacks=(Limit(32, 48), Checkpoints(every=16, patience=2)))
    assert clocks(tmp_path) == {"last.ckpt": 96, "previous.ckpt": 80}
    said = capsys.readouterr().err
    assert "It goes on (1 of 2 times)." in said
    assert "It goes on (2 of 2 times)." in said


class ReadOnly(Callback):
    """Takes away the right to write into a run's checkpoints, from one clock on to another."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def on_train_batch_start(self, trainer, system, batch, batch_idx) -> None:
        is_denied = self.first <= system.images_seen <= self.last
        allow(Path(trainer.default_root_dir) / "checkpoints", not is_denied)


def allow(folder: Path, may_write: bool) -> None:
    """Root may write anywhere, so it becomes nobody meanwhile."""
    if os.getuid() == 0:
        os.seteuid(0 if may_write else NOBODY)
    elif folder.exists():
        folder.chmod(0o755 if may_write else 0o555)


@pytest.fixture
def denied(tmp_path: Path):
    """A folder that nobody can look into, at least."""
    above = [tmp_path, *tmp_path.parents[: len(tmp_path.parts) - 3]]
    modes = {folder: folder.stat().st_mode for folder in above}
    for folder, mode in modes.items():
        folder.chmod(mode | 0o011)
    yield
    allow(tmp_path / "checkpoints", True)
    for folder, mode in modes.items():
        folder.chmod(mode)


@pytest.mark.promise(
    "A folder that can no longer be written to",
    "The run bears it as configured, then stops and says so; the last checkpoint stays whole.",
)
@pytest.mark.parametrize(
    ("patience", "kept"),
    [(0, {"last.ckpt": 32, "previous.ckpt": 16}), (2, {"last.ckpt": 96, "previous.ckpt": 80})],
)
def test_a_folder_that_cannot_be_written_to(patience, kept, denied, run, tmp_path: Path, capsys):
    callbacks = (ReadOnly(48, 64), Checkpoints(every=16, patience=patience))
    with nullcontext() if patience else pytest.raises(OSError, match="written: Permission denied"):
        run("gan", images=96, callbacks=callbacks)
    allow(tmp_path / "checkpoints", True)
    assert clocks(tmp_path) == kept
    assert ("It goes on (2 of 2 times)." in capsys.readouterr().err) == bool(patience)


def test_the_end_of_a_run_bears_no_failure(run, tmp_path: Path):
    with pytest.raises(OSError, match="could not be written"):
        run("gan", images=96, callbacks=(Limit(80, 96), Checkpoints(every=64, patience=9)))
    assert clocks(tmp_path) == {"last.ckpt": 64}


@pytest.mark.promise(
    "SIGKILL at 120 random instants while checkpoints are written, $TMPDIR elsewhere",
    "Every file under a final name is whole; what was begun is removed at the next start.",
)
def test_a_kill_leaves_no_torn_file(tmp_path: Path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    draw, seen, takes = random.Random(0), 0, 0.0
    for _ in range(KILLS):
        begun, begins = os.pipe()
        child = os.fork()
        if not child:
            write_without_end(path, seen, begins)
        os.read(begun, 1)
        began = time.perf_counter()
        if not takes:
            os.read(begun, 1)
            takes = time.perf_counter() - began
        time.sleep(draw.uniform(0, 4) * takes)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for end in (begun, begins):
            os.close(end)
        for found in path.parent.glob("*.ckpt"):
            content = checkpoint.read(found)
            seen = max(seen, content["images_seen"])
            assert np.array_equal(content["weights"].numpy(), WEIGHTS + content["images_seen"])
    assert checkpoint.recall(tmp_path)[1]["images_seen"] >= seen - 1 > 0


def write_without_end(path: Path, seen: int, begins: int) -> NoReturn:
    """Saves once more and once more, and tells when it begins to.

    In a fork torch must not compute: it would wait for threads that only the parent has.
    """
    while True:
        seen += 1
        os.write(begins, b".")
        weights = torch.from_numpy(WEIGHTS + seen)
        content = {"config": "", "images_seen": seen, "weights": weights}
        CheckpointIO().save_checkpoint(content, path)


def test_minutes_count_where_images_are_slow(run, tmp_path: Path):
    run("vae", images=64, callbacks=(Checkpoints(every=10**9, minutes=1e-9),))
    assert clocks(tmp_path) == {"last.ckpt": 64, "previous.ckpt": 48}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0}, "callbacks.checkpoints.every=0: type at least 1."),
        ({"every": 1, "minutes": 0}, "callbacks.checkpoints.minutes=0: type more than 0."),
        ({"every": 1, "patience": -1}, "callbacks.checkpoints.patience=-1: type at least 0."),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Checkpoints(**options)
