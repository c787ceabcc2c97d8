"""A stranger's run: what the verbs build of its config, where they write, what they show."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from darkroom import checkpoint, config, curves, randomness
from darkroom.evaluation import Run, record
from darkroom.reports.scoring import Ranked, Scoring
from darkroom.verbs.sample import sample
from darkroom.verbs.score import score
from tests.composed import composed
from tests.reports.synthetic import pixels
from tests.reports.test_judgement import EVIL, harmless
from tests.reports.test_preparation import Page


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A VAE whose config would write all over the place, if it were trained."""
    monkeypatch.chdir(tmp_path)
    away = str(tmp_path / "away")
    tree = composed("train", "experiment=smoke", "model=vae", "model.network.width=4")
    for name in ("tensorboard", "table"):
        if name in tree.logger:
            tree.logger[name].save_dir = away
    tree.run_dir = away
    tree.class_names = ["../../out", EVIL]
    with randomness.initialisation(3):
        weights = config.build(tree.model).state_dict()
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    hyper = {"_instantiator": "os.system", "_class_path": "os.system", "command": f"touch {away}"}
    content = {"config": OmegaConf.to_yaml(tree), "state_dict": weights, "images_seen": 48}
    torch.save(content | {"hyper_parameters": hyper, "datamodule_hyper_parameters": hyper}, path)
    return path.parents[1]


def drawn(run: Path) -> None:
    sample(composed("sample", f"run={run}", "draw.n=2", "device=cpu"))


def rebuilt(run: Path) -> None:
    sample(composed("sample", f"run={run}", "draw=reconstruction", "draw.n=2", "device=cpu"))


def scored(run: Path) -> None:
    score(composed("score", f"run={run}", "shown=1", "device=cpu"))


@pytest.mark.promise(
    "a stranger's run whose config names folders elsewhere, and an _instantiator (CVE-2026-58659)",
    "only its model and its data are built; nothing is written outside its folder, nothing is sent",
)
@pytest.mark.parametrize("verb", [drawn, rebuilt, scored], ids=lambda verb: verb.__name__)
def test_a_strangers_run_writes_nowhere_else_and_connects_to_nothing(
    verb: Callable[[Path], None], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: Any) -> None:
        raise AssertionError(f"it connects to {arguments}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refused)
    verb(run)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    names = {path.name for path in run.iterdir()}
    assert names in ({"checkpoints", "drawn"}, {"checkpoints", "scores"})


def test_only_the_model_of_a_strangers_run_is_built_to_draw_from_it(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    build = config.build

    def noted(node: Any, **given: Any) -> Any:
        built.append(node._target_)
        return build(node, **given)

    monkeypatch.setattr(config, "build", noted)
    drawn(run)
    assert built == ["darkroom.systems.VAE", "darkroom.sampling.Samples"]
    built.clear()
    checkpoint.load(run)
    assert built == ["darkroom.systems.VAE"]


@pytest.mark.promise(
    "names of files, classes and runs hold HTML",
    "reports show them as they are; nothing in them runs or is fetched",
)
def test_the_report_of_scores_shows_strangers_names_as_they_are(tmp_path: Path) -> None:
    ranked = Ranked(pixels(4, channels=1), (EVIL, EVIL))
    scoring = Scoring(
        subject=EVIL,
        images_seen=48,
        scored=EVIL,
        number=2,
        by="bound",
        bound_name=EVIL,
        note=EVIL,
        normal=EVIL,
        found={},
        most=ranked,
        least=ranked,
    )
    scoring.write(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    harmless(tmp_path / "report.html", page)
    assert page.text.count(EVIL) > 4


# --- what else lies in a run's folder

HEADER = "name,images_seen,value\n"
DEEP = "[" * 100_000


@pytest.mark.promise(
    "a run's metrics.csv is another table, torn, or holds what is no number",
    "it is refused by its path",
)
@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        f"{HEADER}loss,many,1\n".encode(),
        f"{HEADER}loss,1,much\n".encode(),
        f"{HEADER}loss,{10**30},1\n".encode(),
        f"{HEADER}loss\n".encode(),
        f"{HEADER}{'x' * 200_000},1,1\n".encode(),
        b"\xff\xfe\0",
    ],
    ids=range(7),
)
def test_a_table_of_a_stranger_is_refused_by_its_path(content: bytes, tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    table.write_bytes(content)
    with pytest.raises(ValueError, match=r"metrics\.csv is no table of a run's numbers"):
        curves.read(table)


@pytest.mark.promise(
    "an earlier evaluation in a run's folder holds absurd content",
    "it is refused by its path, or passed over",
)
@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", "3", DEEP, '{"protocol": 3}', '{"protocol": {"instrument": []}}'],
)
def test_an_absurd_evaluation_is_refused_by_its_path(text: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"metrics\.json is no evaluation of this version"):
        record.read(path)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "3", DEEP, '[{"overrides": 3}]'])
def test_a_manifest_that_is_none_is_refused_by_its_path(text: str, run: Path) -> None:
    (run / "run.json").write_text(text)
    found = Run.__new__(Run)
    found.folder = run
    with pytest.raises(ValueError, match=r"run\.json does not tell how the run began"):
        _ = found.command
