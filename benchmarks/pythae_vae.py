"""Our VAE beside pythae's after equal work: python -m benchmarks.pythae_vae python=<theirs>.

pythae (Chadebec et al. 2022, arXiv 2206.08309) needs an environment of its own:

    uv venv outputs/pythae/environment
    uv pip install --python outputs/pythae/environment pythae
    python -m benchmarks.pythae_vae python=outputs/pythae/environment/bin/python minutes=5

Both sides train the same layers from the same images, one after the other, each on one thread for
the same processor time, so that a machine that others use as well does not decide. pythae counts in
epochs: it trains for as many whole ones as come nearest to the minutes, and darkroom for as many
images as it sees in the time that those took, by the pace of two short runs. Then pythae's weights
are put into darkroom's network, and one path judges both. What is finished in the folder is not
repeated.

Further models of ours are named by models=vae,sigma_vae; a bound stands only beside those that have
pythae's likelihood.
"""

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Protocol, cast

import numpy as np
import torch

from benchmarks.record import Matrix, write
from darkroom import checkpoint
from darkroom.data import FashionMNIST
from darkroom.data.datasets import ArraySet
from darkroom.evaluation import Judge, Samples
from darkroom.evaluation.latents import latent_numbers
from darkroom.evaluation.record import Number
from darkroom.metrics.features import Classifier
from darkroom.networks import ConvVAE
from darkroom.objectives import ELBO, Bernoulli
from darkroom.systems import VAE, Adam

ROOT = Path(__file__).parents[1]
RESOLUTION = 32
SHORT, LONG = 2_000, 22_000  # images of the two runs that tell the pace: one interval of callbacks
SAMPLES = 10_000
BOUNDED, IMPORTANCE = 1_000, 50  # held-out images, and samples of z for each
BOUNDS = {"negative_elbo": "-ELBO", f"iw_bound_{IMPORTANCE}": f"IW-{IMPORTANCE}", "rate": "rate"}
QUALITY = {
    "fd_infinity": "FD∞",
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
}


class Side(Protocol):
    """One of those that are compared."""

    def command(self, images: int, seed: int, folder: Path) -> Sequence[str]:
        """What trains it."""

    def system(self, folder: Path) -> VAE:
        """What came of that, as darkroom has it."""


@dataclass(frozen=True)
class Ours:
    """A model of darkroom's, by train.py: with all callbacks, averages and logs."""

    model: str

    def command(self, images: int, seed: int, folder: Path) -> Sequence[str]:
        data = ["data=fashion_mnist", f"data.resolution={RESOLUTION}"]
        options = [f"seed={seed}", f"trainer.max_images={images}", f"hydra.run.dir={folder}"]
        train = str(ROOT / "train.py")
        return [
            sys.executable,
            train,
            f"model={self.model}",
            "trainer.accelerator=cpu",
            *data,
            *options,
        ]

    def system(self, folder: Path) -> VAE:
        return cast(VAE, checkpoint.load(folder).system)


@dataclass(frozen=True)
class Theirs:
    """pythae's VAE by its own pipeline.

    Attributes:
        python: The interpreter that has pythae.
        data: The training pixels.
    """

    python: Path
    data: Path

    def command(self, images: int, seed: int, folder: Path) -> Sequence[str]:
        options = [f"data={self.data}", f"images={images}", f"seed={seed}", f"folder={folder}"]
        return [str(self.python), str(ROOT / "benchmarks/pythae/train.py"), *options]

    def system(self, folder: Path) -> VAE:
        (path,) = folder.glob("VAE_training_*/final_model/model.pt")
        network = ConvVAE(RESOLUTION, 1)
        network.load_state_dict(torch.load(path, weights_only=True)["model_state_dict"])
        return VAE(network, ELBO(), Adam).eval()


def main(python: Path, models: Sequence[str], seconds: float, seeds: int, folder: Path) -> None:
    data = FashionMNIST(resolution=RESOLUTION, channels=1)
    data.setup()
    assert isinstance(data.training, ArraySet), "a set in memory"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "training.npy", data.training.pixels.numpy())
    theirs = Theirs(python.absolute(), (folder / "training.npy").absolute())
    sides: dict[str, Side] = {"pythae": theirs} | {f"ours: {name}": Ours(name) for name in models}
    paces = {name: pace(side, folder / slug(name)) for name, side in sides.items()}
    epochs = max(1, round(paces["pythae"].images_per_second * seconds / len(data.training)))
    whole = epochs * len(data.training)
    runs = {name: [folder / f"{slug(name)}-{seed}" for seed in range(seeds)] for name in sides}
    used = {run: trained(theirs, whole, seed, run) for seed, run in enumerate(runs["pythae"])}
    each = mean(used.values()) - paces["pythae"].short  # what they took, and not what was due
    due = {name: round(paces[name].images_per_second * each / 1000) * 1000 for name in sides}
    due["pythae"] = whole
    for name in sides:
        used |= {run: trained(sides[name], due[name], n, run) for n, run in enumerate(runs[name])}
    judge = Judge(Classifier(), SAMPLES)
    rows: dict[str, list[float | None]] = {}
    floors: list[float | None] = []
    for name, side in sides.items():
        found = []
        for seed, run in enumerate(runs[name]):
            numbers = judged(side, run, data, judge)
            values = [numbers[key].value for key in (*BOUNDS, *qualities())]
            floors = [numbers[key].floor for key in qualities()]
            speed = paces[name].of(due[name], used[run])
            found.append([due[name] / 1000, used[run] / 60, speed, *values])
            rows[f"{name}, seed {seed}"] = known(found[-1])
        rows[f"{name}, mean"] = known([mean(column) for column in zip(*found, strict=True)])
    for name in models:
        ratios = zip(rows[f"ours: {name}, mean"], rows["pythae, mean"], strict=True)
        rows[f"ours: {name} / pythae"] = [a and b and a / b for a, b in ratios]
    rows["real"] = [*(3 + len(BOUNDS)) * [None], *floors]
    columns = ["thousand images", "minutes", "images/s", *BOUNDS.values(), *QUALITY.values()]
    title = f"Fashion-MNIST {RESOLUTION}x{RESOLUTION}, {parameters():,} parameters"
    print(write("pythae-vae", {title: Matrix(columns, rows)}, remarks(python, each)).read_text())


