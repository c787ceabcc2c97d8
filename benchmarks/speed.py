"""How fast a whole training is, beside loops without darkroom: python -m benchmarks.speed.

Every side is a process of its own, as its user starts it, and they take turns. darkroom's is
train.py as it stands: it averages the weights, looks for broken steps, logs, validates, measures
itself and draws. Speed is between the first mark and the last one, of the clock; what a process
needs before its first step stands in the second table. cases=gan32,vae32 measures some of them;
examples=<checkout> also pytorch/examples' DCGAN, which draws images of 64x64.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks.record import Matrix, Table, paired, write
from darkroom.data import FashionMNIST
from darkroom.data.datasets import ArraySet

ROOT = Path(__file__).parents[1]
ROUNDS = 3
HALF = "bf16-mixed"


@dataclass(frozen=True)
class Case:
    """A model at a resolution.

    Attributes:
        title: What it is.
        model: As in conf/.
        options: What train.py is told besides.
        every: Images between two marks.
        images: Of a run.
    """

    title: str
    model: str
    resolution: int
    width: int
    options: Sequence[str]
    every: int
    images: int


def adversarial(resolution: int, width: int, every: int, images: int) -> Case:
    parts = [f"model.{part}.width={width}" for part in ("generator", "discriminator")]
    title = f"the article's GAN, {resolution}x{resolution}x1, width {width}"
    return Case(title, "gan", resolution, width, parts, every, images)


CASES = {
    "gan32": adversarial(32, 32, every=1_280, images=21_760),
    "gan64": adversarial(64, 64, every=320, images=2_240),
    "vae32": Case(
        "the article's VAE, 32x32x1, width 32", "vae", 32, 32, [], every=1_280, images=21_760
    ),
}


@dataclass(frozen=True)
class Taken:
    """What one process took.

    Attributes:
        images_per_second: Between the first mark and the last one.
        processor: Seconds of the processor for 1,000 images, start and end included.
        memory: MiB at most.
        start: Seconds from the command to the first step.
    """

    images_per_second: float
    processor: float
    memory: float
    start: float


Side = Callable[[], Taken]


def main(names: Sequence[str], examples: str | None) -> None:
    tables: dict[str, Table] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "training.npy"
        np.save(data, training_pixels())
        for case in (CASES[name] for name in names):
            compared = sides(case, data, examples)
            taken: dict[str, list[Taken]] = {name: [] for name in compared}
            subjects = {name: partial(speed, side, taken[name]) for name, side in compared.items()}
            tables[case.title] = paired(subjects, "images/s", ROUNDS)
            tables[f"{case.title}: what else it takes"] = besides(taken)
    name = "speed-examples" if examples else "speed"
    print(write(name, tables, REMARKS).read_text())


REMARKS = (
    "Whole processes in turn, batches of 64 Fashion-MNIST images, "
    f"{torch.get_num_threads()} threads; ratios to the article's loop. At 32x32 each run crosses "
    "one interval of 20,000 images, after which darkroom validates, measures and draws; at 64x64 "
    "the runs are too short for that. bf16 is what trainer.precision=auto comes to on a processor "
    "that computes in it. `start` is from the command to the first step, `processor` includes the "
    "start and the end."
)


def sides(case: Case, data: Path, examples: str | None) -> Mapping[str, Side]:
    """Who is compared, by name."""
    made: dict[str, Side] = {"the article's loop": partial(looped, "article", case, data)}
    if examples and (case.model, case.resolution) == ("gan", 64):
        made["pytorch/examples"] = partial(looped, "examples", case, data, checkout=examples)
    for precision in ("32-true", *([HALF] if torch.cpu._is_avx512_bf16_supported() else [])):
        ending = ", bf16" if precision == HALF else ""
        made[f"the best bare loop{ending}"] = partial(looped, "bare", case, data, precision)
        made[f"train.py{ending}"] = partial(ours, case, precision)
    return made


def speed(side: Side, taken: list[Taken]) -> float:
    taken.append(side())
    return taken[-1].images_per_second


def looped(
    loop: str, case: Case, data: Path, precision: str = "32-true", checkout: str = ""
) -> Taken:
    """One of `loops/`, which print their marks."""
    options = {
        "data": data,
        "model": case.model,
        "precision": precision,
        "resolution": case.resolution,
        "width": case.width,
        "images": case.images,
        "every": case.every,
        "checkout": checkout,
    }
    typed = [f"{name}={value}" for name, value in options.items()]
    began = time.time()
    command = [sys.executable, "-m", f"benchmarks.loops.{loop}", *typed]
    said, processor, memory = watched(command)
    marks = [line.split()[1:] for line in said.splitlines() if line.startswith("mark")]
    return summed([(int(n), float(at)) for n, at in marks], began, processor, memory)


def ours(case: Case, precision: str, environment: Mapping[str, str] | None = None) -> Taken:
    """train.py, whose log has the times.

    Args:
        case: What is trained.
        precision: As for trainer.precision.
        environment: Variables besides.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        typed = [
            f"model={case.model}",
            *case.options,
            "data=fashion_mnist",
            f"data.resolution={case.resolution}",
            "recipe=none",
            f"trainer.max_images={case.images}",
            f"trainer.precision={precision}",
            "trainer.accelerator=cpu",
            f"callbacks.throughput.every={case.every}",
            f"hydra.run.dir={run}",
        ]
        began = time.time()
        command = [sys.executable, str(ROOT / "train.py"), *typed]
        _, processor, memory = watched(command, environment)
        log = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
        log.Reload()
        marks = [(each.step, each.wall_time) for each in log.Scalars("throughput/seconds")]
    return summed(marks, began, processor, memory)


def watched(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> tuple[str, float, float]:
    """What a command prints, the seconds of the processor that it takes, and its most MiB."""
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdout=said,
            stderr=complaints,
        )
        memory, pid = 0, 0
        while not pid:
            with suppress(psutil.Error):  # it is on its way out
                memory = max(memory, psutil.Process(process.pid).memory_info().rss)
            time.sleep(0.2)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        complaints.seek(0)
        assert process.returncode == 0, complaints.read()
        said.seek(0)
        return said.read(), usage.ru_utime + usage.ru_stime, memory / 2**20


def summed(
    marks: Sequence[tuple[int, float]], began: float, processor: float, memory: float
) -> Taken:
    """What the marks of a process tell."""
    (first, early), (last, late) = marks[0], marks[-1]
    pace = (last - first) / (late - early)
    return Taken(pace, processor / last * 1000, memory, early - first / pace - began)


def besides(taken: Mapping[str, Sequence[Taken]]) -> Matrix:
    """Medians of what stands beside the speed."""
    return Matrix(
        ["processor, s per 1,000 images", "memory, MiB", "start, s"],
        {
            name: [
                median(each.processor for each in runs),
                median(each.memory for each in runs),
                median(each.start for each in runs),
            ]
            for name, runs in taken.items()
        },
    )


def training_pixels() -> np.ndarray:
    """Fashion-MNIST's images for training, 28x28."""
    data = FashionMNIST(resolution=28, channels=1)
    data.setup()
    assert isinstance(data.training, ArraySet), "a set in memory"
    return data.training.pixels.numpy()


if __name__ == "__main__":
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(given.get("cases", ",".join(CASES)).split(","), given.get("examples"))
