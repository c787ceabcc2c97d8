"""Who may end a run early: Ctrl-C, the machine's shutdown, a cluster's time limit."""

import os
import signal
import subprocess
import sys
from types import FrameType

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from darkroom.callbacks.every import may_wait
from darkroom.images import Batch
from darkroom.systems import System
from darkroom.trainer import Trainer

WARNINGS = ("SIGUSR1", "SIGUSR2")  # what a cluster sends before its time limit; not on Windows
SIGNALS = ("SIGINT", "SIGTERM", *WARNINGS)


class Interrupted(BaseException):
    """A run was asked to end. It ended between two steps, on all devices at the same one.

    Args:
        number: The signal that asked for it.

    Attributes:
        code: The exit status that says so, as shells do: 128 and the signal's number.
        is_warning: Whether a cluster will end the job soon.
    """

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"interrupted by {name}")
        self.code = 128 + number
        self.is_warning = name in WARNINGS


class Interruptions(Callback):
    """Ends a run between two steps when a signal asks for it; `Checkpoints` saves it then.

    Lightning's own way talks to the other devices within the signal's handler, which can wait for
    ever, and ends with success. Here a signal is only noted, and all devices agree after the step,
    with all that is measured and validated at its end. A second signal ends the process at once.

    Under SLURM a signal before the time limit (`#SBATCH --signal=SIGUSR1@90`) also puts the job
    back into the queue; with `resume=auto` in its command it goes on where it was.

    Args:
        requeue: Whether it does.
    """

    def __init__(self, requeue: bool = True) -> None:
        self.requeue = requeue
        self.number = 0

    def on_train_start(self, trainer: Trainer, system: System) -> None:
        self.number = signal.SIGTERM if trainer.received_sigterm else 0
        for name in SIGNALS:  # Lightning puts back those that were there, when the run ends
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.number = number
        name = signal.Signals(number).name
        os.write(
            2, f"\n{name}: the run ends after this step. Once more ends it at once.\n".encode()
        )

    def on_train_batch_start(
        self, trainer: Trainer, system: System, batch: Batch, batch_idx: int
    ) -> None:
        number = self.number
        if trainer.world_size > 1:
            if not may_wait(trainer):
                return
            mine = torch.tensor(number, device=system.device)
            number = int(trainer.strategy.reduce(mine, reduce_op="max"))
        if number:  # a signal that came during the talk is still noted, for the next step
            raise Interrupted(number)

    def on_exception(self, trainer: Trainer, system: System, exception: BaseException) -> None:
        if isinstance(exception, Interrupted) and self.requeue and exception.is_warning:
            _requeue()


@rank_zero_only
def _requeue() -> None:
    """Puts this SLURM job back into the queue; nothing if it is none."""
    job, array = (os.environ.get(f"SLURM_{kind}_ID") for kind in ("JOB", "ARRAY_JOB"))
    if job is None:
        return
    if array is not None:
        job = f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True)
        said = f"failed: {done.stderr.strip()}" if done.returncode else "done"
    except OSError as error:  # the run is saved all the same
        said = f"failed: {error}"
    print(f"scontrol requeue {job}: {said}", file=sys.stderr)
