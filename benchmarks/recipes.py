"""Which recipe draws better images after equal work: python -m benchmarks.recipes fashion_mnist.

Each contender gets the same processor time, start and all callbacks included, so that a machine
that others use as well does not decide. How many images that is follows from two short runs.

    python -m benchmarks.recipes fashion_mnist minutes=15 cores=2 folder=outputs/recipes
    python -m benchmarks.recipes vaes minutes=15 cores=2
    python -m benchmarks.recipes modes minutes=6 cores=1
    python -m benchmarks.recipes digits minutes=5 cores=1
    python -m benchmarks.recipes own root=~/sprites.zip resolution=32 minutes=6 cores=1
    python -m benchmarks.recipes few root=~/sprites.zip minutes=6 cores=1

One thread trains them, one after another. Runs that are finished in the folder are not repeated.
"""

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.bits import bits
from benchmarks.record import Matrix, write
from darkroom.evaluation import record

ROOT = Path(__file__).parents[1]
Stages = Sequence[Sequence[str]]
"""What is typed after train.py, again and again; each run begins with the weights of the former."""

SEEDS = 0, 1
SHORT, LONG = 2_000, 12_000  # images of the two runs that tell the pace


@dataclass(frozen=True)
class Contest:
    """What is trained, and how it is judged.

    Attributes:
        title: What it is about.
        contenders: By a short name. The stages of one share its time equally.
        judged: What is typed after evaluate.py.
        numbers: The columns, by the names of the numbers.
    """

    title: str
    contenders: Mapping[str, Stages]
    judged: Sequence[str]
    numbers: Mapping[str, str]


def quality_in(features: str, **distances: str) -> dict[str, str]:
    """The columns of a contest that is judged by some features."""
    columns = distances | {name: name for name in ("precision", "recall", "density", "coverage")}
    return {f"{name}_{features}": title for name, title in columns.items()}


FASHION_MNIST = Contest(
    "Fashion-MNIST 32x32; `gan` is the article's, at its width of 64",
    {
        "gan": [["model=gan", "data=fashion_mnist", "data.resolution=32"]],
        "rpgan": [["model=rpgan", "data=fashion_mnist"]],
    },
    ["features=classifier", "samples=10000"],
    quality_in("classifier", fd_infinity="FD∞", kid="KID"),
)
VAES = Contest(
    "Fashion-MNIST 32x32: the article's VAE, one of now, and the article's GAN",
    {
        "vae": [["model=vae", "data=fashion_mnist", "data.resolution=32"]],
        "sigma_vae": [["model=sigma_vae", "data=fashion_mnist"]],
        "sigma_vae, finished": [
            ["model=sigma_vae", "data=fashion_mnist"],
            ["model=vae_gan", "data=fashion_mnist"],
        ],
        "gan": FASHION_MNIST.contenders["gan"],
    },
    FASHION_MNIST.judged,
    FASHION_MNIST.numbers | {"bits_per_dim": "bits/dim"},
)
MODES = Contest(
    "1,000 modes: stacked digits 16x16",
    {model: [[f"model={model}", "data=stacked_digits"]] for model in ("gan", "wgan_gp", "rpgan")},
    ["protocol=modes"],
    {
        "classes_reached_classifier": "modes",
        "class_kl_classifier": "reverse KL, nats",
        "kid_classifier": "KID",
    },
)


def binarised(title: str, data: Sequence[str]) -> Contest:
    """What an unseen black-and-white image costs: one level of latents, or a ladder of them."""
    shared = [*data, "model/likelihood=binarised", "recipe=none"]
    return Contest(
        title,
        {
            "vae": [["model=vae", *shared]],
            "vae, importance-weighted": [
                ["model=vae", *shared, "model/objective=importance_weighted"]
            ],
            "hierarchical_vae": [["model=hierarchical_vae", *shared]],
        },
        ["importance=[500]", "features=thumbnail", "protocol=quick"],
        {"iw_bound_500": "IW-500, nats", "negative_elbo": "-ELBO, nats", "rate": "rate, nats"},
    )


DIGITS = binarised("binarised digits 16x16", ["data=digits", "augmentation=wobble"])
CLOTHES = binarised("binarised Fashion-MNIST 28x28", ["data=fashion_mnist"])


def own(root: str, resolution: str) -> Contest:
    """Images of one's own: the article's game and today's, and changes to what D sees."""
    data = ["data=folder", f"data.root={root}", f"data.resolution={resolution}"]
    return Contest(
        f"{Path(root).stem}, data.resolution={resolution}",
        {
            "gan": [["model=gan", *data]],
            "rpgan": [["model=rpgan", *data]],
            "rpgan, augmented": [["model=rpgan", *data, "model/augmentation=scheduled"]],
        },
        ["features=lite0", "samples=5000"],
        quality_in("lite0", kid="KID") | {"copied": "copied"},
    )


def few(root: str, resolution: str) -> Contest:
    """A tenth of them to learn from, and the rest to be judged by."""
    of_all = own(root, resolution)
    (rpgan,) = of_all.contenders["rpgan"]
    tenth = [*rpgan, "data.validation=0.9"]
    return Contest(
        f"a tenth of {of_all.title}",
        {
            "rpgan": [tenth],
            "rpgan, augmented": [[*tenth, "model/augmentation=scheduled"]],
            "rpgan, always augmented": [[*tenth, "model/augmentation=diffaugment"]],
        },
        of_all.judged,
        of_all.numbers,
    )


