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

PACKAGES = ("darkroom", "torch", "torchvision", "lightning", "hydra-core", "torchmetrics", "numpy")


def manifest(seed: int, overrides: list[str], data: str) -> dict[str, Any]:
    """Everything that a later reader needs to trust or to repeat a run.

    Args:
        seed: The run's seed.
        overrides: What was typed on the command line.
        data: Fingerprint of the data set.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "overrides": overrides,
        "seed": seed,
        "data": data,
        "code": _code(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "hardware": _hardware(),
    }


def append(path: Path, entry: dict[str, Any]) -> None:
    """Adds a start of the run to the manifest: one entry for the first, one for each resumption."""
    entries = json.loads(path.read_text()) if path.exists() else []
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps([*entries, entry], indent=2) + "\n")
    partial.replace(path)


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
