"""A folder that the Hugging Face Hub takes, by the Hub's own reader."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from PIL import Image

from darkroom import checkpoint, config
from darkroom.checkpoint import digest
from darkroom.exporting import load
from darkroom.exporting.card import FILL_IN
from darkroom.provenance import origin
from darkroom.verbs.export import export
from tests.composed import composed
from tests.evaluation.test_record import EVALUATION
from tests.exporting.exported import run_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was evaluated."""
    run = run_of(tmp_path_factory.mktemp("cats"), "model=sigma_vae")
    judged = replace(EVALUATION, checkpoint=digest(checkpoint.find(run)))
    judged.write(run / "evaluation" / "one" / "metrics.json")
    tree = composed("export", f"run={run}", "to=hub", f"folder={run / 'hub'}")
    config.check(tree)
    export(tree, "hub")
    return run / "hub"


def test_it_holds_what_the_hub_looks_for(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "samples.png",
    }
    load(folder)


def test_the_hubs_parser_reads_the_card(folder: Path) -> None:
    data = ModelCard.load(folder / "README.md").data
    assert data.library_name == "darkroom"
    assert data.pipeline_tag == "unconditional-image-generation"
    assert (data.license, data["license_name"]) == ("other", "fill-in")
    assert "vae" in data.tags


def test_the_hub_is_told_each_number_with_its_protocol(folder: Path) -> None:
    results = ModelCard.load(folder / "README.md").data.eval_results
    found = {result.metric_type: result for result in results}
    assert {name: result.metric_value for name, result in found.items()} == {
        "fd_thumbnail": 1.25,
        "kid_thumbnail": 0.1,
        "rate": 3.5,
    }
    told = found["kid_thumbnail"].metric_args
    assert (told["features"], told["samples"], told["reference"]) == ("thumbnail", 100, 90)
    assert found["kid_thumbnail"].dataset_split == "training"


def test_hashes_are_those_of_the_files(folder: Path) -> None:
    for name, expected in json.loads((folder / "config.json").read_text())["files"].items():
        assert sha256((folder / name).read_bytes()).hexdigest() == expected


def test_what_a_person_has_to_decide_is_marked(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert f"of these weights: {FILL_IN}" in card
    assert f"{FILL_IN} what it is for" in card


def test_the_picture_says_what_made_it(folder: Path) -> None:
    made_by = origin.read(folder / "samples.png")
    assert made_by is not None
    assert (
        made_by.checkpoint == json.loads((folder / "config.json").read_text())["checkpoint_sha256"]
    )
    assert Image.open(folder / "samples.png").size == (8 * 65 - 1, 8 * 65 - 1)
