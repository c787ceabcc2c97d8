"""What a card knows is in the run's folder, and what is nobody's business is not in the card."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from darkroom import checkpoint, config
from darkroom.checkpoint import digest
from darkroom.exporting.facts import facts_of, published
from tests.composed import composed
from tests.evaluation.test_record import EVALUATION
from tests.exporting.exported import opened, run_of


@pytest.mark.parametrize(
    "root", ["/home/ada/secret/cats", "~/secret/cats", "../secret/cats", "s3://secret/cats"]
)
def test_a_published_config_tells_nobodys_folders(root: str) -> None:
    tree = composed("train", "data=streaming", f"data.root={config.spelt(root)}")
    tree.data.storage_options = {"key": "secret"}
    tree.init_from = "C:\\secret\\run"
    text = published(tree)
    assert "secret" not in text
    back = config.parse(text)
    assert (back.data.root, back.init_from) == ("cats", "run")
    assert config.problems(back) == []


def test_a_config_without_folders_is_published_as_it_is() -> None:
    tree = composed("train", "model=sigma_vae")
    assert published(tree) == OmegaConf.to_yaml(tree)


def test_only_evaluations_of_this_checkpoint_are_quoted(tmp_path: Path) -> None:
    run = run_of(tmp_path, "model=gan")
    own = replace(EVALUATION, checkpoint=digest(checkpoint.find(run)))
    own.write(run / "evaluation" / "own" / "metrics.json")
    EVALUATION.write(run / "evaluation" / "other" / "metrics.json")
    (run / "evaluation" / "torn").mkdir()
    (run / "evaluation" / "torn" / "metrics.json").write_text("{")
    facts = opened(run)[1]
    assert facts.evaluations == (own,)
    assert facts.passed_over == ("other", "torn")


def test_the_time_of_a_run_is_that_of_all_its_starts(tmp_path: Path) -> None:
    run = run_of(tmp_path, "model=gan")
    starts = [
        {"started": f"2026-11-23T1{k}:00:00+00:00", "ended": f"2026-11-23T1{k}:00:07+00:00"}
        for k in range(2)
    ]
    (run / "run.json").write_text(json.dumps(starts))
    assert opened(run)[1].seconds == 14
    (run / "run.json").write_text(json.dumps([*starts, {"started": starts[0]["started"]}]))
    assert opened(run)[1].seconds is None


def test_a_run_without_a_manifest_can_be_exported(tmp_path: Path) -> None:
    facts = opened(run_of(tmp_path, "model=gan"))[1]
    assert (facts.manifest, facts.seconds, facts.data) == ((), None, "Digits")


def test_a_torn_manifest_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path, "model=gan")
    (run / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is no manifest of a run"):
        facts_of(checkpoint.load(run))
