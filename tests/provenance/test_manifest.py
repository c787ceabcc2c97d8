import json
import subprocess
from datetime import UTC, datetime

import pytest
import torch

from darkroom.data import FashionMNIST, Folder, StackedDigits
from darkroom.provenance import manifest


def git(folder, *arguments):
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "manifest.py"))
    (tmp_path / "manifest.py").touch()
    git(tmp_path, "init")
    git(tmp_path, "add", "manifest.py")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_a_manifest_says_what_a_repetition_needs():
    entry = manifest.entry(7, ["model=vae"], "fingerprint", licence="mine")
    assert (entry["seed"], entry["overrides"]) == (7, ["model=vae"])
    assert (entry["data"], entry["licence"]) == ("fingerprint", "mine")
    assert entry["versions"]["torch"] == torch.__version__.split("+")[0]
    assert len(entry["hardware"]["gpus"]) == torch.cuda.device_count()
    assert abs(datetime.now(UTC) - datetime.fromisoformat(entry["started"])).seconds < 60


@pytest.mark.parametrize("dirty", [False, True])
def test_the_code_is_its_commit_and_whether_files_differed(checkout, dirty):
    if dirty:
        (checkout / "new.py").touch()
    commit = git(checkout, "rev-parse", "HEAD").strip()
    assert manifest.entry(0, [], "")["code"] == {"commit": commit, "dirty": dirty}


def test_the_commit_of_somebody_elses_repository_is_not_ours(checkout, monkeypatch):
    (checkout / "installed.py").touch()  # as in a virtual environment within a checkout
    monkeypatch.setattr(manifest, "__file__", str(checkout / "installed.py"))
    assert manifest.entry(0, [], "")["code"] == {"commit": None, "dirty": None}


def test_outside_a_checkout_the_code_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "manifest.py"))
    assert manifest.entry(0, [], "")["code"] == {"commit": None, "dirty": None}


def test_every_start_is_one_more_entry_and_no_partial_file_stays(tmp_path):
    path = tmp_path / "manifest.json"
    for seed in (1, 2):
        manifest.append(path, manifest.entry(seed, [], ""))
    assert [entry["seed"] for entry in json.loads(path.read_text())] == [1, 2]
    assert list(tmp_path.iterdir()) == [path]


def test_a_published_sets_licence_is_known_and_ones_own_images_is_what_was_typed(tmp_path):
    assert "MIT" in FashionMNIST(resolution=28, channels=1).licence
    assert "UCI" in StackedDigits(resolution=16).licence
    assert Folder(str(tmp_path)).licence == ""
    assert Folder(str(tmp_path), licence="mine, CC0").licence == "mine, CC0"
