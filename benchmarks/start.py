"""What a command waits for before anything happens: python -m benchmarks.start.

Whole processes in turn, each of which does a little more than the one before.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.record import paired, write

ROOT = Path(__file__).parents[1]
ROUNDS = 5
REFUSED = 2  # the status of a misspelt option
IMPORTS = {
    "Python alone": "sys",
    "torch": "torch",
    "torchvision": "torchvision",
    "Lightning, which takes torchmetrics and both of them": "lightning.pytorch",
    "all that train.py takes": "darkroom.verbs.train, darkroom.callbacks, darkroom.loggers",
}
COMMANDS = {
    "train.py --help": ["--help"],
    "train.py with a misspelt option": ["model.generator.widht=128"],
    "train.py with one step of the default": ["trainer.max_images=64"],
}
REMARKS = (
    "Seconds of the clock of whole processes in turn; files were read before. Ratios are to the "
    "first row. One step includes the end of a run: its samples, checkpoint and last words."
)


def main() -> None:
    imports = {name: ["-c", f"import {modules}"] for name, modules in IMPORTS.items()}
    commands = {name: [str(ROOT / "train.py"), *typed] for name, typed in COMMANDS.items()}
    tables = {
        title: paired({n: partial(seconds, c) for n, c in each.items()}, "s", ROUNDS)
        for title, each in {"imports": imports, "commands": commands}.items()
    }
    print(write("start", tables, REMARKS).read_text())


def seconds(arguments: Sequence[str]) -> float:
    """How long a Python process takes, in a folder that is empty, with its bytecode at hand."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True
        )
        took = time.perf_counter() - began
    assert done.returncode in (0, REFUSED), done.stderr
    return took


if __name__ == "__main__":
    main()
