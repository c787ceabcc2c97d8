"""The verbs, called as a user calls them, or in this process for what is worth no further one."""

import os
import subprocess
import sys
from pathlib import Path

from darkroom import cli, config
from darkroom.verbs import sample as verbs_sample
from darkroom.verbs import train as verbs_train
from tests.composed import composed

ROOT = Path(__file__).parents[1]

Done = subprocess.CompletedProcess[str]


def command(verb: str, *arguments: str, python: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, *python, str(ROOT / f"{verb}.py"), *arguments]


def environment() -> dict[str, str]:
    unlike_users = {"HYDRA_FULL_ERROR", "PYTHONDONTWRITEBYTECODE"}
    kept = {k: v for k, v in os.environ.items() if k not in unlike_users}
    return kept | {"OMP_NUM_THREADS": "1"}


def call(cwd: Path, verb: str, *arguments: str, python: tuple[str, ...] = ()) -> Done:
    """Runs a verb as a user does: in a process of its own, from any folder."""
    return subprocess.run(
        command(verb, *arguments, python=python),
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=500,
    )


def made(cwd: Path, *arguments: str) -> Path:
    """The folder `run` of a smoke run that has to succeed."""
    done = call(cwd, "train", "experiment=smoke", "hydra.run.dir=run", *arguments)
    assert done.returncode == 0, done.stderr
    return cwd / "run"


def train(run_dir: Path, *arguments: str) -> float | None:
    """A smoke run in this process."""
    tree = composed("train", "experiment=smoke", f"run_dir={run_dir}", *arguments)
    config.check(tree)
    return verbs_train.train(tree, run_dir, list(arguments))


def resume(run_dir: Path, *arguments: str) -> float | None:
    """Continues a run in this process."""
    tree = cli._resumed(run_dir, [f"resume={run_dir}", *arguments])
    tree.run_dir = str(run_dir)
    config.check(tree)
    return verbs_train.train(tree, run_dir, list(arguments))


def sample(run: Path, *arguments: str) -> None:
    tree = composed("sample", f"run={run}", *arguments)
    config.check(tree)
    verbs_sample.sample(tree)


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
