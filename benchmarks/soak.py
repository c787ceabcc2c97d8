"""Does a long run stay as small as it began: python -m benchmarks.soak minutes=30.

Everything that watches a run does so often, and the process is looked at from outside: its memory,
open files and threads, and what it has written. It ends by SIGTERM, as by a machine's shutdown.

    python -m benchmarks.soak minutes=30 model=gan data=digits
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.record import Matrix, write
from darkroom import curves

ROOT = Path(__file__).parents[1]
EVERY = 4_000  # images between two acts of each observer, a fifth of the usual
WATCHERS = (
    *("throughput", "settings", "quality", "game", "posterior", "codes", "spread", "dead_units"),
    *("diagnosis", "samples", "reconstructions", "checkpoints"),
)
LOOKS = 12  # rows of the table
SETTLED = 1 / 3  # of the time, after which slopes are taken: caches are filled by then


def main(minutes: float, options: list[str]) -> None:
    often = [f"callbacks.{name}.every={EVERY}" for name in WATCHERS]
    often += [f"trainer.validate_every={EVERY}", "trainer.max_images=1000000000"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        command = [sys.executable, str(ROOT / "train.py"), *options, *often]
        with Path(place, "said").open("w") as said:
            run = subprocess.Popen(
                [*command, f"hydra.run.dir={folder}"],
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdout=said,
                stderr=said,
            )
            looks = [look(run.pid, folder, 60 * minutes / LOOKS) for _ in range(LOOKS)]
            run.send_signal(signal.SIGTERM)
            code = run.wait()
        assert (folder / "metrics.csv").exists(), Path(place, "said").read_text()
    columns = ["thousand images", "MiB of memory", "open files", "threads", "MiB of logs"]
    columns += ["MiB of checkpoints"]
    rows: dict[str, list[float]] = {
        f"{minutes * (k + 1) / LOOKS:g} min": values for k, values in enumerate(looks)
    }
    late = np.array(looks)[round(SETTLED * LOOKS) :]
    rows["slope, for a million images"] = [
        1000.0,
        *(float(np.polyfit(late[:, 0], late[:, k], 1)[0]) * 1000 for k in range(1, len(columns))),
    ]
    remarks = (
        f"`train.py {' '.join(options)}` with each observer every {EVERY:,} images, looked at from "
        f"outside; ended by SIGTERM with status {code}. Slopes are of the last "
        f"{1 - SETTLED:.0%} of the time."
    )
    print(write("soak", {"a long run": Matrix(columns, rows)}, remarks).read_text())


def look(process: int, folder: Path, seconds: float) -> list[float]:
    """The state of a run after so many seconds more."""
    time.sleep(seconds)
    about = psutil.Process(process)
    with about.oneshot():
        mine = [about.memory_info().rss / 2**20, about.num_fds(), about.num_threads()]
    logged = curves.read(folder / "metrics.csv")
    seen = max((int(curve.images[-1]) for curve in logged.values()), default=0)
    logs = [*folder.glob("metrics.csv"), *folder.glob("tensorboard/*")]
    checkpoints = folder.glob("checkpoints/*.ckpt")
    return [
        seen / 1000,
        *mine,
        *(sum(path.stat().st_size for path in paths) / 2**20 for paths in (logs, checkpoints)),
    ]


if __name__ == "__main__":
    typed = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(float(typed.pop("minutes", 30)), [f"{name}={value}" for name, value in typed.items()])
