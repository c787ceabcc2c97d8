"""A signature read from source is the one that Python would see, and reading it imports nothing."""

import ast
import importlib
import inspect
import subprocess
import sys
from typing import Any

import pytest
from omegaconf import OmegaConf

from darkroom.cli import CONF
from darkroom.config import ALLOWED
from darkroom.signatures import accepts, signature_of


def targets_in(node: Any) -> set[str]:
    """Every _target_ anywhere in a tree of plain values."""
    if isinstance(node, dict):
        here = {node["_target_"]} if "_target_" in node else set()
        return here.union(*map(targets_in, node.values()))
    return set().union(*map(targets_in, node)) if isinstance(node, list) else set()


def targets_of_conf() -> list[str]:
    trees = [dict(OmegaConf.to_container(OmegaConf.load(path))) for path in CONF.rglob("*.yaml")]
    for tree in trees:
        tree.pop("hydra", None)  # that part Hydra itself builds
    return sorted(set().union(*map(targets_in, trees)))


def runtime_parameters(cls: type) -> dict[str, bool]:
    """What a class takes, and whether it must be given; **options add the parents' arguments."""
    taken: dict[str, bool] = {}
    for parent in cls.__mro__:
        if "__init__" not in vars(parent) or parent is object:
            continue
        parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                taken.setdefault(parameter.name, parameter.default is parameter.empty)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return taken


def classes_of_darkroom() -> list[str]:
    """Every class of ours that a config may name."""
    return [
        f"{name}.{cls.__name__}"
        for name in sorted({module for modules in ALLOWED.values() for module in modules})
        if name.startswith("darkroom.")
        for _, cls in inspect.getmembers(importlib.import_module(name), inspect.isclass)
        if cls.__module__.startswith(name) and not getattr(cls, "_is_protocol", False)
    ]


@pytest.mark.parametrize(
    "target", sorted({*targets_of_conf(), *classes_of_darkroom(), "torch.optim.SGD"})
)
def test_the_source_tells_the_same_arguments_as_the_class_itself(target: str) -> None:
    module, _, name = target.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    signature = signature_of(target)
    static = {name: parameter.required for name, parameter in signature.parameters.items()}
    assert static == runtime_parameters(cls)
    assert not signature.is_open


@pytest.mark.parametrize(
    ("target", "home"),
    [
        ("darkroom.networks.DCGANGenerator", "darkroom.networks.dcgan"),
        ("torch.optim.Adam", "torch.optim.adam"),
        ("torch.nn.Linear", "torch.nn.modules.linear"),  # from ... import *
        ("darkroom.checkpoint.Path", "pathlib"),
        ("darkroom.data.datamodule.DataLoader", "torch.utils.data.dataloader"),
    ],
)
def test_a_class_is_found_at_home_through_its_reexports(target: str, home: str) -> None:
    assert signature_of(target).home == home


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("darkroom.trainer.Trainer", {"max_images", "precision"}),  # own, lightning.Trainer's
        ("darkroom.data.Folder", {"root", "batch_size"}),  # own, ImageData's
        ("darkroom.data.Digits", {"batch_size"}),  # no __init__ of its own
    ],
)
def test_the_arguments_of_parent_classes_count(target: str, names: set[str]) -> None:
    assert names <= set(signature_of(target).parameters)


def test_a_dataclass_takes_its_fields() -> None:
    taken = signature_of("darkroom.networks.Inference").parameters
    required = {name for name, parameter in taken.items() if parameter.required}
    assert set(taken) == {"parameters", "latents", "rates", "log_ratios", "auxiliary"}
    assert required == {"parameters", "latents", "rates", "log_ratios"}


@pytest.mark.parametrize(
    "target",
    [
        "darkroom.networks.DCGANGenerater",
        "darkroom.nowhere.DCGANGenerator",
        "darkroom.networks",
        "darkroom.objectives.bits_per_dim",  # a function
        "darkroom.networks.DCGANGenerator.forward",
        "torch.nn.functional",  # torch.nn imports it from itself
        "torch.hub.load",
        "os.system",
        "builtins.eval",  # no Python source
        "None",
        ".",
        "",
    ],
)
def test_what_is_no_class_is_not_found(target: str) -> None:
    with pytest.raises(LookupError):
        signature_of(target)


def test_reading_signatures_imports_nothing_of_what_they_name() -> None:
    script = (
        "import sys; from darkroom.signatures import signature_of;"
        f"[signature_of(target) for target in {targets_of_conf()}];"
        "print({'torch', 'lightning', 'darkroom.data', 'darkroom.networks'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


OBJECT = {"_target_": "darkroom.data.Digits"}


@pytest.mark.parametrize(
    ("annotation", "fitting", "not_fitting"),
    [
        ("int", [3, 0, -1], [True, 1.5, "3", None, [3]]),
        ("float", [3, 1.5], [True, "1.5", None, [1.5]]),
        ("bool", [True, False], [1, "true", None]),
        ("str", ["", "auto"], [3, None, ["auto"]]),
        ("Path", ["~/sprites"], [3, None]),
        ("None", [None], [0, ""]),
        ("int | None", [3, None], ["none", 1.5]),
        ("Optional[int]", [3, None], ["none"]),
        ("Union[int, str]", [3, "auto"], [None, 1.5]),
        ("typing.Union[list[int], str, int]", [[0, 1], "auto", 2], [None]),
        ("Literal['a', 'b']", ["a", "b"], ["c", "", 3, None, ["a"], "Literal"]),
        ("typing.Literal[1, None]", [1, None], [True, 1.0, "1", 0]),
        ("Literal['auto']", ["auto"], ["Auto", "auto "]),
        ("Literal['crop', 'pad', 'stretch']", ["crop", "pad", "stretch"], ["fit", 1]),
        ("tuple[float, float]", [[0.5, 0.999]], [0.5, "0.5"]),
        ("int | Sequence[int]", [64, [48, 64]], ["64", "auto", 64.0, True, [48, 1.5], ["48"]]),
        (
            "int | Sequence[int] | Literal['auto']",
            [64, [48, 64], "auto"],
            ["64", "a", 64.0, None, ["auto"]],
        ),
        ("list[list[int]]", [[[1], []]], [[1], [["a"]]]),
        ("Sequence[Augmentation]", [[], [OBJECT]], [3, "flip", None, ["flip"], [{"p": 1}]]),
        ("dict[str, int]", [{}], [[], "a"]),
        ("'int | None'", [3, None], ["3"]),
        ("Any", [3, "a", None, [1]], []),
        ("nn.Module", [OBJECT], [3, "dcgan", True, None, {}, [1], []]),  # a class wants an object
        ("float | Schedule", [3, 0.5, OBJECT], ["a", None, {"start": 1}]),
        ("Mapping[str, Penalty | None] | None", [{}, {"r1": OBJECT}, None], [3]),
        ("_PRECISION_INPUT", [3, "a"], []),  # unknown, so it is left to the constructor
    ],
)
def test_plain_values_are_told_by_the_annotation(
    annotation: str, fitting: list[Any], not_fitting: list[Any]
) -> None:
    parsed = ast.parse(annotation, mode="eval").body
    assert [value for value in fitting if not accepts(parsed, value)] == []
    assert [value for value in not_fitting if accepts(parsed, value)] == []


def test_without_an_annotation_everything_fits() -> None:
    assert accepts(None, object())
