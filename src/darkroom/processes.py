"""Processes that train one run: they begin it together, and end it together."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from lightning import Trainer as LightningTrainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch import distributed
from torch.distributed import distributed_c10d

from darkroom.systems import System

_GRACE = 10.0  # seconds for a process to say why it ends
# where torch has the public name it warns of the other one
_set_timeout = getattr(distributed, "set_timeout", None) or distributed_c10d._set_pg_timeout


@contextmanager
def together(trainer: LightningTrainer, system: System) -> Iterator[None]:
    """Processes of a run end together, and the one that failed is heard.

    Without this, those that only lost it would each show a traceback of their own, and one that
    hangs would stay behind. The first process of a machine ends those that Lightning started there;
    torchrun and SLURM do so by themselves.

    Args:
        trainer: Of the run.
        system: What it trains.

    Raises:
        ConnectionError: If another process has ended.
        TimeoutError: If another process does not answer.
    """
    try:
        yield
    except Exception as error:
        is_alone = isinstance(error, RuntimeError) and _lost_another(error)
        codes = _end(_started(trainer), _GRACE if is_alone else 0.0)
        if is_alone:
            raise _left_alone(trainer, system, str(error), codes) from error
        raise
    except BaseException:  # all were asked to end, and do
        _end(_started(trainer), _GRACE)
        raise


def _started(trainer: LightningTrainer) -> list[Popen[bytes]]:
    """The processes that Lightning started from this one."""
    launcher = trainer.strategy.launcher
    return launcher.procs if isinstance(launcher, _SubprocessScriptLauncher) else []


def _lost_another(error: RuntimeError) -> bool:
    """Gloo's errors have no class of their own."""
    return isinstance(error, distributed.DistError) or "gloo/transport" in str(error)


def _left_alone(trainer: LightningTrainer, system: System, said: str, codes: list[int]) -> OSError:
    place = f"After {system.images_seen:,} images process {trainer.global_rank}"
    folder = Path(trainer.default_root_dir)
    is_saved = any((folder / "checkpoints").glob("*.ckpt"))
    way = f"Go on with resume={folder}" if is_saved else "Begin anew: no checkpoint was written"
    if re.search(r"timed? ?out", said, re.IGNORECASE):
        return TimeoutError(
            f"{place} had no answer from another one within trainer.timeout. {way}; if that one "
            "was only busy, with trainer.timeout=<more seconds>."
        )
    signals = [signal.Signals(-code).name for code in codes if code < 0]
    why = f"which {signals[0]} ended" if signals else "which says itself why"
    why += ", as it does where memory runs out" if "SIGKILL" in signals else ""
    return ConnectionError(f"{place} lost another one, {why}. {way}.")


def _end(processes: list[Popen[bytes]], patience: float) -> list[int]:
    """Waits for processes to end, and kills those that do not.

    Lightning's observer, who would kill this process beside them, is left with nothing to observe.

    Returns:
        The exit codes of those that ended by themselves.
    """
    remaining, codes = processes.copy(), []
    processes.clear()
    for process in remaining:
        try:
            codes.append(process.wait(patience))
        except TimeoutExpired:
            process.kill()
            process.wait()
    return codes


class OneRun(Callback):
    """Devices that train together have one folder, and wait for one another only so long."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def setup(self, trainer: LightningTrainer, system: System, stage: str) -> None:
        mine = trainer.default_root_dir
        firsts = trainer.strategy.broadcast(mine)
        if not trainer.strategy.reduce_boolean_decision(mine == firsts):
            raise ValueError(
                f"Process {trainer.global_rank} of {trainer.world_size} has {mine} as the run's "
                f"folder, and the first one has {firsts}: torchrun and SLURM start each by itself. "
                "Type hydra.run.dir=<folder>, the same for all."
            )

    def on_train_start(self, trainer: LightningTrainer, system: System) -> None:
        if distributed.is_initialized():
            _set_timeout(timedelta(seconds=self.timeout))
