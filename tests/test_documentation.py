"""The documentation is true: its parts work, its quotations stand in the code, it builds."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT, environment

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
FOREIGN = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="?(https?:[^"> ]+)')


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Language, the file that it is said to be of, and the text of each block of code."""
    return [match.groups() for match in BLOCK.finditer(page.read_text())]


TITLED = [(page.stem, place, text) for page in PAGES for _, place, text in blocks(page) if place]
QUOTES = [block for block in TITLED if block[0] != "extending"]
PARTS = [block for block in TITLED if block[0] == "extending"]


@pytest.mark.parametrize(("page", "place", "text"), QUOTES)
def test_what_is_quoted_stands_in_the_code(page: str, place: str, text: str):
    assert text in (ROOT / place).read_text()


@pytest.mark.parametrize(("page", "place", "text"), PARTS)
def test_a_part_is_short(page: str, place: str, text: str):
    body = text[text.rindex("\n\n\nclass") :] if "class " in text else text
    assert len(body.strip().splitlines()) <= 30


@pytest.mark.slow
def test_parts_work_as_they_stand_in_the_documentation(tmp_path: Path):
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for verb in ("train.py", "sample.py"):
        shutil.copy(ROOT / verb, tmp_path)
    for language, place, text in blocks(DOCS / "extending.md"):
        if place:
            assert not (tmp_path / place).exists()
            (tmp_path / place).write_text(text)
        elif language == "bash":
            for command in text.splitlines():
                done = subprocess.run(
                    command.replace("python", sys.executable, 1),
                    shell=True,
                    cwd=tmp_path,
                    env=environment() | {"PYTHONPATH": str(tmp_path / "src")},
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # threads that wait for each other busily
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(DOCS / "first-images.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    nbclient.NotebookClient(
        notebook, timeout=900, resources={"metadata": {"path": tmp_path}}
    ).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [output for output in shown if "image/png" in output.get("data", {})]
    assert len(pictures) >= 5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as HTML; every link within it leads somewhere, or it is not built."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_fetches_nothing_from_elsewhere(site: Path):
    for page in site.rglob("*.html"):
        assert FOREIGN.findall(page.read_text()) == [], page


def test_the_site_has_all_that_is_made_of_the_code(site: Path):
    recipes = (site / "recipes.html").read_text()
    assert all(path.stem in recipes for path in (ROOT / "conf" / "recipe").glob("*.yaml"))
    assert "Posterior collapse" in (site / "troubleshooting.html").read_text()
    assert "class_shares" in (site / "reference" / "systems.html").read_text()