def remarks(python: Path, seconds: float) -> str:
    """What a reader has to know."""
    code = "import importlib.metadata as m; print(*map(m.version, ('pythae', 'torch')))"
    asked = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    pythae, its_torch = asked.stdout.split()
    return (
        f"pythae {pythae} with torch {its_torch} against darkroom, {seconds / 60:.3g} minutes of "
        "processor time each (start excluded), on one thread, in turn: whole epochs of pythae's, "
        "and of darkroom as many images as the pace of two short runs makes of that; beside them "
        "stands what was used, start included. Processor time "
        "and not the clock, because others use the machine too; they share its caches, which "
        "processor time does not forgive. images/s are of the long runs, start excluded, with all "
        "that each side does meanwhile. The same layers, training images, batch size (64), Adam "
        "with a learning rate of 0.001 (pythae's default is 0.0001) and Bernoulli likelihood "
        "(pythae's default is a Gaussian of variance 1). pythae has no validation set, which saves "
        "it the time; darkroom validates, measures, draws, averages and logs as it always does. "
        f"Bounds in nats, of {BOUNDED:,} held-out images; features are the classifier's, of "
        f"{SAMPLES:,} samples from N(0, I); `real` are unseen real images in the samples' place."
    )


@dataclass(frozen=True)
class Pace:
    """What two short runs tell.

    Attributes:
        short: Seconds of the processor for SHORT images, start included.
        long: The same for LONG.
    """

    short: float
    long: float

    @property
    def images_per_second(self) -> float:
        return (LONG - SHORT) / (self.long - self.short)

    def of(self, images: float, used: float) -> float:
        """Images per second of a run that took so many seconds, without its start."""
        return (images - SHORT) / (used - self.short)


def pace(side: Side, folder: Path) -> Pace:
    """How fast a side trains."""
    short, long = (
        trained(side, n, 0, folder.with_name(f"{folder.name}-{n}")) for n in (SHORT, LONG)
    )
    return Pace(short, long)


def trained(side: Side, images: int, seed: int, folder: Path) -> float:
    """Seconds of the processor that a run took; one that is there already is not repeated."""
    notes = folder / "processor.json"
    if not notes.exists():
        seconds = processor_seconds(side.command(images, seed, folder.absolute()))
        notes.write_text(json.dumps({"seconds": seconds, "images": images}))
    kept = json.loads(notes.read_text())
    if kept["images"] != images:
        raise ValueError(
            f"{folder} has seen {kept['images']:,} images, and {images:,} are due. Name another "
            "folder, or delete it."
        )
    return float(kept["seconds"])


def processor_seconds(command: Sequence[str]) -> float:
    """What a command takes on one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def judged(side: Side, run: Path, data: FashionMNIST, judge: Judge) -> Mapping[str, Number]:
    """A run's samples, and its bound where that is of the same likelihood; kept in its folder."""
    notes = run / "judged.json"
    if not notes.exists():
        system = side.system(run)
        evaluation, _ = judge(Samples(system, SAMPLES), data, run.name)
        numbers = dict.fromkeys(BOUNDS, Number(math.nan, "neither"))
        if isinstance(system.likelihood, Bernoulli):
            held_out = data.held_out.some(BOUNDED)
            numbers |= latent_numbers(system, held_out, samples=(1, IMPORTANCE))[0]
        numbers |= evaluation.numbers
        notes.write_text(json.dumps({name: asdict(number) for name, number in numbers.items()}))
    kept = json.loads(notes.read_text())
    return {name: Number(**number) for name, number in kept.items()}


def qualities() -> list[str]:
    """The names of the numbers in the classifier's features."""
    return [f"{name}_classifier" for name in QUALITY]


def known(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def parameters() -> int:
    """How many both networks have; weights that load strictly are as many."""
    return sum(p.numel() for p in ConvVAE(RESOLUTION, 1).parameters())


def slug(name: str) -> str:
    return name.replace(": ", "-")


if __name__ == "__main__":
    typed = dict(argument.split("=", 1) for argument in sys.argv[1:])
    main(
        Path(typed["python"]),
        typed.get("models", "vae").split(","),
        60 * float(typed.get("minutes", 5)),
        int(typed.get("seeds", 1)),
        Path(typed.get("folder", "outputs/pythae/runs")),
    )
