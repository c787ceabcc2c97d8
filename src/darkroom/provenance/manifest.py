"""Who made this: what a run's manifest says of code, machine and data."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from darkroom import files

PACKAGES = ("darkroom", "torch", "torchvision", "lightning", "hydra-core", "torchmetrics", "numpy")


def entry(seed: int, overrides: list[str], data: str, licence: str = "") -> dict[str, Any]:
    """Everything that a later reader needs to trust or to repeat a run.

    Args:
        seed: The run's seed.
        overrides: What was typed on the command line.
        data: Fingerprint of the data set.
        licence: What may be done with it, as far as that is known.
    """
    return {
        "started": _now(),
        "overrides": overrides,
        "seed": seed,
        "data": data,
        "licence": licence,
        "code": _code(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "hardware": _hardware(),
    }


def append(path: Path, added: dict[str, Any]) -> None:
    """Adds a start of the run to the manifest: one entry for the first, one for each resumption."""
    entries = json.loads(path.read_text()) if path.exists() else []
    _write(path, [*entries, added])


def conclude(path: Path, images_seen: int, how: str) -> None:
    """Says in the manifest how its last entry ended; of a killed run nothing says it."""
    *former, last = json.loads(path.read_text())
    _write(path, [*former, last | {"ended": _now(), "images_seen": images_seen, "how": how}])


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    with files.whole(path) as file:
        file.write((json.dumps(entries, indent=2) + "\n").encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _code() -> dict[str, Any]:
    """The commit that ran, and whether files differed from it; unknown outside a git checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # or it is somebody else's repository
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}


def _hardware() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "gpus": gpus,
    }
