"""What `pip install` leaves works as a checkout does, from any folder."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import darkroom
from darkroom import cli
from tests.commands import ROOT, Done, environment

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(cli.installation, "HOME", ROOT)
    return monkeypatch


def test_every_script_is_a_verb_and_is_in_the_wheel() -> None:
    assert sorted(f"{verb}.py" for verb in cli._verbs()) == SCRIPTS
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert packed == {name: f"darkroom/doors/{name}" for name in ["conf", *SCRIPTS]}


def test_alone_it_lists_the_verbs_and_what_they_are_for(
    typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed.setattr(sys, "argv", ["darkroom"])
    cli.main()
    said = capsys.readouterr().out
    assert "  train     trains a model, or continues a run." in said
    assert all(f"\n  {Path(script).stem} " in said for script in SCRIPTS)


def test_it_says_its_version(typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed.setattr(sys, "argv", ["darkroom", "--version"])
    cli.main()
    assert capsys.readouterr().out == f"darkroom {darkroom.__version__}\n"


def test_a_misspelt_verb_is_answered_with_a_suggestion(
    typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed.setattr(sys, "argv", ["darkroom", "tarin", "model=vae"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "darkroom takes no 'tarin'. Did you mean 'train'?\n"


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands of an environment in which the wheel is installed.

    What darkroom needs it sees where this environment has it, behind its own packages.
    """
    folder = tmp_path_factory.mktemp("wheel")
    done(ROOT, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (wheel,) = folder.glob("*.whl")
    uv = (sys.executable, "-m", "uv")
    done(folder, *uv, "venv", "--offline", "--python", sys.executable, str(folder / "venv"))
    commands = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = str(commands / "python")
    done(folder, *uv, "pip", "install", "--offline", "--no-deps", "--python", python, str(wheel))
    (packages,) = (folder / "venv").glob("[Ll]ib/**/site-packages")
    (packages / "behind.pth").write_text(str(Path(torch.__file__).parents[1]))
    return commands


def done(cwd: Path, *command: str) -> Done:
    """A command that has to succeed, without a way back to the checkout."""
    surroundings = {
        k: v for k, v in environment().items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    ended = subprocess.run(
        command, cwd=cwd, env=surroundings, capture_output=True, text=True, timeout=500
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


@pytest.mark.slow
def test_a_wheel_holds_the_version_and_says_what_to_type(bin_folder: Path, tmp_path: Path) -> None:
    darkroom_command = str(bin_folder / "darkroom")
    assert done(tmp_path, darkroom_command, "--version").stdout == (
        f"darkroom {darkroom.__version__}\n"
    )
    where = done(tmp_path, str(bin_folder / "python"), "-c", "import darkroom; print(darkroom)")
    assert str(bin_folder.parent) in where.stdout
    said = done(tmp_path, darkroom_command, "train", "--help").stdout
    assert "  darkroom train model=vae trainer.devices=2  " in said
    assert "train.py" not in said.partition("Choices")[0]


@pytest.mark.slow
@pytest.mark.parametrize("command", [("darkroom",), ("python", "-m", "darkroom")])
def test_two_devices_train_from_a_wheel(
    bin_folder: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    first, *rest = command
    called = (str(bin_folder / first), *rest)
    trained = done(
        tmp_path, *called, "train", "experiment=smoke", "trainer.devices=2", "hydra.run.dir=run"
    )
    assert "MEMBER: 2/2" in trained.stdout + trained.stderr
    done(tmp_path, *called, "sample", "run=run", "folder=drawn", "draw.n=4")
    assert (tmp_path / "drawn" / "grid.png").exists()


@pytest.mark.slow
def test_a_sweep_runs_from_a_wheel(bin_folder: Path, tmp_path: Path) -> None:
    call = (str(bin_folder / "darkroom"), "train", "-m", "seed=1,2", "experiment=smoke")
    done(tmp_path, *call, "hydra.sweep.dir=sweep")
    assert len(list((tmp_path / "sweep").glob("*/checkpoints/last.ckpt"))) == 2
