import json
import subprocess
from datetime import UTC, datetime

import pytest
import torch

from darkroom import provenance


def git(folder, *arguments):
    identity = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    (tmp_path / "provenance.py").touch()
    git(tmp_path, "init")
    git(tmp_path, "add", "provenance.py")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_a_manifest_says_what_a_repetition_needs():
    manifest = provenance.manifest(seed=7, overrides=["model=vae"], data="fingerprint")
    assert (manifest["seed"], manifest["overrides"]) == (7, ["model=vae"])
    assert manifest["data"] == "fingerprint"
    assert manifest["versions"]["torch"] == torch.__version__.split("+")[0]
    assert len(manifest["hardware"]["gpus"]) == torch.cuda.device_count()
    assert abs(datetime.now(UTC) - datetime.fromisoformat(manifest["started"])).seconds < 60


@pytest.mark.parametrize("dirty", [False, True])
def test_the_code_is_its_commit_and_whether_files_differed(checkout, dirty):
    if dirty:
        (checkout / "new.py").touch()
    commit = git(checkout, "rev-parse", "HEAD").strip()
    assert provenance.manifest(0, [], "")["code"] == {"commit": commit, "dirty": dirty}


def test_the_commit_of_somebody_elses_repository_is_not_ours(checkout, monkeypatch):
    (checkout / "installed.py").touch()  # as in a virtual environment within a checkout
    monkeypatch.setattr(provenance, "__file__", str(checkout / "installed.py"))
    assert provenance.manifest(0, [], "")["code"] == {"commit": None, "dirty": None}


def test_outside_a_checkout_the_code_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert provenance.manifest(0, [], "")["code"] == {"commit": None, "dirty": None}


def test_every_start_is_one_more_entry_and_no_partial_file_stays(tmp_path):
    path = tmp_path / "manifest.json"
    for seed in (1, 2):
        provenance.append(path, provenance.manifest(seed, [], ""))
    assert [entry["seed"] for entry in json.loads(path.read_text())] == [1, 2]
    assert list(tmp_path.iterdir()) == [path]
