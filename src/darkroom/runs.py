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
        (last["started"], folder)
        for folder in folders
        if (last := _last_entry(folder)).get("identity") == wanted
        and last.get("how") != FINISHED
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
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _last_entry(folder: Path) -> dict[str, Any]:
    """The last start that a run's manifest knows of; nothing for a folder without one."""
    try:
        entries = json.loads((folder / "run.json").read_text())
        return dict(entries[-1])
    except (OSError, ValueError, LookupError, TypeError):
        return {}
