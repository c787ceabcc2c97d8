"""How a sweep begins, stops and ends, whichever sweeper and launcher it has."""

import os
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from darkroom import installation


class Sweep(Callback):
    """Says how to go on with a sweep, stops it when it is told to, and shows what it came to.

    Args:
        minutes: How long one job may take. One that takes longer, as it hangs, is asked to save
            itself and counts as failed; without an end if None.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self.minutes = minutes

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        folder = os.path.relpath(config.hydra.sweep.dir)
        typed = [argument.removeprefix("++") for argument in sys.argv[1:]]
        typed = [argument for argument in typed if not argument.startswith("hydra.sweep.dir=")]
        script = os.path.relpath(sys.argv[0])
        self.same = shlex.join(["python", script, *typed, f"hydra.sweep.dir={folder}"])
        print(f"sweep  {folder}: each job writes into its folder, and says what it does in job.log")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> NoReturn:
        """Ends the sweep; what waits for a job passes it on to that job."""
        print(
            f"\ntrain: {signal.Signals(number).name}: the sweep stops, and its job saves itself. "
            f"Once more ends it at once. Go on with:\n  {self.same}",
            file=sys.stderr,
        )
        raise SystemExit(128 + number)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        from darkroom.sweeps import Table  # only a sweep needs it, and every verb loads this module

        folder = Path(os.path.relpath(config.hydra.sweep.dir))
        table = Table.of(folder)
        print(f"\n{table.text()}\n")
        print(f"table         {table.write(folder)}")
        if table.failures < len(table.outcomes):
            print(f"side by side  {installation.typed('compare')} sweep={folder}")
        if table.failures:
            print(
                f"\ntrain: {table.failures} of {len(table.outcomes)} jobs failed; job.log in their "
                f"folders says more. Try them again with:\n  {self.same}",
                file=sys.stderr,
            )
            sys.exit(1)
