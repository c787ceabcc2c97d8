"""A run's checkpoints: written whole, verified when read, and rebuilt as a system."""

import hashlib
import os
import sys
from dataclasses import dataclass
from errno import EIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from darkroom import config, files
from darkroom.systems import System

LAST, PREVIOUS = "last", "previous"


class DamagedError(ValueError):
    """A file that cannot be read as a checkpoint."""


class CheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, and keeps the last one's predecessor.

    Lightning's own way goes through $TMPDIR, and leaves torn files if that is another file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        path = Path(path)
        former = path.with_stem(PREVIOUS) if path.stem == LAST else None
        with files.whole(path, former) as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch's writer covers a full disk's error with its own
                cause = error.__context__
                raise cause if isinstance(cause, OSError) else OSError(EIO, str(error)) from error


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


def find(run: str | Path, name: str = LAST) -> Path:
    """The path of a run's checkpoint.

    Raises:
        ValueError: If there is no such run or no such checkpoint in it.
    """
    folder = Path(run).expanduser()
    if not folder.is_dir():
        raise ValueError(f"run={run}: there is no such folder. `ls outputs/*` lists the runs.")
    path = folder / "checkpoints" / f"{name}.ckpt"
    former = path.with_stem(PREVIOUS)
    if name == LAST and former.exists() and not path.exists():  # killed between two renames
        return former
    if not path.exists():
        there = sorted(found.stem for found in path.parent.glob("*.ckpt"))
        remedy = f"Type checkpoint={there[0]}." if there else "The run saved none: train it longer."
        raise ValueError(f"run={run} has no checkpoint {name!r}. {remedy}")
    return path


def recall(run: str | Path, name: str = LAST) -> tuple[Path, dict[str, Any]]:
    """A run's checkpoint and its content; in the place of a last one that is damaged, the previous.

    Raises:
        ValueError: If there is none, or none that is whole.
    """
    path = find(run, name)
    try:
        return path, read(path)
    except DamagedError as damage:
        former = path.with_stem(PREVIOUS)
        if path.stem != LAST or not former.exists():
            raise
        content = read(former)
        _say(f"{damage} The one before it is used: {former}, {content['images_seen']:,} images.")
        return former, content


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, read as weights and plain values only: no code in it can run.

    A checkpoint is an archive that holds a checksum (CRC-32) of each of its parts; all are
    verified, because torch itself loads flipped bits without a word.

    Raises:
        ValueError: If it is damaged or not darkroom's, or if torch's protection is switched off.
    """
    if os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"):
        raise ValueError(
            "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set: with it, a checkpoint can run any code. "
            "Unset it."
        )
    try:
        _verify(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a file that is no checkpoint
        raise DamagedError(f"{path} cannot be read as a checkpoint: {error}.") from error
    if not isinstance(content, dict) or not {"config", "images_seen"} <= content.keys():
        raise ValueError(f"{path} holds no config and no clock, so darkroom did not write it.")
    return content


def _verify(path: Path) -> None:
    with ZipFile(path) as archive:
        parts = archive.infolist()
        if any(part.compress_type != ZIP_STORED or part.external_attr for part in parts):
            raise BadZipFile("a part is compressed or called a folder, which torch never does")
        damaged = archive.testzip()
    if damaged is not None:
        raise BadZipFile(f"the checksum of {damaged} is wrong")


def load(run: str | Path, name: str = LAST) -> SavedRun:
    """Rebuilds the system of a run from the config within its checkpoint.

    Raises:
        ValueError: If there is no such checkpoint, or it does not fit the config within it.
    """
    return rebuilt(*recall(run, name))


def rebuilt(path: Path, content: dict[str, Any]) -> SavedRun:
    """Rebuilds the system of a checkpoint from the config within it.

    Args:
        path: The checkpoint.
        content: What it holds.

    Raises:
        ValueError: If the config is refused, or the weights do not fit it.
    """
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


def digest(path: Path) -> str:
    """A file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@rank_zero_only
def _say(text: str) -> None:
    print(text, file=sys.stderr)
