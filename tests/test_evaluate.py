"""evaluate.py and compare.py from end to end: what they write, what they find, what they refuse."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from darkroom import checkpoint, cli
from darkroom.data.datasets import digits
from darkroom.evaluation import record
from tests.commands import call, content, resume, train
from tests.pictures import album

QUICK = (
    "features=thumbnail",
    "samples=48",
    "real=200",
    "importance=[1,3]",
    "bounded=10",
    "device=cpu",
)


class Said(NamedTuple):
    """What a verb left in the terminal."""

    code: int
    out: str
    err: str


Typed = Callable[..., Said]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Typed:
    """What runs a verb as its command line does, but in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)

    def run(verb: str, *arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", [f"{verb}.py", *arguments])
        capfd.readouterr()
        code = 0
        try:
            getattr(cli, verb)()
        except SystemExit as exit:
            code = int(exit.code or 0)
        return Said(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"cache={tmp_path_factory.mktemp('features')}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a GAN, a VAE, and a GAN on other data."""
    folder = tmp_path_factory.mktemp("trained")
    for name, arguments in {
        "gan": [],
        "vae": ["model=vae"],
        "other": ["data.limit=100"],
    }.items():
        train(folder / name, *arguments)
    return folder


@pytest.fixture
def runs(trained: Path, tmp_path: Path) -> Path:
    """Copies of them that a test may change."""
    return shutil.copytree(trained, tmp_path / "runs")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as files: real ones and others, which lie in two folders each."""
    folder = tmp_path_factory.mktemp("folders")
    pixels = digits().pixels.repeat_interleave(2, 2).repeat_interleave(2, 3)
    for name, first in (("real", 0), ("made", 300)):
        for number, image in enumerate(pixels[first : first + 200]):
            path = folder / name / f"{'even' if number % 2 == 0 else 'odd'}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0].numpy()).save(path)
    return folder


def beside(arguments: list[str]) -> list[str]:
    """What makes it quick, without what is typed anyway."""
    options = [argument.partition("=")[0] for argument in arguments]
    return [given for given in QUICK if given.partition("=")[0] not in options]


def refused(said: Said, *texts: str) -> None:
    assert said.code == 2, said
    for text in texts:
        assert text in said.err
    assert "Traceback" not in said.err


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def self_contained(page: Path) -> str:
    """The page's text, if it fetches nothing and runs nothing."""
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|<iframe|@import|\bon\w+=", text, re.IGNORECASE)
    assert not re.search(r"""(src|href)=(?!"data:image/png;base64,)""", text)
    assert "url(" not in text
    assert not re.search("https?://", text)
    return text


def evaluation_of(run: Path) -> tuple[Path, record.Evaluation]:
    (path,) = run.glob("evaluation/*/metrics.json")
    return path.parent, record.read(path)


# --- a run


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_a_run_is_judged_and_a_report_is_left_in_its_folder(
    model: str, runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    run = runs / model
    before = left(tmp_path)
    said = typed("evaluate", f"run=runs/{model}", *QUICK, cache)
    assert said.code == 0, said.err
    folder, evaluation = evaluation_of(run)
    new = {path for path in left(tmp_path) - before if "tfevents" not in path}
    assert new == {f"{folder.relative_to(tmp_path)}/{n}" for n in ("report.html", "metrics.json")}
    text = self_contained(folder / "report.html")
    assert "data:image/png;base64," in text
    assert evaluation.images_seen == 64 == checkpoint.load(run).images_seen
    assert evaluation.subject == f"runs/{model}"
    assert evaluation.protocol.samples == 48
    assert ("iw_bound_3" in evaluation.latents) == (model == "vae")
    assert f"report  {folder.relative_to(tmp_path)}/report.html" in said.out
    for question in ("Is it good?", "Is it diverse?", "Is it original?", "What is wrong?"):
        assert question in said.out
        assert question in text
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    shown = {tag for tag in events.Tags()["scalars"] if tag.startswith("evaluation/")}
    assert shown == {f"evaluation/{n}" for n in (*evaluation.numbers, *evaluation.latents)}
    assert {event.step for tag in shown for event in events.Scalars(tag)} == {64}


def test_a_report_can_lie_elsewhere_and_so_can_data(
    runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    typed_too = ("folder=the report", "data.limit=100", "+data.split_seed=1")
    said = typed("evaluate", "run=runs/gan", *QUICK, cache, *typed_too)
    assert said.code == 0, said.err
    assert left(tmp_path / "the report") == {"report.html", "metrics.json"}
    assert not (runs / "gan" / "evaluation").exists()
    protocol = record.read(tmp_path / "the report" / "metrics.json").protocol
    assert protocol.reference + protocol.held_out == 100


def test_a_classifier_is_kept_in_the_cache_that_is_named(
    runs: Path, typed: Typed, tmp_path: Path
) -> None:
    features = ("features=classifier", *QUICK[1:])
    said = typed("evaluate", "run=runs/gan", *features, "cache=mine")
    assert said.code == 0, said.err
    assert {path.suffix for path in (tmp_path / "mine").iterdir()} == {".npy", ".pt"}
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "mine"}
    assert said.out.count("a small network learns") == 1
    assert (
        "a small network learns"
        not in typed("evaluate", "run=runs/gan", *features, "cache=mine").out
    )


# --- a folder


def test_a_folder_is_judged_against_another(
    folders: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    said = typed(
        "evaluate",
        f"images={folders / 'made'}",
        f"reference={folders / 'real'}",
        f"data.packs={tmp_path / 'packs'}",
        *QUICK,
        cache,
        "hydra.run.dir=judged",
    )
    assert said.code == 0, said.err
    assert left(tmp_path / "judged") == {"report.html", "metrics.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"judged", "packs"}
    self_contained(tmp_path / "judged" / "report.html")
    evaluation = record.read(tmp_path / "judged" / "metrics.json")
    assert (evaluation.images_seen, evaluation.checkpoint) == (None, "")
    assert evaluation.protocol.samples == 48
    assert evaluation.protocol.reference + evaluation.protocol.held_out == 200
    assert set(evaluation.classes) == {"even", "odd"}
    assert evaluation.numbers["precision_thumbnail"].value > 0.5


@pytest.mark.slow
def test_copies_in_a_folder_are_found(
    folders: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    said = typed(
        "evaluate",
        f"images={folders / 'real'}",
        f"reference={folders / 'real'}",
        f"data.packs={tmp_path / 'packs'}",
        "data.validation=0.5",
        "data.classes=false",
        *QUICK,
        "samples=200",
        cache,
        "folder=judged",
    )
    assert said.code == 0, said.err
    evaluation = record.read(tmp_path / "judged" / "metrics.json")
    assert evaluation.originality is not None
    assert 0.3 < evaluation.originality.copied < 0.7
    assert not evaluation.classes


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Type either run=<folder of a run> or images=<folder> reference=<folder>."),
        (["run=runs/gan", "images=a"], "Type either run=<folder of a run> or images=<folder>"),
        (["images=."], "images=.: type reference=<folder of real images> too"),
        (["images=.", "reference=nowhere"], "reference=nowhere does not exist"),
        (["images=nowhere", "reference=."], "images=nowhere does not exist"),
        (["images=.", "reference=.", "data=digits"], "data=digits: folders of images are read by"),
        (["images=runs", "reference=runs/gan/checkpoints"], "gan/checkpoints holds no image"),
        (["run=nowhere"], "run=nowhere: there is no such folder"),
        (["run=runs"], "run=runs has no checkpoint 'last'"),
        (["run=runs/gan", "checkpoint=first"], "Type checkpoint=best."),
        (["run=runs/gan", "data=digits"], "data=digits: a run is judged by its own data"),
        (["run=runs/gan", "augmentation=flip"], "augmentation=flip: a run is judged by its own"),
        (["run=runs/gan", "reference=."], "reference=.: a run is judged by its own data"),
        (["run=runs/gan", "data.lmit=10"], "data takes no 'lmit'. Did you mean 'limit'?"),
        (["run=runs/gan", "+data.lmit=10"], "data takes no 'lmit'. Did you mean 'limit'?"),
        (["run=runs/gan", "data.resolution=32"], "Leave data.resolution and data.channels as"),
        (["run=runs/gan", "sampels=100"], "the root takes no 'sampels'. Did you mean 'samples'?"),
        (["run=runs/gan", "features.sid=4"], "features takes no 'sid'. Did you mean 'side'?"),
        (["run=runs/gan", "samples=3"], "samples=3 tells nothing. Type samples=2000 or more."),
        (["run=runs/gan", "real=3"], "real=3 tells nothing"),
        (["run=runs/gan", "split=validation"], "type training, held_out or test"),
        (["run=runs/gan", "split=test"], "split=test: the data have no such part"),
        (["run=runs/vae", "importance=[0]"], "importance=[0]: type numbers of samples"),
        (["run=runs/vae", "bounded=0"], "bounded=0: type a number of images"),
        (["run=runs/gan", "device=abacus"], "device=abacus is not to be had here"),
    ],
)
def test_what_cannot_be_judged_is_refused_and_leaves_nothing(
    arguments: list[str], said: str, runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    before = content(tmp_path)
    refused(typed("evaluate", *beside(arguments), cache, *arguments), said)
    assert content(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


def test_too_few_images_in_a_folder_are_refused(
    folders: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    album(tmp_path / "few", n=15, mode="L")
    images = (f"images={tmp_path / 'few'}", f"reference={folders / 'real'}")
    refused(typed("evaluate", *images, *QUICK, cache), "15 images tell nothing. Bring 16 at least")


def test_weights_that_are_not_there_are_missed_with_the_ways_to_get_them(
    runs: Path, typed: Typed, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch_fidelity")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    for choice in ("features=inception", "protocol=published"):
        said = typed("evaluate", "run=runs/gan", choice, *QUICK[1:], cache)
        refused(
            said,
            "the weights of the FID network are not on this machine",
            "features.download=true",
            "features.weights=<path>",
            "features=lite0",
        )


# --- side by side


def test_two_runs_are_compared_and_what_is_missing_is_evaluated(
    runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    typed("evaluate", "run=runs/gan", *QUICK, cache)
    folder, _ = evaluation_of(runs / "gan")
    before = (folder / "metrics.json").stat().st_mtime_ns
    said = typed("compare", "runs=[runs/gan,runs/vae]", *QUICK, cache, "hydra.run.dir=both")
    assert said.code == 0, said.err
    assert "judging runs/vae" in said.err
    assert "judging runs/gan" not in said.err
    assert (folder / "metrics.json").stat().st_mtime_ns == before
    assert (evaluation_of(runs / "vae")[0] / "report.html").exists()
    assert left(tmp_path / "both") == {"comparison.html", "comparison.json"}
    self_contained(tmp_path / "both" / "comparison.html")
    facts = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert (facts["ranked"], facts["refusals"]) == (True, [])
    assert sorted(facts["order"]) == ["gan", "vae"]
    assert facts["judged_by"]["quality"] == "kid_thumbnail"
    assert facts["conclusion"]
    assert "gan beside vae" in said.out
    assert "comparison  both/comparison.html" in said.out

    again = typed("compare", "runs=[runs/gan,runs/vae]", *QUICK, cache, "folder=again")
    assert again.code == 0, again.err
    assert "judging" not in again.err
    later = json.loads((tmp_path / "again" / "comparison.json").read_text())
    assert later == facts
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "both", "again"}


@pytest.mark.slow
def test_after_more_training_a_run_is_evaluated_again(runs: Path, typed: Typed, cache: str) -> None:
    typed("compare", "runs=[runs/gan]", *QUICK, cache, "folder=one")
    resume(runs / "gan", "++trainer.max_images=96")
    said = typed("compare", "runs=[runs/gan]", *QUICK, cache, "folder=two")
    assert "judging runs/gan" in said.err
    names = [path.name for path in (runs / "gan" / "evaluation").iterdir()]
    assert sorted(name.split("-")[1] for name in names) == ["0000000064", "0000000096"]


def test_a_sweep_is_compared_by_what_was_varied(
    runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    shutil.rmtree(runs / "other" / "checkpoints")  # as a run that failed leaves its folder
    said = typed("compare", "sweep=runs", *QUICK, cache, "folder=sweep")
    assert said.code == 0, said.err
    assert "left out: run=runs/other has no checkpoint 'last'" in said.out
    facts = json.loads((tmp_path / "sweep" / "comparison.json").read_text())
    assert [run["name"] for run in facts["runs"]] == ["gan", "vae"]
    assert [run["overrides"].get("model") for run in facts["runs"]] == [None, "vae"]


def test_runs_on_other_data_are_shown_and_not_ranked(
    runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    said = typed("compare", "runs=[runs/gan,runs/other]", *QUICK, cache, "folder=both")
    assert said.code == 0, said.err
    assert "They were held against different images, so that nothing can mend it." in said.out
    facts = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert facts["ranked"] is False
    assert set(facts["places"]["kid_thumbnail"].values()) == {None}
    page = self_contained(tmp_path / "both" / "comparison.html")
    assert "They were held against different images" in page


@pytest.mark.slow
def test_runs_of_one_name_are_told_apart_by_their_paths(
    runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    shutil.copytree(runs / "gan", tmp_path / "more" / "gan")
    said = typed("compare", "runs=[runs/gan,more/gan]", *QUICK, cache, "folder=both")
    assert said.code == 0, said.err
    facts = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert [run["name"] for run in facts["runs"]] == ["runs/gan", "more/gan"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Type either runs='[<folder>,<folder>]' or sweep=<folder of a sweep>."),
        (["runs=[runs/gan]", "sweep=runs"], "Type either runs='[<folder>,<folder>]' or sweep="),
        (["runs=[runs/gan,nowhere]"], "run=nowhere: there is no such folder"),
        (["runs=[runs/gan,runs/gan]"], "runs/gan is given twice. Name each run once."),
        (["sweep=runs/gan"], "sweep=runs/gan: no runs are in it"),
        (["sweep=nowhere"], "sweep=nowhere: no runs are in it"),
        (["runs=[runs/gan]", "sampels=3"], "Did you mean 'samples'?"),
        (["runs=[runs/gan]", "samples=3"], "samples=3 tells nothing"),
        (["runs=[runs/gan]", "data.limit=3"], "the root takes no 'data'"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_judged(
    arguments: list[str], said: str, runs: Path, typed: Typed, cache: str, tmp_path: Path
) -> None:
    before = content(tmp_path)
    refused(typed("compare", *beside(arguments), cache, *arguments), said)
    assert content(tmp_path) == before


# --- in a process of its own


@pytest.mark.parametrize("verb", ["evaluate", "compare"])
def test_help_comes_at_once_and_imports_no_torch(verb: str, tmp_path: Path) -> None:
    done = call(tmp_path, verb, "--help", python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert f"python {verb}.py" in done.stdout
    assert "features: auto, classifier, dinov2" in done.stdout
    assert "hydra" in imported
    assert not {"torch", "lightning", "numpy", "PIL"} & imported
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("verb", "argument", "said"),
    [
        ("evaluate", "samples=40", "Type either run=<folder of a run> or images="),
        ("evaluate", "features.sid=3", "Type either run=<folder of a run>"),
        ("compare", "samples=40", "Type either runs="),
    ],
)
def test_a_refusal_is_short_and_imports_nothing(
    verb: str, argument: str, said: str, tmp_path: Path
) -> None:
    done = call(tmp_path, verb, argument, python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    message = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 2
    assert said in "\n".join(message)
    assert len(message) <= 4
    assert not {"torch", "lightning"} & imported
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_commands_work_as_they_are_typed(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "my runs")
    for verb, arguments in (
        ("evaluate", ["run='my runs/vae'"]),
        ("compare", ["runs=['my runs/gan','my runs/vae']", "hydra.run.dir=both"]),
    ):
        done = call(tmp_path, verb, *arguments, *QUICK, "cache=features")
        assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"my runs", "both", "features"}
    assert left(tmp_path / "both") == {"comparison.html", "comparison.json"}


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["quick", "modes"])
def test_a_protocol_judges_stacked_digits(protocol: str, typed: Typed, tmp_path: Path) -> None:
    train(tmp_path / "run", "data=stacked_digits", "data.limit=400")
    few = ("samples=200", "real=400", "device=cpu", "cache=features")
    said = typed("evaluate", "run=run", f"protocol={protocol}", *few)
    assert said.code == 0, said.err
    _, evaluation = evaluation_of(tmp_path / "run")
    assert evaluation.protocol.instrument.name == "classifier"
    reached = evaluation.numbers["classes_reached_classifier"]
    assert 1 <= reached.value <= 200
    assert not evaluation.classes  # a thousand rows say nothing
