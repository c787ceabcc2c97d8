"""What is installed is what was looked at: every file by its hash, from no index in particular."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from requirements.audit import verdict

ROOT = Path(__file__).parents[1]
LOCKS = ("lock.txt", "uv.txt")


def entries(name: str) -> dict[str, str]:
    """Each requirement of a lock, with everything that belongs to it."""
    text = re.sub(r" *\\\n", " ", (ROOT / "requirements" / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {re.split(r"[=<>\[; @]", line)[0]: line for line in lines}


@pytest.mark.promise(
    "a package on the index is replaced by another one of the same version",
    "its hash is not in the lock, so it is not installed",
)
@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_has_one_version_and_hashes(name: str) -> None:
    locked = entries(name)
    assert len(locked) > (100 if name == "lock.txt" else 0)
    for package, line in locked.items():
        assert re.match(rf"{re.escape(package)}==[^ ;]+ ", line), line
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}(?= |$)", line), package


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host|https?://|file:", text)


@pytest.mark.promise(
    "a version of Lightning that was malware, or that runs code out of a checkpoint",
    "neither the lock nor the project takes it",
)
def test_lightning_is_none_of_the_versions_that_do_harm() -> None:
    locked = entries("lock.txt")
    for package in ("lightning", "pytorch-lightning"):
        version = re.match(r"[^=]+==([^ ;]+)", locked[package])
        assert version is not None
        assert tuple(map(int, version[1].split("."))) >= (2, 6, 6)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = (each for each in project["dependencies"] if each.startswith("lightning"))
    floor = re.fullmatch(r"lightning>=(\d+)\.(\d+)\.(\d+).*", wanted)
    assert floor is not None
    assert tuple(map(int, floor.groups())) >= (2, 6, 6)


def test_what_installs_demands_the_hashes_and_waits_a_week() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert makefile.count("--require-hashes") == 2
    assert '--exclude-newer "7 days"' in makefile


# --- the audit


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


GOOD = {"name": "a", "version": "1", "vulns": []}
FLAW = {"id": "GHSA-1", "fix_versions": ["2.1"], "aliases": [], "description": ""}
BAD = {"name": "b", "version": "2", "vulns": [FLAW]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.promise(
    "a locked requirement has a known vulnerability",
    "the audit fails, with the version that mends it; without a network it says so and passes",
)
@pytest.mark.parametrize(
    ("answer", "errors", "said", "is_good"),
    [
        (report(GOOD, GOOD), "", "2 requirements have no known vulnerability.", True),
        (report(GOOD, UNKNOWN), "", "1 could not be looked up", True),
        (report(GOOD, BAD, UNKNOWN), "", "b 2: GHSA-1, mended in 2.1", False),
        (report(UNKNOWN, UNKNOWN), "", "knows of no vulnerabilities at all, skipped", True),
        ("", "requests.exceptions.ConnectionError: no route", "not reachable, skipped", True),
        ("", "ReadTimeout", "not reachable, skipped", True),
        ("", "No module named pip_audit", "pip-audit failed", False),
        ("{}", "", "pip-audit failed", False),
    ],
)
def test_the_audit_fails_on_what_is_known_and_on_nothing_else(
    answer: str, errors: str, said: str, is_good: bool
) -> None:
    found, good = verdict(answer, errors)
    assert said in found
    assert good is is_good
