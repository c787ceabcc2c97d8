"""Which recipe draws better images after equal work: python -m benchmarks.recipes.

Each contender gets the same processor time, start and all callbacks included, so that a machine
that others use as well does not decide. How many images that is follows from two short runs.

    python -m benchmarks.recipes minutes=15 cores=2 folder=outputs/recipes

Runs that are finished in the folder are not repeated. A core each trains them, one after another.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from benchmarks.record import Matrix, write
from darkroom.evaluation import record

ROOT = Path(__file__).parents[1]
SEEDS = 0, 1
SHORT, LONG = 2_000, 8_000  # images of the two runs that tell the pace
CONTENDERS = {
    "Fashion-MNIST 32x32": {
        "gan (the article's)": ["model=gan", "data=fashion_mnist", "data.resolution=32"],
        "rpgan": ["model=rpgan", "data=fashion_mnist"],
    },
}
JUDGED = ["features=classifier", "samples=10000"]
NUMBERS = {
    "fd_infinity_classifier": "FD∞",
    "kid_classifier": "KID",
    "precision_classifier": "precision",
    "recall_classifier": "recall",
    "density_classifier": "density",
    "coverage_classifier": "coverage",
}


def main(minutes: float, cores: int, folder: Path) -> None:
    seconds = 60 * minutes * cores
    tables = {
        title: compared(contenders, seconds, folder) for title, contenders in CONTENDERS.items()
    }
    remarks = (
        f"{minutes:g} minutes on {cores} cores each: {seconds / 60:g} minutes of processor time on "
        "one thread. Judged by `features=classifier`, 10,000 samples; `real` are unseen real "
        "images in the samples' place."
    )
    print(write("recipes", tables, remarks).read_text())


def compared(contenders: Mapping[str, Sequence[str]], seconds: float, folder: Path) -> Matrix:
    """A row for each run, one for each contender's mean, and the floor."""
    rows: dict[str, list[float]] = {}
    for name, overrides in contenders.items():
        slug = overrides[0].partition("=")[2]
        images = budget(overrides, seconds, folder / f"{slug}.json")
        found = [trained(overrides, seed, images, folder / f"{slug}-{seed}") for seed in SEEDS]
        for seed, run in zip(SEEDS, found, strict=True):
            numbers = evaluated(run)
            floor = {key: numbers[key].floor for key in NUMBERS}
            used = json.loads((run / "processor.json").read_text())["seconds"]
            values = [numbers[key].value for key in NUMBERS]
            rows[f"{name}, seed {seed}"] = [images / 1000, used / 60, *values]
        each = [rows[f"{name}, seed {seed}"] for seed in SEEDS]
        rows[f"{name}, mean"] = [mean(column) for column in zip(*each, strict=True)]
    table: dict[str, list[float | None]] = {**rows, "real": [None, None, *floor.values()]}
    return Matrix(["thousand images", "minutes", *NUMBERS.values()], table)


def budget(overrides: Sequence[str], seconds: float, notes: Path) -> int:
    """Images that a contender sees within so many seconds of the processor."""
    if not notes.exists():
        used = [
            run("train", *overrides, f"trainer.max_images={n}", "callbacks={}", "logger={}",
                f"hydra.run.dir={notes.with_suffix('')}-pace-{n}")
            for n in (SHORT, LONG)
        ]  # fmt: skip
        pace = (LONG - SHORT) / (used[1] - used[0])
        notes.parent.mkdir(parents=True, exist_ok=True)
        notes.write_text(json.dumps({"images": round(pace * seconds, -4), "pace": pace}))
    return int(json.loads(notes.read_text())["images"])


def trained(overrides: Sequence[str], seed: int, images: int, folder: Path) -> Path:
    """A run of so many images; one that is there already is not repeated."""
    notes = folder / "processor.json"
    if not notes.exists():
        budget = f"trainer.max_images={images}"
        seconds = run("train", *overrides, f"seed={seed}", budget, f"hydra.run.dir={folder}")
        notes.write_text(json.dumps({"seconds": seconds}))
    return folder


def evaluated(folder: Path) -> Mapping[str, record.Number]:
    """The numbers of a run's last checkpoint."""
    if not list(folder.glob("evaluation/*/metrics.json")):
        run("evaluate", f"run={folder}", *JUDGED)
    (path,) = folder.glob("evaluation/*/metrics.json")
    return record.read(path).numbers


def run(verb: str, *arguments: str) -> float:
    """Seconds of the processor that a command takes on one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / f"{verb}.py"), *arguments]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    typed = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(
        float(typed.get("minutes", 15)),
        int(typed.get("cores", 2)),
        Path(typed.get("folder", "outputs/recipes")),
    )
