"""A small run on the disk, for tests of what is saved and loaded."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from darkroom import config, randomness
from darkroom.checkpoint import CheckpointIO
from tests.composed import composed

NARROW = ("model.generator.width=2", "model.discriminator.width=2")


def small() -> dict[str, Any]:
    """A small checkpoint's content."""
    tree = composed("train", "experiment=smoke", *NARROW)
    with randomness.initialisation(3):
        weights = config.build(tree.model).state_dict()
    return {"config": OmegaConf.to_yaml(tree), "state_dict": weights, "images_seen": 48}


def saved(folder: Path, content: dict[str, Any]) -> Path:
    """The path of a run's last checkpoint, with such a content."""
    path = folder / "checkpoints" / "last.ckpt"
    CheckpointIO().save_checkpoint(content, path)
    return path
