"""The folders of runs: whose training is not finished, and who trains one now."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

FINISHED = "finished"
PLACES = {"run_dir": ".", "resume": None, "resumed_at": 0}  # where a run is, and not what it is


def identity(composed: DictConfig) -> str:
    """A hash of what a run was asked to be, wherever it lies and whether or not it was resumed.

    Args:
        composed: Its config, before the data settle what is `auto`.
    """
    asked = OmegaConf.to_yaml(OmegaConf.merge(composed, PLACES), resolve=True, sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def unfinished(folders: Iterable[Path], wanted: str) -> Path | None:
    """The run of an identity that was begun last, has a checkpoint, and did not come to its end."""
    found = [
        (entries[-1]["started"], folder)
        for folder in folders
        if (entries := _starts(folder))
        and entries[0].get("identity") == wanted
        and entries[-1].get("how") != FINISHED
        and any((folder / "checkpoints").glob("*.ckpt"))
    ]
    return max(found)[1] if found else None


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a run for this process alone. Its end gives the run free, a kill as well.

    Raises:
        ValueError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{folder} is being trained by another process. Wait for it, or choose another folder."
        ) from None
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)  # before it is given free to the next
        lock.release()


def _starts(folder: Path) -> list[dict[str, Any]]:
    """The starts of a run that its manifest knows of; none of a folder that is no run."""
    try:
        return list(json.loads((folder / "run.json").read_text()))
    except (OSError, ValueError):
        return []
