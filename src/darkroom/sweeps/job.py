"""One job of a sweep: a plain run in a process of its own."""

import ctypes
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from darkroom import config, runs
from darkroom.sweeps.outcome import RECORD, Outcome

LOG = "job.log"
GRACE = 60.0  # seconds that a job has to save itself when it is asked to end
HINTS = ("(HYDRA_FULL_ERROR=1", "Set the environment variable HYDRA_FULL_ERROR")
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Job:
    """One job of a sweep.

    It is a run like any other, started from a command line, so whatever happens to it happens to
    it alone: an exception, the OOM-killer, a lost device. It has a group of processes of its own,
    all of which end with it, and it ends when the sweep does. What it says stands in `job.log`.

    A sweep that is typed again with the folder of a former one goes on with that: what is done is
    left as it is, what has a checkpoint is resumed, and the rest begins.

    Args:
        script: Path of train.py.
        folder: The job's folder.
        overrides: What distinguishes the job.
        run_dir: Folder of the run; another one than the job's if it resumes a run.
        minutes: How long it may take; without an end if None.

    Raises:
        ValueError: If `minutes` makes no sense.
    """

    def __init__(
        self,
        script: Path,
        folder: Path,
        overrides: list[str],
        run_dir: Path,
        minutes: float | None = None,
    ) -> None:
        if minutes is not None and minutes <= 0:
            raise ValueError(f"hydra.callbacks.sweep.minutes={minutes}: type a number above 0.")
        self.script = script
        self.folder = folder
        self.overrides = overrides
        self.run_dir = run_dir
        self.minutes = minutes

    def run(self) -> Outcome:
        """Runs the job to its end, unless it is there already.

        Raises:
            ValueError: If the folder holds another job.
        """
        self._refuse_other()
        former = Outcome.read(self.folder)
        if former is not None and not former.is_failure:
            return former
        outcome = self._tried()
        outcome.write(self.folder)
        return outcome

    def _refuse_other(self) -> None:
        before = self._overrides_before()
        if before is not None and sorted(before) != sorted(self.overrides):
            raise ValueError(
                f"{self.folder} holds a job of another sweep ({' '.join(before)}), and not "
                f"{' '.join(self.overrides)}. Type that sweep's command to go on with it, or "
                "another hydra.sweep.dir."
            )

    def _overrides_before(self) -> list[str] | None:
        """What the job that the folder holds was told; None if it holds none."""
        manifest = self.folder / "run.json"
        if manifest.exists():
            return list(json.loads(manifest.read_text())[0]["overrides"])
        former = Outcome.read(self.folder)
        return None if former is None else former.overrides

    def _tried(self) -> Outcome:
        _wait_until_free(self.folder)
        command = [sys.executable, str(self.script), *self._arguments()]
        command.append(f"hydra.run.dir={config.spelt(str(self.folder))}")
        with (self.folder / LOG).open("ab") as log:
            log.write(f"$ {shlex.join(command)}\n".encode())
            log.flush()
            begin = log.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
            try:
                process.wait(None if self.minutes is None else 60 * self.minutes)
                is_late = False
            except subprocess.TimeoutExpired:
                is_late = True
            finally:
                _end(process)
        if is_late:
            error = f"it was not done after {self.minutes:g} minutes"
        elif process.returncode < 0:
            error = f"killed by {signal.Signals(-process.returncode).name}"
        elif process.returncode > 0:
            error = self._last_line(begin)
        else:
            return Outcome.success(self.overrides, self.run_dir)
        return Outcome(self.overrides, process.returncode, error=error)

    def _arguments(self) -> list[str]:
        """Resumes what has a checkpoint. What has none begins anew: there is nothing to lose."""
        if runs.has_checkpoint(self.folder):
            return [f"resume={config.spelt(str(self.folder))}"]
        runs.clear(self.folder, kept=(LOG, RECORD))
        return self.overrides

    def _last_line(self, begin: int) -> str:
        """The end of what a job said; without the bars, which return to a line's beginning."""
        said = (self.folder / LOG).read_bytes()[begin:].decode(errors="replace")
        lines = [line.strip() for line in re.split(r"[\r\n]+", said)]
        told = [line for line in lines if line and not line.startswith(HINTS)]
        return told[-1].removeprefix("train: ") if told else "it said nothing"


def _wait_until_free(folder: Path) -> None:
    """A sweep that was killed may have left a job which still saves itself."""
    for attempt in itertools.count():
        try:
            with runs.held(folder):
                return
        except ValueError as held:
            if attempt == 0:
                print(f"{held} This sweep waits.", flush=True)
            time.sleep(1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leaves nothing of a job behind: it is asked to save itself, then its whole group ends."""
    try:
        if process.poll() is None:
            process.terminate()
            process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_parent() -> None:
    """Lets this process end when the sweep's does, even if that one is killed (on Linux)."""
    if _libc is not None:
        _libc.prctl(SET_DEATH_SIGNAL, signal.SIGTERM)
