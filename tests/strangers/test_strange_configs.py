"""A config that came in a checkpoint: nothing that it names, reads or weighs gets in.

Each attack leaves a trace if it succeeds.
"""

import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import hydra.utils
import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from darkroom import checkpoint, config, randomness
from tests.composed import composed
from tests.strangers.traps import Trap

NARROW = ("model.generator.width=2", "model.discriminator.width=2")


@pytest.fixture(scope="module")
def harmless() -> DictConfig:
    return composed("train", "experiment=smoke", *NARROW)


@pytest.fixture(scope="module")
def weights(harmless: DictConfig) -> dict[str, Any]:
    with randomness.initialisation(3):
        return config.build(harmless.model).state_dict()


@pytest.fixture
def enter(weights: dict[str, Any], tmp_path: Path) -> Any:
    """Loads a checkpoint with a config of that text, as every verb does."""

    def load(text: str) -> checkpoint.SavedRun:
        content = {"config": text, "state_dict": weights, "images_seen": 48}
        path = tmp_path / "run" / "checkpoints" / "last.ckpt"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path)
        return checkpoint.load(tmp_path / "run")

    return load


def with_node(tree: DictConfig, place: str, node: Any) -> str:
    changed = deepcopy(tree)
    OmegaConf.update(changed, place, node, force_add=True)
    return OmegaConf.to_yaml(changed)


def test_a_harmless_config_gets_in(enter: Any, harmless: DictConfig) -> None:
    assert enter(OmegaConf.to_yaml(harmless)).images_seen == 48


