"""How the cost of a training grows: python -m benchmarks.scaling.

train.py as it stands, the article's GAN on Fashion-MNIST, one thing changed at a time, and all of a
table in turn. Beside each speed stands what the arithmetic of both networks predicts of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.record import Matrix, write
from benchmarks.speed import CASES, ROUNDS, Case, Taken, adversarial, ours
from darkroom.networks import DCGANDiscriminator, DCGANGenerator

BASE = replace(CASES["gan32"], every=640, images=7_040)
REMARKS = (
    f"train.py, the article's GAN, Fashion-MNIST, {torch.get_num_threads()} threads, medians of "
    f"{ROUNDS} rounds. 32x32x1, width 32, batches of 64 for all devices together and 54,000 images "
    "where nothing else is said. `predicted` is the first row's speed by the ratio of both "
    "networks' multiplications, which batches, data and devices leave as they are."
)


@dataclass(frozen=True)
class Variant:
    """One training.

    Attributes:
        case: What is trained.
        environment: Variables besides.
    """

    case: Case
    environment: Mapping[str, str] | None = None

    @property
    def multiplications(self) -> float:
        """Of one image through both networks."""
        size, width = self.case.resolution, self.case.width
        networks = DCGANGenerator(size, 1, 100, width), DCGANDiscriminator(size, 1, width)
        inputs = torch.randn(1, 100), torch.randn(1, 1, size, size)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            for network, value in zip(networks, inputs, strict=True):
                network.eval()(value)
        return counter.get_total_flops() / 2


def main() -> None:
    tables = {
        "batch (images)": of_options("data.batch_size", (16, 64, 256)),
        "width (channels)": {
            str(width): Variant(adversarial(32, width, 640, images))
            for width, images in ((16, 14_720), (32, 7_040), (64, 3_200))
        },
        "resolution (pixels)": {
            f"{side}x{side}": Variant(adversarial(side, 32, every, images))
            for side, every, images in ((16, 1_280, 25_600), (32, 640, 7_040), (64, 320, 2_240))
        },
        "data (images)": of_options("data.limit", (6_000, 60_000)),
        "devices (processes of one thread)": {
            str(number): Variant(
                replace(BASE, options=[*BASE.options, f"trainer.devices={number}"]),
                {"OMP_NUM_THREADS": "1"},
            )
            for number in (1, 2)
        },
    }
    measured = {title: rows_of(variants) for title, variants in tables.items()}
    print(write("scaling", measured, REMARKS).read_text())


def of_options(name: str, values: Iterable[Any]) -> dict[str, Variant]:
    """The base case with other values of one option."""
    return {
        f"{value:,}": Variant(replace(BASE, options=[*BASE.options, f"{name}={value}"]))
        for value in values
    }


def rows_of(variants: Mapping[str, Variant]) -> Matrix:
    """Speeds, predictions from the first variant's, and memory."""
    taken: dict[str, list[Taken]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, variant in variants.items():
            taken[name].append(ours(variant.case, "32-true", variant.environment))
    speeds = {name: [each.images_per_second for each in runs] for name, runs in taken.items()}
    first = next(iter(variants))
    work = median(speeds[first]) * variants[first].multiplications
    rows = {
        name: [
            median(speeds[name]),
            min(speeds[name]),
            max(speeds[name]),
            work / variant.multiplications,
            max(each.memory for each in taken[name]),
        ]
        for name, variant in variants.items()
    }
    columns = ["images/s", "lowest", "highest", "predicted from the first row", "memory, MiB"]
    return Matrix(columns, rows)


if __name__ == "__main__":
    main()
