"""Pages of the documentation that are made from the code, so that they cannot go stale.

MkDocs calls these hooks; `mkdocs.yml` names this file.
"""

import ast
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "darkroom"
PARTS = {
    "images": "What an image is",
    "networks": "What computes",
    "objectives": "What is minimised",
    "priors": "Where a latent model's latents come from",
    "systems": "Who moves when",
    "data": "Where images come from",
    "augmentation": "What happens to images before a network sees them",
    "metrics": "How good it is",
    "metrics.features": "Networks that make features",
    "sampling": "Latents to images, and back",
    "schedules": "Numbers that follow the clock",
    "callbacks": "Observers",
    "checkpoint": "A run's checkpoints",
}
"""The rooms that somebody calls from code of their own, or names in a config."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are made."""
    made = {
        "recipes.md": recipes(),
        "troubleshooting.md": troubleshooting(),
        "reference.md": reference(),
        **{f"reference/{name}.md": part(name) for name in PARTS},
    }
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """What lies beside the documentation is named, and not linked to."""
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"`\1`", markdown)


def recipes() -> str:
    """The lab notes at the head of each recipe and experiment, as they stand there."""
    text = [
        "# Recipes",
        "A recipe joins by itself where its model meets its data; an experiment when it is asked "
        "for (`experiment=folder64`). The first lines of each say what was measured with it, on "
        "which hardware, and when; `recipe=none` leaves a recipe out. The tables behind the "
        "figures are in `benchmarks/results`.",
    ]
    for folder in ("recipe", "experiment"):
        for path in sorted((ROOT / "conf" / folder).glob("*.yaml")):
            text += [f"## {path.stem}", *_note(path)]
    return "\n\n".join(text) + "\n"


def _note(path: Path) -> Iterator[str]:
    """The comment at the head of a file: its command, and what is said of it."""
    _, *lines = path.read_text().splitlines()  # the first one says where Hydra puts it
    head = [line[2:] for line in takewhile(lambda line: line.startswith("#"), lines)]
    command = [line for line in head if line.startswith(("python ", "    "))]
    said = " ".join(line for line in head if line not in command)
    yield "```bash\n" + " ".join(line.strip() for line in command) + "\n```"
    if said:
        yield said
    picture = ROOT / "docs" / "pictures" / f"{path.stem}.png"
    if picture.exists():
        yield f"![samples of {path.stem}](pictures/{picture.name}){{ width=300 }}"


def troubleshooting() -> str:
    """What `diagnosis/` knows of, in the order of its rules, before what it does not know of."""
    text = [(ROOT / "docs" / "troubleshooting.head").read_text().rstrip()]
    named = _rules(SRC / "diagnosis" / "rules.py")
    rules = {
        node.name: node
        for path in sorted((SRC / "diagnosis").glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    for name in named:
        about = ast.get_docstring(rules[name]) or ""
        first, _, rest = about.partition("\n")
        text.append(f"## {name.replace('_', ' ').capitalize()}")
        text.append(f"**{first}**")
        text += [_paragraph(each) for each in rest.strip().split("\n\n") if each]
    return "\n\n".join(text) + "\n"


def _rules(path: Path) -> list[str]:
    """The names of the rules, in their order."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "RULES":
            assert isinstance(node.value, ast.Tuple)
            return [ast.unparse(each) for each in node.value.elts]
    raise AssertionError("rules.py has a tuple RULES")


def _paragraph(text: str) -> str:
    text = " ".join(text.split())
    return re.sub(r"\b((?:vitals|loss|probability|logit|quality|validation)/[\w/]+)", r"`\1`", text)


def reference() -> str:
    """The list of the parts."""
    rows = [
        f"| [`darkroom.{name}`](reference/{name}.md) | {about} |" for name, about in PARTS.items()
    ]
    head = "# Reference\n\nMade from the docstrings.\n\n| module | holds |\n|---|---|\n"
    return head + "\n".join(rows) + "\n"


def part(name: str) -> str:
    """One part's page."""
    return f"# {PARTS[name]}\n\n::: darkroom.{name}\n"
