"""The README is true: its commands pass the check, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from darkroom import cli, config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:bash|console|sh)\n(.*?)```", TEXT, re.DOTALL)
LINES = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines()]
COMMANDS = sorted({line for line in LINES if line.startswith("python ")})


def test_readme_shows_commands():
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_command_passes_the_check(command, monkeypatch):
    script, *arguments = shlex.split(command)[1:]
    assert (ROOT / script).exists()
    verb = script.removesuffix(".py")
    values = [a for a in arguments if not a.startswith(("-", "hydra.", "resume="))]
    one_job = [re.sub(r"=([^\[,]*),.*", r"=\1", value) for value in values]
    with initialize_config_dir(str(cli.CONF), version_base="1.3"):
        composed = compose(verb, [cli._open_ended(value) for value in one_job])
    assert config.problems(composed) == []


@pytest.mark.parametrize("line", sorted({x for x in LINES if x.startswith("make ")}))
def test_make_target_exists(line):
    for target in line.split()[1:]:
        assert re.search(rf"^{target}:.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)", TEXT))))
def test_link_leads_somewhere(link):
    assert link.startswith("https://") or (ROOT / link).exists()


def test_folder_map_is_true():
    named = re.findall(r"^\s*([\w./]+\.py|\w+/)\s{2,}", TEXT, re.MULTILINE)
    assert named
    for name in named:
        found = [*ROOT.glob(name), *ROOT.glob(f"src/darkroom/{name}")]
        assert found, f"the map names {name}, which is not there"
