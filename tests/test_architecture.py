"""Which room a line of code lives in: the import table, and what nobody may do anywhere."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "darkroom"

MAY_IMPORT = {
    # room: rooms of darkroom, and which of FRAMEWORKS; everything else is free
    "__init__": "",
    "images": "",
    "randomness": "",
    "files": "",
    "provenance": "files runs checkpoint images installation provenance",
    "provenance.manifest": "files",
    "runs": "omegaconf",
    "signatures": "",
    "schedules": "",
    "augmentation": "images randomness schedules augmentation",
    "networks": "images randomness networks",
    "objectives": "images randomness schedules objectives",
    "priors": "images randomness priors",
    "metrics": "images randomness metrics",
    "curves": "",
    "diagnosis": "curves diagnosis",
    "evaluation": "files images randomness curves data diagnosis metrics objectives sampling "
    "systems evaluation",
    "evaluation.run": "data diagnosis curves sampling systems checkpoint config probe evaluation "
    "installation omegaconf",
    "comparison": "evaluation installation comparison",
    "sampling": "images randomness sampling",
    "intake": "intake",
    "data": "images randomness augmentation intake data",
    "data.datamodule": "images randomness augmentation data lightning",
    "data.own": "images intake data lightning",
    "systems": "images randomness schedules augmentation networks objectives priors systems "
    "lightning",
    "loggers": "files lightning",
    "processes": "systems lightning",
    "trainer": "images data processes systems checkpoint lightning",
    "callbacks": "images randomness schedules curves data diagnosis metrics provenance sampling "
    "systems trainer callbacks lightning",
    "transfer": "",
    "checkpoint": "config files systems lightning omegaconf",
    "beginning": "checkpoint config systems transfer omegaconf",
    "inspection": "images randomness data intake metrics",
    "advice": "installation inspection",
    "findings": "intake inspection",
    "bulk": "files provenance sampling bulk",
    "destinations": "config data inspection",
    "probe": "config data images randomness systems trainer lightning omegaconf",
    "reports": "images curves data intake inspection advice findings probe diagnosis evaluation "
    "comparison metrics installation reports",
    "exporting": "images randomness networks objectives priors systems sampling evaluation "
    "reports checkpoint config provenance installation exporting "
    "omegaconf",
    "demo": "images curves data installation intake sampling systems evaluation reports checkpoint "
    "provenance demo",
    "verbs": "images randomness files bulk runs provenance data inspection advice findings probe "
    "reports sampling comparison curves diagnosis evaluation metrics systems trainer checkpoint "
    "beginning callbacks config demo exporting installation verbs lightning omegaconf",
    "config": "signatures hydra omegaconf",
    "sweeps": "config curves files runs sweeps",
    "installation": "",
    "__main__": "cli",
    "cli": "config installation runs sweeps verbs hydra omegaconf",
}
FRAMEWORKS = {"lightning", "hydra", "omegaconf"}
WITHOUT_TORCH = {"intake"}  # processes begin with these, and torch alone takes seconds
NO_ROOM = {"utils", "common", "base", "helpers", "core", "misc"}

DRAWS = """
    rand randn randint randperm rand_like randn_like randint_like bernoulli multinomial poisson
    bernoulli_ cauchy_ exponential_ geometric_ log_normal_ normal_ random_ uniform_
    dropout Dropout Dropout1d Dropout2d Dropout3d torch.normal
