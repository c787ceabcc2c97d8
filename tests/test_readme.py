"""README and documentation are true: commands pass the check, links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from darkroom import cli, config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if page.stem != "extending"]
# what extends darkroom passes no check before it has; test_documentation.py runs it


def groups(text: str) -> list[list[str]]:
    """The lines of each block of commands."""
    blocks = re.findall(r"```(?:bash|console|sh)\n(.*?)```", text, re.DOTALL)
    return [[line.split("#")[0].strip() for line in block.splitlines()] for block in blocks]


GROUPS = groups(TEXT)
LINES = [line for group in GROUPS for line in group]
ALL = LINES + [line for page in PAGES for group in groups(page.read_text()) for line in group]
COMMANDS = list(dict.fromkeys(line for line in ALL if line.startswith("python ")))
RUNS = {
    "gan": "model=gan",
    "vae": "model=vae",
    "sigma_vae": "model=sigma_vae",
    "told": "data.num_classes=auto",
}


def test_readme_shows_commands():
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_command_passes_the_check(command, monkeypatch):
    script, *arguments = shlex.split(command)[1:]
    assert (ROOT / script).exists()
    verb = script.removesuffix(".py")
    values = [a for a in arguments if not a.startswith(("-", "hydra.", "hydra/", "resume="))]
    values = [a if "=" in a else f"images=[{a}]" for a in values]  # as verify.py reads a path
    one_job = [re.sub(r"=\w+\(.*\)$", "=1", value) for value in values]  # where a search looks
    one_job = [re.sub(r"=([^\[,]*),.*", r"=\1", value) for value in one_job]
    with initialize_config_dir(str(cli.CONF), version_base="1.3"):
        composed = compose(verb, [cli._open_ended(value) for value in one_job])
    if verb == "evaluate" and composed.run:
        composed.data = None  # a run brings its own, so the command leaves this one out
    assert config.problems(composed) == []


def runs_in(command: str, runs: dict[str, Path], images: Path) -> list[str]:
    """A command of the README on what a test has: its own runs and images, and few of them."""
    asks_for_classes = "label=" in command or "draw=classes" in command
    for address, place in {
        "~/sprites": images,
        "~/photos": images,
        "/mnt/photos": images.with_name("shards"),
        "s3://bucket/photos": images.with_name("shards"),
        "~/generated": images,
        "~/photographs": images,
        "outputs/2026-11-23/12-00-00-000000-sweep": images.parent,  # all runs lie in it
        "outputs/...": runs["told" if asks_for_classes else "gan"],
        "~/few": images,
        "~/scans": images.with_name("scans"),
        "outputs/a": runs["gan"],
        "outputs/b": runs["vae"],
    }.items():
        command = command.replace(address, str(place))
    arguments = shlex.split(command)[1:]
    for model, run in runs.items():
        arguments = [re.sub(rf"outputs/\S+-{model}-digits", str(run), a) for a in arguments]
    script, arguments[0] = arguments[0], str(ROOT / arguments[0])
    arguments = [a.replace("n=20_000", "n=20") for a in arguments]
    if script in ("sample.py", "score.py", "export.py", "verify.py"):
        return arguments
    if script in ("evaluate.py", "compare.py"):
        return [*arguments, "features=thumbnail", "samples=64", "bounded=16"]
    if script == "prepare.py":
        return [*arguments, "probe=0.5"]
    if any(argument.startswith("resume=") for argument in arguments):
        return [*arguments, "trainer.max_images=128"]
    arguments = [a.replace("n_trials=20", "n_trials=2") for a in arguments]
    limit = ["data.limit=null"] if "data=streaming" in arguments else []
    alike = ["data.resolution=16", "model.generator.latent_dim=16"]  # as of the digits
    is_tuned = any(a.startswith("init_from=") for a in arguments)
    same = alike if is_tuned and "model=vae_gan" not in arguments else []
    return [*arguments, "experiment=smoke", "trainer.max_images=64", *limit, *same]


@pytest.mark.slow
def test_commands_run(tmp_path):
    images = tmp_path / "sprites"
    images.mkdir()
    draw = np.random.default_rng(0)
    for number in range(100):
        noise = draw.integers(0, 256, (24, 20, 3), np.uint8)
        Image.fromarray(noise).save(images / f"{number}.png")
    for part, kind, number in product(("train", "val", "test"), ("normal", "ill"), range(20)):
        place = images.with_name("scans") / part / kind / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (16, 16), np.uint8)).save(place)
    runs = {name: tmp_path / name for name in RUNS}

    def succeeds(command: str) -> None:
        done = subprocess.run(
            [sys.executable, *runs_in(command, runs, images)],
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=500,
        )
        is_missing = "data=fashion_mnist" in command and "is not there" in done.stderr
        # no machine has to have it: the three ways were listed
        assert done.returncode == 0 or is_missing, f"{command}\n{done.stderr}"

    def succeed(group: list[str]) -> None:
        for line in group:
            if line.startswith("python ") and "demo.py" not in line:  # which ends by Ctrl-C only
                succeeds(line)

    first = [[f"python train.py {RUNS[name]} hydra.run.dir={run}"] for name, run in runs.items()]
    for groups in (first, GROUPS):  # what follows from one another stands in one block
        with ThreadPoolExecutor(2) as two:
            list(two.map(succeed, groups))


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
