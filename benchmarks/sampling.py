"""How fast very many images are drawn and written: python -m benchmarks.sampling.

Against a loop that draws one image and saves it, then the next.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from omegaconf import OmegaConf
from PIL import Image

from benchmarks.record import Row, paired, write
from darkroom import bulk, checkpoint, config, randomness
from darkroom.bulk import Drawing, Edition, Zip
from darkroom.checkpoint import CheckpointIO, SavedRun
from darkroom.provenance.origin import Origin
from darkroom.systems import System
from tests.composed import composed

IMAGES, ALONE = 12_000, 500
MODELS = {
    "the article's GAN, digits 16x16": ["data=digits"],
    "the article's GAN, 32x32x1, width 32": [
        "data=digits",
        "recipe=none",
        "data.resolution=32",
        "model.generator.width=32",
    ],
}
REMARKS = (
    f"Images a second, the start of processes included: {ALONE} images for the loop, {IMAGES:,} "
    "for the others, which also write into each file what made it. Random weights, which compute "
    "like any others; image files of noise are larger than those of digits."
)


def main() -> None:
    tables = {}
    for title, overrides in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            tables[title] = measured(Path(folder), overrides)
    print(write("sampling", tables, REMARKS).read_text())


def measured(folder: Path, overrides: list[str]) -> list[Row]:
    tree = composed("train", *overrides)
    config.check(tree)
    with randomness.initialisation(0):
        weights = config.build(tree.model).state_dict()
    content = {"config": OmegaConf.to_yaml(tree), "state_dict": weights, "images_seen": 0}
    CheckpointIO().save_checkpoint(content, folder / "checkpoints" / "last.ckpt")
    system = checkpoint.load(folder).system
    workers = torch.get_num_threads()
    subjects = {"one after another": lambda: one_by_one(system)}
    for number in {1, workers}:
        subjects[f"{number} worker(s)"] = partial(together, folder, number)
    return paired(subjects, "images/s", rounds=3)


@torch.inference_mode()
def one_by_one(system: System) -> float:
    """What one writes first."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ALONE):
            image = system(torch.randn(1, system.latent_dim))[0, 0]
            pixels = ((image + 1) * 127.5).round().to(torch.uint8)
            Image.fromarray(pixels.numpy()).save(f"{folder}/{number}.png")
    return ALONE / (time.perf_counter() - began)


def together(run: Path, workers: int) -> float:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        edition = Edition(Path(folder) / "images", 0, IMAGES, IMAGES // 4, ".zip", {})
        bulk.write(edition, Zip(), drawing(run, 0), partial(drawing, run), workers)
    return IMAGES / (time.perf_counter() - began)


def drawing(run: Path, number: int) -> Drawing:
    saved: SavedRun = checkpoint.load(run)
    origin = Origin.of(saved, {"_target_": "darkroom.sampling.Samples"})
    return Drawing(saved.system, origin, None, None, 64)


if __name__ == "__main__":
    main()