# --- what a config may name


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What is not there as long as no attack succeeds."""
    return tmp_path / "trace"


@pytest.fixture
def prey(tmp_path: Path) -> Path:
    """What is there as long as no attack succeeds."""
    path = tmp_path / "prey" / "metrics.csv"
    path.parent.mkdir()
    path.write_text("precious")
    return path


@pytest.fixture
def attacks(trace: Path, prey: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """What each target does to trace or prey if it is built."""
    pickled, array = tmp_path / "evil.pt", tmp_path / "evil.npy"
    torch.save({"weights": Trap(trace)}, pickled)
    np.save(array, np.array([Trap(trace)], dtype=object), allow_pickle=True)
    (tmp_path / "hubconf.py").write_text(f"open({str(trace)!r}, 'w')\ndef entry(): ...\n")
    code = f"open({str(trace)!r}, 'w')"
    return {
        "os.system": {"command": f"touch {trace}"},
        "subprocess.run": {"args": ["touch", str(trace)]},
        "builtins.open": {"file": str(trace), "mode": "w"},
        "builtins.eval": {"_args_": [code]},
        "builtins.exec": {"_args_": [code]},
        "pathlib.Path.touch": {"self": {"_target_": "pathlib.Path", "_args_": [str(trace)]}},
        "pathlib.Path.write_text": {
            "self": {"_target_": "pathlib.Path", "_args_": [str(trace)]},
            "data": "x",
        },
        "pathlib.Path.unlink": {"self": {"_target_": "pathlib.Path", "_args_": [str(prey)]}},
        "os.remove": {"path": str(prey)},
        "shutil.rmtree": {"path": str(prey.parent)},
        "runpy.run_path": {"path_name": str(tmp_path / "hubconf.py")},
        "pickle.load": {"file": {"_target_": "builtins.open", "_args_": [str(pickled), "rb"]}},
        "joblib.load": {"filename": str(pickled)},
        "torch.load": {"f": str(pickled), "weights_only": False},
        "torch.serialization.load": {"f": str(pickled), "weights_only": False},
        "torch.hub.load": {"repo_or_dir": str(tmp_path), "model": "entry", "source": "local"},
        "numpy.load": {"file": str(array), "allow_pickle": True},
        "lightning.fabric.utilities.cloud_io._load": {
            "path_or_url": str(pickled),
            "weights_only": False,
        },
        "hydra.utils.instantiate": {"config": {"_target_": "os.system", "command": "true"}},
        "hydra.utils.get_method": {"path": "os.system"},
        # what modules of the allow-list import, or do
        "darkroom.systems.gan.torch.load": {"f": str(pickled), "weights_only": False},
        "darkroom.data.own.Path": {"_args_": [str(trace)]},
        "darkroom.data.own.Path.touch": {"self": {"_target_": "darkroom.data.own.Path"}},
        "darkroom.checkpoint.torch.load": {"f": str(pickled), "weights_only": False},
        "torch.nn.functional.torch.load": {"f": str(pickled), "weights_only": False},
        "torch.nn.modules.module.torch.load": {"f": str(pickled), "weights_only": False},
        "torch.nn.init.normal_": {"tensor": 1},
        # classes that delete or write when they are built
        "lightning.pytorch.loggers.csv_logs.ExperimentWriter": {"log_dir": str(prey.parent)},
        "lightning.fabric.loggers.csv_logs._ExperimentWriter": {"log_dir": str(prey.parent)},
        "torch.utils.tensorboard.SummaryWriter": {"log_dir": str(trace)},
        "tensorboard.summary.Writer": {"path": str(trace)},
    }


HARMFUL = ("torch.load", "numpy.load", "pathlib.Path.touch", "builtins.open", "torch.hub.load")


@pytest.mark.parametrize("target", HARMFUL)
def test_the_traps_are_real(target: str, attacks: dict[str, dict[str, Any]], trace: Path) -> None:
    built = hydra.utils.instantiate({"_target_": target, **attacks[target]}, _convert_="all")
    if hasattr(built, "close"):
        built.close()
    assert trace.exists()


def test_a_class_that_deletes_when_it_is_built_is_real(
    attacks: dict[str, dict[str, Any]], prey: Path
) -> None:
    target = "lightning.pytorch.loggers.csv_logs.ExperimentWriter"
    with pytest.warns(match="will be deleted"):
        hydra.utils.instantiate({"_target_": target, **attacks[target]})
    assert not prey.exists()


def placed(node: dict[str, Any]) -> list[dict[str, Any]]:
    """Where an attack can stand, and how; what cannot stand in one config is in two."""
    hidden = {"_target_": "darkroom.objectives.NonSaturating"}
    return [
        {"model": node, "data": node, "trainer": node},
        {
            "model.objective": node,
            "model.generator_optimizer": node | {"_partial_": True},
            "model.discriminator_optimizer.lr": node,
            "model.penalties": {"r1": {"_target_": "darkroom.objectives.R1", "weight": node}},
            "model.discriminator": node | {"_convert_": "object", "_recursive_": False},
            "model.half_life": hidden | {"_args_": [node]},
            "model.generator.activation": [[{"deep": [node]}]],
            "data.augmentation": [node],
            "trainer.profiler": node,
            "trainer.plugins": [{"below": node}],
            "callbacks.mine": node,
            "logger.mine": node,
        },
    ]


@pytest.mark.promise(
    "a config inside a checkpoint names a function or class that runs, writes or deletes",
    "it is refused by name; nothing of it is imported or built",
)
def test_nothing_but_parts_of_a_run_can_be_named(
    attacks: dict[str, dict[str, Any]],
    enter: Any,
    harmless: DictConfig,
    trace: Path,
    prey: Path,
) -> None:
    for target, arguments in attacks.items():
        node = {"_target_": target, **arguments}
        for places in placed(node):
            tree = deepcopy(harmless)
            for place, attack in places.items():
                OmegaConf.update(tree, place, attack, force_add=True, merge=False)
            with pytest.raises(ValueError, match="The config has problems") as refused:
                enter(OmegaConf.to_yaml(tree))
            said = str(refused.value)
            for place in places:
                name = re.escape(f"_target_={target}")
                refusal = rf"\n  {place}[^ ]*{name} is (not allowed|no known class)"
                assert re.search(refusal, said), (place, target, said)
    assert not trace.exists()
    assert prey.read_text() == "precious"


@pytest.mark.promise(
    "a model inside a checkpoint is said to be made of a logger, a callback, data or metrics",
    "it is refused: each part of a config has classes of its own",
)
@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("model.generator", "lightning.pytorch.loggers.CSVLogger"),
        ("model.generator", "lightning.pytorch.callbacks.ModelCheckpoint"),
        ("model.generator", "lightning.pytorch.profilers.AdvancedProfiler"),
        ("model.generator", "darkroom.loggers.TensorBoard"),
        ("model.generator", "darkroom.callbacks.SampleGrid"),
        ("model.generator", "darkroom.data.HuggingFace"),
        ("model.generator", "darkroom.metrics.features.DINOv2"),
        ("model", "darkroom.trainer.Trainer"),
        ("data", "darkroom.systems.GAN"),
        ("data.augmentation", "lightning.pytorch.loggers.CSVLogger"),
        ("logger.mine", "darkroom.data.Digits"),
        ("callbacks.mine", "darkroom.trainer.Trainer"),
        ("trainer.profiler", "lightning.pytorch.loggers.CSVLogger"),
    ],
)
def test_each_part_of_a_config_has_classes_of_its_own(
    place: str, target: str, harmless: DictConfig
) -> None:
    node: Any = {"_target_": target}
    listed = [node] if place.endswith("augmentation") else node
    text = with_node(harmless, place, listed)
    with pytest.raises(ValueError, match=rf"_target_={target} is (not allowed|no known class)"):
        config.check(config.parse(text))


@pytest.mark.parametrize("key", ["_args_", "_convert_", "_recursive_", "_mode_"])
@pytest.mark.parametrize("place", ["model.objective", "trainer"])
def test_hydras_own_arguments_are_none_of_ours(key: str, place: str, harmless: DictConfig) -> None:
    text = with_node(harmless, f"{place}.{key}", "all")
    with pytest.raises(ValueError, match=f"{place} takes no '{key}'"):
        config.check(config.parse(text))


# --- what a config may read


@pytest.mark.promise(
    "a config reads an environment variable, or calls another resolver",
    "it is refused before the value is looked up",
)
@pytest.mark.parametrize(
    "value",
    [
        "${oc.env:SECRET}",
        "${oc.env:SECRET,none}",
        "s3://mine/${oc.env:SECRET}",
        "${oc.decode:'${oc.env:SECRET}'}",
        "${oc.create:'${oc.env:SECRET}'}",
        "${oc.select:run_dir}",
        "${oc.dict.values:data}",
        "${oc.deprecated:seed}",
        "${hydra:runtime.cwd}",
        "${now:%Y}",
        "${${init_from}:SECRET}",
        "${ oc.env:SECRET }",
        "${..run_dir}",
    ],
)
def test_a_config_reads_nothing_of_the_machine(
    value: str, harmless: DictConfig, enter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    tree = deepcopy(harmless)
    tree.init_from = "oc.env"
    with pytest.raises(ValueError, match="only other options can be referred to") as refused:
        enter(with_node(tree, "run_dir", value))
    assert "s3cret" not in str(refused.value)


def test_a_class_cannot_be_another_one_after_the_check(harmless: DictConfig) -> None:
    """train.py writes the classes' names, which are a stranger's folders, into the config."""
    tree = deepcopy(harmless)
    tree.class_names = ["darkroom.objectives.NonSaturating"]
    text = with_node(tree, "model.objective._target_", "${class_names.0}")
    with pytest.raises(ValueError, match="a class has to be named, not referred to"):
        config.check(config.parse(text))


# --- what a config may weigh

ALIASES = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{after}: &{after} [{','.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
REFERENCES = ["x", *(f"${{class_names.{k}}}${{class_names.{k}}}" for k in range(60))]
CIRCLE = ["${class_names.1}", "${class_names.0}"]


@pytest.mark.promise(
    "a config of a few lines that stands for gigabytes, or for a depth without end",
    "it is refused at once",
)
@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (ALIASES, r"it repeats itself by \*a"),
        ("run_dir: " + "[" * 100_000, "more than 32 deep"),
        ("class_names: " + "[" * 5000 + "]" * 5000, "more than 32 deep"),
        ("data: " + "{a: " * 900 + "1" + "}" * 900, "more than 32 deep"),
        ("seed: 1\n" + "#" * (1 << 20), "no text of at most 1,048,576 characters"),
        (f"class_names: {REFERENCES}", "leads back to itself, or fills the memory"),
        (f"class_names: {CIRCLE}", "leads back to itself, or fills the memory"),
        ("run_dir: ${run_dir}", "leads back to itself, or fills the memory"),
        ("seed: " + "9" * 100_000, "The config cannot be read"),
        ("x: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("x: !!python/name:os.system", "could not determine a constructor"),
        ("seed: \x00", "The config cannot be read"),
        (b"seed: 1", "no text"),
        (17, "no text"),
        (None, "no text"),
        (["seed"], "no text"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bomb_does_not_go_off(attack: Any, said: str, enter: Any) -> None:
    with pytest.raises(ValueError, match=said):  # most would not end at all
        enter(attack)


def test_what_many_options_refer_to_is_no_bomb(harmless: DictConfig) -> None:
    text = with_node(harmless, "class_names", ["x" * 100, *["${class_names.0}"] * 1000])
    assert config.problems(config.parse(text)) == []


def test_sizes_that_no_memory_holds_are_a_refusal(harmless: DictConfig, enter: Any) -> None:
    with pytest.raises(ValueError, match=r"darkroom\.systems\.GAN cannot be built: .*memory"):
        enter(with_node(harmless, "model.generator.width", 10**9))
