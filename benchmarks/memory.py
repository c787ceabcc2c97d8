"""How much memory a model takes, and with which batch: python -m benchmarks.memory.

The peak of whole `train.py` processes of three steps with two sizes of batch gives a line: what a
run takes by itself, and what each image of a batch adds.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hydra import compose, initialize_config_dir

from benchmarks.record import Matrix, write
from darkroom import cli, config

ROOT = Path(__file__).parents[1]
RESOLUTIONS = 32, 64
LIGHT, HEAVY = (32, 288), (8, 40)  # batches: far enough apart for a slope, and soon done
MODELS = {
    "gan": LIGHT,
    "wgan_gp": LIGHT,
    "rpgan": LIGHT,
    "vae": LIGHT,
    "sigma_vae": LIGHT,
    "hierarchical_vae": HEAVY,
    "vq_vae": LIGHT,
    "sngan": HEAVY,
    "r3gan": HEAVY,
    "r3gan_medium": (4, 12),
}
STEPS = 2
GIB = 8, 24


def main() -> None:
    tables = {
        f"{resolution}x{resolution} RGB": Matrix(
            ["million parameters", "MiB by itself", "MiB an image", *fits],
            {model: row(model, resolution) for model in MODELS},
        )
        for resolution in RESOLUTIONS
    }
    print(write("memory", tables, REMARKS).read_text())


fits = [f"batch in {gib} GiB" for gib in GIB]
REMARKS = (
    "Peak resident memory of a process on a CPU, in 32 bits, with two sizes of batch; the last "
    "columns follow from the line. A GPU keeps the same tensors, but its libraries and workspaces "
    "take other amounts: there it is a guide."
)


def row(model: str, resolution: int) -> list[float | None]:
    small, large = MODELS[model]
    few, many = (peak(model, resolution, batch) for batch in (small, large))
    slope = (many - few) / (large - small)
    itself = few - slope * small
    return [
        parameters(model, resolution) / 1e6,
        itself,
        slope,
        *((1024 * gib - itself) // slope for gib in GIB),
    ]


def parameters(model: str, resolution: int) -> int:
    with initialize_config_dir(str(cli.CONF), version_base="1.3"):
        composed = compose("train", typed(model, resolution, 1))
    parts = config.build(composed.model).trained_parts()
    return sum(weight.numel() for part in parts for weight in part.parameters())


def peak(model: str, resolution: int, batch: int) -> float:
    """MiB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "train.py"), *typed(model, resolution, batch)]
        process = subprocess.Popen(
            [*command, f"hydra.run.dir={folder}"], stdout=subprocess.DEVNULL, env=os.environ
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed with {status}.")
    return usage.ru_maxrss / 1024


def typed(model: str, resolution: int, batch: int) -> list[str]:
    data = ["data=digits", f"data.resolution={resolution}", "data.channels=3"]
    length = [f"data.batch_size={batch}", f"trainer.max_images={STEPS * batch}", "recipe=none"]
    return [f"model={model}", *data, *length]


if __name__ == "__main__":
    main()
