"""The folders of runs: whose training is not finished, and who trains one now."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

FINISHED = "finished"
AUTO = "auto"  # resume=auto: the run that `unfinished` finds, or a new one
LOCK = ".lock"
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
        if is_of(folder, wanted)
        and (last := _starts(folder)[-1]).get("how") != FINISHED
        and has_checkpoint(folder)
    ]
    return max(found)[1] if found else None


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything to go on from."""
    return any((folder / "checkpoints").glob("*.ckpt"))


def is_of(folder: Path, identity: str) -> bool:
    """Whether a folder holds a run that was begun with this identity."""
    return identity_of(folder) == identity


def identity_of(folder: Path) -> str:
    """The identity that a folder's run was begun with; empty if no manifest tells one."""
    try:
        return str(_starts(folder)[0]["identity"])
    except (LookupError, TypeError):  # of a stranger's folder
        return ""


def clear(folder: Path, kept: Iterable[str] = (LOCK,)) -> None:
    """Removes what a run without a checkpoint has left, which would be mixed with the new one's."""
    assert not has_checkpoint(folder), "what can be resumed is never removed"
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in kept:
            path.unlink()


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a run for this process alone. Its end gives the run free, a kill as well.

    Raises:
        ValueError: If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, blocking=False)
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