def main(contest: Contest, name: str, minutes: float, cores: int, folder: Path) -> None:
    table = compared(contest, 60 * minutes * cores, folder)
    remarks = (
        f"{minutes:g} minutes on {cores} core(s) each: {minutes * cores:g} minutes of processor "
        "time on one thread, of which the images follow by the pace of a short run; beside them "
        f"stands what was used. Judged by `{' '.join(contest.judged)}`; `real` are unseen real "
        "images in the samples' place."
    )
    print(write(f"recipes-{name}", {contest.title: table}, remarks).read_text())


def compared(contest: Contest, seconds: float, folder: Path) -> Matrix:
    """A row for each run, one for each contender's mean, and the floor."""
    rows: dict[str, list[float]] = {}
    floors: list[float | None] = []
    for name, stages in contest.contenders.items():
        images = budgets(stages, seconds, folder / f"{slug(name)}.json")
        for seed in SEEDS:
            run, used = trained(stages, seed, images, folder / f"{slug(name)}-{seed}")
            numbers = evaluated(run, contest.judged)
            values = [numbers[key].value for key in contest.numbers]
            floors = [numbers[key].floor for key in contest.numbers]
            rows[f"{name}, seed {seed}"] = [sum(images) / 1000, used / 60, *values]
        each = [rows[f"{name}, seed {seed}"] for seed in SEEDS]
        rows[f"{name}, mean"] = [mean(column) for column in zip(*each, strict=True)]
    table: dict[str, list[float | None]] = {**rows, "real": [None, None, *floors]}
    return Matrix(["thousand images", "minutes", *contest.numbers.values()], table)


def slug(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "-")


def budgets(stages: Stages, seconds: float, notes: Path) -> list[int]:
    """Images that each stage sees within its part of so many seconds of the processor."""
    if not notes.exists():
        notes.parent.mkdir(parents=True, exist_ok=True)
        images: list[int] = []
        origin = None
        for number, overrides in enumerate(stages):
            runs = [notes.with_name(f"{notes.stem}-pace-{number}-{n}") for n in (1, SHORT, LONG)]
            _, less, more = (  # the first one may have to decode the images
                train(overrides, 0, n, path, origin)
                for n, path in zip((1, SHORT, LONG), runs, strict=True)
            )
            pace = (LONG - SHORT) / (more - less)
            images.append(int(round(pace * seconds / len(stages), -4)))
            origin = runs[-1]
        notes.write_text(json.dumps(images))
    return list(json.loads(notes.read_text()))


def trained(stages: Stages, seed: int, images: Sequence[int], folder: Path) -> tuple[Path, float]:
    """The last stage's run, and the seconds that all took; what is there is not repeated."""
    origin, used = None, 0.0
    for number, (overrides, budget) in enumerate(zip(stages, images, strict=True)):
        stage = folder if number == len(stages) - 1 else folder.with_name(f"{folder.name}-{number}")
        notes = stage / "processor.json"
        if not notes.exists():
            seconds = train(overrides, seed, budget, stage, origin)
            notes.write_text(json.dumps({"seconds": seconds}))
        used += json.loads(notes.read_text())["seconds"]
        origin = stage
    assert origin, "a contender has at least one stage"
    return origin, used


def train(
    overrides: Sequence[str], seed: int, images: int, folder: Path, origin: Path | None
) -> float:
    """Seconds of the processor that a training takes."""
    begun = [f"init_from={origin}"] if origin else []
    typed = [f"seed={seed}", f"trainer.max_images={images}", f"hydra.run.dir={folder}"]
    return run("train", *overrides, *begun, *typed)


def evaluated(folder: Path, judged: Sequence[str]) -> Mapping[str, record.Number]:
    """The numbers of a run's last checkpoint, and the share of copies."""
    if not list(folder.glob("evaluation/*/metrics.json")):
        run("evaluate", f"run={folder}", *judged)
    (path,) = folder.glob("evaluation/*/metrics.json")
    found = record.read(path)
    copied = found.originality.copied if found.originality else math.nan
    return {
        **found.numbers,
        "copied": record.Number(copied, "lower"),
        "bits_per_dim": record.Number(bits(folder) if found.latents else math.nan, "lower"),
    }


def run(verb: str, *arguments: str) -> float:
    """Seconds of the processor that a command takes on one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / f"{verb}.py"), *arguments]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    named, *options = sys.argv[1:]
    typed = dict(argument.split("=", 1) for argument in options)
    contests = {
        "fashion_mnist": FASHION_MNIST,
        "vaes": VAES,
        "modes": MODES,
        "digits": DIGITS,
        "clothes": CLOTHES,
    }
    of_root = {"own": own, "few": few}
    main(
        of_root[named](typed["root"], typed.get("resolution", "auto"))
        if named in of_root
        else contests[named],
        f"{named}-{Path(typed['root']).stem}" if named in of_root else named,
        float(typed.get("minutes", 15)),
        int(typed.get("cores", 2)),
        Path(typed.get("folder", f"outputs/recipes-{named}")),
    )
