"""Where numbers go: TensorBoard, and a table that a spreadsheet opens and a crash cannot tear.

Both continue a resumed run without doubled points: what was logged after the checkpoint is dropped,
since it will be logged again.
"""

import csv
import time
from argparse import Namespace
from io import StringIO
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard import SummaryWriter

from darkroom import files

PATIENCE = 5.0  # seconds that one machine's clock may be ahead of another's


class TensorBoard(TensorBoardLogger):
    """TensorBoard's event files, in the run's folder `tensorboard/`.

    Each start of a run writes a file, named by the second of its start, and TensorBoard reads them
    in the order of their names. So a run that is resumed within the second of its former start
    waits for the next one, or what it logs would be read first.

    Args:
        save_dir: The run's folder.
        resumed_at: Images seen by the checkpoint that the run continues from; 0 for a new run.
    """

    def __init__(self, save_dir: str, resumed_at: int = 0) -> None:
        super().__init__(
            save_dir,
            name=None,
            version="tensorboard",
            default_hp_metric=False,
            purge_step=resumed_at + 1 if resumed_at else None,
        )

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        if self._experiment is None:
            self._outlast_former_files()
        return super().experiment

    def _outlast_former_files(self) -> None:
        """Waits until a new file's name comes after the others', unless a clock went wrong."""
        names = [path.name for path in Path(self.log_dir).glob("events.out.tfevents.*")]
        seconds = [int(name.split(".")[3]) for name in names]
        wait = max(seconds, default=-1) + 1 - time.time()
        time.sleep(min(max(wait, 0), PATIENCE))


class Table(Logger):
    """Appends every number as a row (images_seen, name, value) to `metrics.csv`.

    One number a row, so that a new name never rewrites the file.

    Args:
        save_dir: The run's folder.
        resumed_at: Images seen by the checkpoint that the run continues from; 0 for a new run.
    """

    def __init__(self, save_dir: str, resumed_at: int = 0) -> None:
        super().__init__()
        self.path = Path(save_dir) / "metrics.csv"
        self.resumed_at = resumed_at
        self.begun = False

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **options: Any
    ) -> None:
        """The composed config lies beside the table already."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if not self.begun:
            self._begin()
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerows([step, name, value] for name, value in metrics.items())

    def _begin(self) -> None:
        kept: list[list[str]] = []
        if self.path.exists():
            with self.path.open(newline="") as file:
                rows = [row for row in csv.reader(file) if len(row) == 3][1:]  # a kill tears one
            kept = [row for row in rows if int(row[0]) <= self.resumed_at]
        text = StringIO(newline="")
        csv.writer(text).writerows([["images_seen", "name", "value"], *kept])
        with files.whole(self.path) as file:
            file.write(text.getvalue().encode())
        self.begun = True
