"""One of two processes fails: the other stops and says so, and nothing is left running."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from darkroom import checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TIMEOUT = 5  # seconds


class Failure:
    """A smoke run of train.py on two processes, one of which meets a fault after 40 images."""

    def __init__(self, folder: Path, fault: str, rank: int) -> None:
        script = ROOT / "tests" / "systems" / "faulty.py"
        options = ("experiment=smoke", "model=vae", "hydra.run.dir=run")
        devices = ("trainer.devices=2", "trainer.accelerator=cpu", f"trainer.timeout={TIMEOUT}")
        added = {"FAULT": f"{fault}:{rank}:40", "PYTHONPATH": f"{ROOT}", "OMP_NUM_THREADS": "1"}
        with (folder / "said").open("w") as said:
            process = subprocess.Popen(
                [sys.executable, str(script), *options, *devices],
                cwd=folder,
                env=os.environ | added,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                self.code = process.wait(200)
                self.remaining = patiently(lambda: members(process.pid))
            finally:
                for member in members(process.pid):
                    member.kill()
        self.said = (folder / "said").read_text()


def members(session: int) -> list[psutil.Process]:
    """What runs of all that a process has started, if it began a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue  # it has just ended
    return found


def patiently(look, seconds=30):
    """What is there, once nothing is, or after some time."""
    until = time.monotonic() + seconds
    while (there := look()) and time.monotonic() < until:
        time.sleep(0.2)
    return there


def assert_ended(failed: Failure, folder: Path) -> None:
    assert failed.code != 0
    assert failed.remaining == []
    assert checkpoint.load(folder / "run").images_seen == 32


@pytest.mark.promise(
    "One of two processes raises an error, the first or the other.",
    "Its error is shown, both end, and the checkpoint from before can be resumed.",
)
@pytest.mark.parametrize("rank", [0, 1])
def test_the_error_of_one_process_is_shown_and_both_end(rank, tmp_path):
    failed = Failure(tmp_path, "raise", rank)
    assert_ended(failed, tmp_path)
    assert failed.said.count("RuntimeError: the fault of this test") == 1
    assert "gloo" not in failed.said
    told = "After 40 images process 0 lost another one, which says itself why"
    assert (told in failed.said) == (rank == 1)


@pytest.mark.promise(
    "One of two processes is killed, as the system does when memory runs out.",
    "The other ends at once and says so; the checkpoint from before can be resumed.",
)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_other_with_a_message(rank, tmp_path):
    failed = Failure(tmp_path, "kill", rank)
    assert_ended(failed, tmp_path)
    assert f"After 40 images process {1 - rank} lost another one" in failed.said
    assert "Go on with resume=run" in failed.said
    if rank == 1:
        assert "which SIGKILL ended, as it does where memory runs out" in failed.said


@pytest.mark.promise(
    "One of two processes hangs.",
    "The other ends it after trainer.timeout seconds, says so and ends too.",
)
def test_a_hanging_process_is_given_up(tmp_path):
    failed = Failure(tmp_path, "hang", 1)
    assert_ended(failed, tmp_path)
    assert re.search(
        r"After 40 images process 0 had no answer from another one within trainer\.timeout\. "
        r"Go on with resume=run; if that one was only busy, with trainer\.timeout=<more seconds>",
        failed.said,
    )
