"""A run, saved and loaded: weights, averaged weights, and the config that rebuilds them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from omegaconf import DictConfig

from darkroom import config
from darkroom.systems import System


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to the disk and renames: a name always holds a whole file.

    Lightning's own way goes through $TMPDIR, and leaves torn files if that is another file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.part")
        with partial.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


@dataclass(frozen=True)
class SavedRun:
    """A system as a checkpoint holds it.

    Attributes:
        system: Rebuilt from the config, with all weights, in evaluation mode.
        config: The composed config of the run.
        images_seen: How long it had trained.
        path: The checkpoint.
    """

    system: System
    config: DictConfig
    images_seen: int
    path: Path


def find(run: str | Path, name: str = "last") -> Path:
    """The path of a run's checkpoint.

    Raises:
        ValueError: If there is no such run or no such checkpoint in it.
    """
    folder = Path(run).expanduser()
    if not folder.is_dir():
        raise ValueError(f"run={run}: there is no such folder. `ls outputs/*` lists the runs.")
    path = folder / "checkpoints" / f"{name}.ckpt"
    if not path.exists():
        there = sorted(found.stem for found in path.parent.glob("*.ckpt"))
        remedy = f"Type checkpoint={there[0]}." if there else "The run saved none: train it longer."
        raise ValueError(f"run={run} has no checkpoint {name!r}. {remedy}")
    return path


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, read as weights and plain values only: no code in it can run.

    Raises:
        ValueError: If it is damaged or not darkroom's, or if torch's protection is switched off.
    """
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
        raise ValueError(
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set: with it, a checkpoint can run any code. "
            "Unset it."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is no checkpoint
        raise ValueError(f"{path} cannot be read as a checkpoint: {error}") from error
    if not isinstance(content, dict) or "config" not in content:
        raise ValueError(f"{path} holds no config, so darkroom did not write it.")
    return content


def load(run: str | Path, name: str = "last") -> SavedRun:
    """Rebuilds the system of a run from the config within its checkpoint.

    Raises:
        ValueError: If there is no such checkpoint, or it does not fit the config within it.
    """
    path = find(run, name)
    content = read(path)
    composed = config.parse(content["config"])
    config.check(composed)
    system: System = config.build(composed.model)
    restore(system, content, path)
    return SavedRun(system.eval(), composed, system.images_seen, path)


def restore(system: System, content: dict[str, Any], path: Path) -> None:
    """Puts a checkpoint's weights into a system.

    Raises:
        ValueError: If they are of another architecture.
    """
    try:
        system.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise ValueError(f"{path} holds another architecture than its config: {error}") from error
    system.on_load_checkpoint(content)
