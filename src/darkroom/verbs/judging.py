"""What evaluate.py and compare.py share."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from darkroom import config
from darkroom.evaluation import Bounds, Judge, Run
from darkroom.verbs.device import device_of


def judge_of(composed: DictConfig) -> Judge:
    """The judge that a command asks for."""
    return Judge(
        config.build(composed.features),
        composed.samples,
        composed.real,
        composed.searched,
        composed.split,
        composed.first_seed,
        composed.cache,
    )


def bounds_of(composed: DictConfig) -> Bounds:
    """How it asks for bounds of latent models."""
    return Bounds(tuple(composed.importance), composed.bounded)


def run_of(composed: DictConfig, folder: str | Path, moved: Sequence[str] = ()) -> Run:
    """A run as it asks for it."""
    device = device_of(composed.device)
    return Run(folder, composed.checkpoint, moved, device, composed.batch_size, composed.prior)
