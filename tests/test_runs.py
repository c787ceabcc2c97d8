"""Which run goes on, and that one process trains a run at a time."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from darkroom import runs
from tests.commands import train

MINE = "mine"


def run(folder: Path, started: str, identity: str = MINE, how: str | None = None) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    end = {} if how is None else {"how": how}
    entries = [{"started": started, "identity": identity}, {"started": started} | end]
    (folder / "run.json").write_text(json.dumps(entries))
    return folder


def test_the_newest_unfinished_run_of_the_identity_goes_on(tmp_path: Path) -> None:
    newest = run(tmp_path / "a", "2026-02")
    run(tmp_path / "b", "2026-01")
    run(tmp_path / "c", "2026-03", identity="another")
    run(tmp_path / "d", "2026-04", how=runs.FINISHED)
    (run(tmp_path / "e", "2026-05") / "checkpoints" / "last.ckpt").unlink()
    (run(tmp_path / "f", "2026-06") / "run.json").write_text("[{")
    (tmp_path / "g").mkdir()
    assert runs.unfinished(tmp_path.iterdir(), MINE) == newest
    interrupted = run(tmp_path / "h", "2026-07", how="interrupted by SIGTERM")
    assert runs.unfinished(tmp_path.iterdir(), MINE) == interrupted
    assert runs.unfinished(tmp_path.iterdir(), "nobody's") is None


def test_an_identity_is_what_was_asked_and_not_where(tmp_path: Path) -> None:
    asked = {"seed": 1, "model": {"width": 4}, "logger": {"save_dir": "${run_dir}"}}
    here, there = (
        OmegaConf.create(asked | {"run_dir": place, "resume": how, "resumed_at": at})
        for place, how, at in (("a", "auto", 0), ("b", None, 64))
    )
    other = OmegaConf.merge(here, {"model": {"width": 5}})
    assert runs.identity(here) == runs.identity(there) != runs.identity(other)


@pytest.mark.promise(
    "A second process begins to train the same run",
    "It is refused, and the first is not disturbed.",
)
def test_a_run_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(ValueError, match="is being trained by another process")
    with runs.held(tmp_path / "run"), refused:
        train(tmp_path / "run")
    with runs.held(tmp_path / "run"):
        pass
    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.promise(
    "A run with resume=auto and a folder of its own is killed before its first checkpoint",
    "The same command begins anew in that folder; a run of another config there is refused.",
)
def test_a_run_that_saved_nothing_begins_anew_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ["resume=auto", "model.generator.width=2", "trainer.max_images=16"]
    train(folder, *options)
    events = list((folder / "tensorboard").glob("events*"))
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="holds a run already"):
        train(folder, *options, "seed=5")
    train(folder, *options)
    assert len(json.loads((folder / "run.json").read_text())) == 1
    assert len(list((folder / "tensorboard").glob("events*"))) == len(events)
    with pytest.raises(ValueError, match="holds a run already"):
        train(folder, *options)