"""
SEEDS = {"torch.manual_seed", "torch.seed", "torch.cuda.manual_seed", "seed_everything"}

SOURCES = {
    ".".join(path.relative_to(SRC).with_suffix("").parts): path.read_text()
    for path in sorted(SRC.rglob("*.py"))
}


def imports(module: str, source: str) -> Iterator[str]:
    """Dotted names of everything imported, wherever in the module; relative ones made absolute."""
    package = ["darkroom", *module.split(".")]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level] if node.level else []
            yield from (
                ".".join([*origin, *([node.module] if node.module else []), alias.name])
                for alias in node.names
            )


def wrong_arrows(module: str, source: str) -> list[str]:
    """The imports that the table does not allow."""
    row = MAY_IMPORT.get(module) or MAY_IMPORT[module.split(".")[0]]
    allowed = {name if name in FRAMEWORKS else f"darkroom.{name}" for name in row.split()}
    found = []
    for name in imports(module, source):
        first, second, *_ = *name.split("."), ""
        arrow = f"darkroom.{second}" if first == "darkroom" else first
        if (first == "darkroom" or first in FRAMEWORKS) and arrow not in allowed:
            found.append(name)
    torch = ("torch", "torchvision", "torchmetrics")
    if module.split(".")[0] in WITHOUT_TORCH:
        found += [name for name in imports(module, source) if name.split(".")[0] in torch]
    return found


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def global_randomness(source: str) -> list[str]:
    """The calls that draw from, and the imports that offer, a generator that everybody shares."""
    found = [name for name in imports("", source) if name.split(".")[0] == "random"]
    for name, call in calls(source):
        if name.startswith("nn.init."):  # initial weights, whose seed `initialisation` sets
            continue
        draws = not {name, name.rpartition(".")[2]}.isdisjoint(DRAWS.split())
        if draws and "generator" not in [keyword.arg for keyword in call.keywords]:
            found.append(name)
        if name.startswith(("np.random.", "numpy.random.")):
            found.append(name)
    return found


def seeding(source: str) -> list[str]:
    """The functions and classes that seed the generator that everybody shares."""
    return [
        getattr(statement, "name", "module")
        for statement in ast.parse(source).body
        for name, _ in calls(ast.unparse(statement))
        if name in SEEDS
    ]


def unsafe_loads(source: str) -> list[str]:
    return [
        name
        for name, call in calls(source)
        for keyword in call.keywords
        if keyword.arg == "weights_only" and getattr(keyword.value, "value", True) is False
    ]


def everywhere(check: Callable[[str], list[str]]) -> dict[str, list[str]]:
    """What a check of source text finds, by module."""
    return {module: found for module, source in SOURCES.items() if (found := check(source))}


def test_modules_import_only_what_the_table_allows() -> None:
    wrong = {module: wrong_arrows(module, source) for module, source in SOURCES.items()}
    assert {module: arrows for module, arrows in wrong.items() if arrows} == {}


def test_a_process_that_decodes_images_imports_no_framework() -> None:
    rooms = sorted(module for module in SOURCES if module.startswith("intake."))
    names = ", ".join(f"darkroom.{module.removesuffix('.__init__')}" for module in rooms)
    heavy = ("torch", "torchvision", "lightning", "hydra", "omegaconf")
    script = f"import sys, {names}; print(*sys.modules.keys() & {heavy})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == ([], "")


def test_every_row_of_the_table_is_a_room_that_exists() -> None:
    assert set(MAY_IMPORT) <= {*SOURCES, *(module.split(".")[0] for module in SOURCES)}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [module for module in SOURCES if NO_ROOM & set(module.split("."))] == []


def test_nobody_draws_from_a_global_generator() -> None:
    assert everywhere(global_randomness) == {}


def test_only_the_initial_weights_seed_the_global_generator() -> None:
    assert everywhere(seeding) == {"randomness": ["initialisation"]}


def test_no_checkpoint_may_run_code() -> None:
    assert everywhere(unsafe_loads) == {}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("networks.dcgan", "import lightning"),
        ("networks.dcgan", "import lightning.pytorch as pl"),
        ("networks.dcgan", "from lightning.pytorch import LightningModule"),
        ("networks.dcgan", "from darkroom.objectives import MinMax"),
        ("networks.dcgan", "from darkroom import systems"),
        ("networks.dcgan", "import darkroom.systems.gan"),
        ("networks.dcgan", "from ..systems import GAN"),
        ("networks.dcgan", "from .. import systems"),
        ("networks.dcgan", "if TYPE_CHECKING:\n    from omegaconf import DictConfig"),
        ("networks.dcgan", "def forward(x):\n    from darkroom import config"),
        ("data.stream", "import lightning"),
        ("intake.pack", "import torch"),
        ("intake.pack", "def images():\n    from torch.utils import data"),
        ("intake.pack", "import torchvision"),
        ("intake.pack", "import omegaconf"),
        ("intake.pack", "from darkroom.images import sides"),
        ("intake.pack", "from darkroom import randomness"),
        ("data.division", "from darkroom.intake.pack import Pack\nimport lightning"),
        ("images", "from darkroom.intake.fitting import MODES"),
        ("trainer", "import hydra"),
        ("callbacks", "from darkroom.networks import DCGANGenerator"),
        ("inspection", "from darkroom.systems import System"),
        ("inspection", "from darkroom import reports"),
        ("advice", "from darkroom.probe import probe"),
        ("advice", "from omegaconf import DictConfig"),
        ("probe", "from darkroom.inspection import Inspection"),
        ("reports.page", "import lightning"),
        ("reports.preparation", "from darkroom import verbs"),
        ("data.own", "from darkroom.inspection import Inspection"),
        ("verbs", "from hydra.utils import instantiate"),
        ("config", "from darkroom import verbs"),
    ],
)
def test_a_planted_import_is_found(module: str, source: str) -> None:
    assert wrong_arrows(module, source) != []


@pytest.mark.parametrize(
    "source",
    [
        "torch.randn(3)",
        "torch.randn_like(images)",
        "from torch import randn\nrandn(3)",
        "torch.normal(0, 1, (3,))",
        "images.uniform_(0, 1)",
        "nn.Dropout(0.5)",
        "import random",
        "from random import shuffle",
        "np.random.default_rng(0)",
    ],
)
def test_a_planted_global_draw_is_found(source: str) -> None:
    assert global_randomness(source) != []


def test_a_planted_unsafe_load_is_found() -> None:
    assert unsafe_loads("torch.load(path, weights_only=False)") == ["torch.load"]
