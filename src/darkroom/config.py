"""The only door to Hydra: the root schemas, the check of a composed config, and what builds it.

A config can come from a stranger: inside a checkpoint, or as an experiment file. So it is checked
in full before anything is built or even imported, and it can name only what the allow-list holds.
"""

import ast
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from darkroom.signatures import Signature, accepts, signature_of

ALLOWED = {
    "data": ("darkroom.data", "darkroom.augmentation"),
    "model": (
        "darkroom.augmentation",
        "darkroom.networks",
        "darkroom.objectives",
        "darkroom.priors",
        "darkroom.schedules",
        "darkroom.systems",
        "torch.nn",
        "torch.optim",
    ),
    "trainer": ("darkroom.trainer", "lightning.pytorch.profilers"),
    "logger": ("darkroom.loggers", "lightning.pytorch.loggers"),
    "callbacks": (
        "darkroom.callbacks",
        "darkroom.metrics",
        "darkroom.sampling",
        "darkroom.schedules",
        "lightning.pytorch.callbacks",
    ),
    "features": ("darkroom.metrics",),
    "draw": ("darkroom.sampling",),
    "to": (
        "darkroom.bulk",
        "darkroom.destinations",
        "darkroom.exporting",
    ),
}
"""Modules whose classes each part of a config may be made of. Functions never are.

Of darkroom, all below a module counts; of others, what the module itself offers: deeper down,
Lightning has classes that delete files when they are built. A model that came in a checkpoint is
made of nothing that reads or writes.
"""

RESERVED = {"_target_", "_partial_"}

REFERENCE = re.compile(r"\$\{(\w[\w.\[\]-]*)\}")
"""What a value may refer to: another option by its whole name. A function could read secrets."""

LARGEST = 1 << 20
"""Characters of a config with all that it refers to; those of real runs have some thousand."""

DEEPEST = 32
"""How deep a config's lists and mappings lie within one another, at most."""

AUTOMATIC = {"data.resolution": 64, "data.channels": 3, "data.num_classes": 2}
"""What the data settle if it is `auto`, each with a number that could come out."""


@dataclass
class TrainConfig:
    """What train.py takes at the root.

    Attributes:
        seed: Everything random is a function of it.
        data: A LightningDataModule.
        model: A system.
        trainer: Lightning's Trainer.
        logger: Loggers by name.
        callbacks: Callbacks by name.
        class_names: The classes that the model is told of; set by train.py.
        init_from: Folder of a run, or one of its checkpoints, whose weights a new run begins with.
        resume: Folder of a run to continue.
        run_dir: Folder of this run; set by train.py.
        resumed_at: Images seen when it was resumed; set by train.py.
    """

    seed: int = 0
    data: Any = MISSING
    model: Any = MISSING
    trainer: Any = MISSING
    logger: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    class_names: list[str] = field(default_factory=list)
    init_from: str | None = None
    resume: str | None = None
    run_dir: str = "."
    resumed_at: int = 0


@dataclass
class Provenance:
    """How images are signed as Content Credentials.

    Attributes:
        certificate: A PEM file: the signer's certificate, and those between it and a root.
        key: Its private key, a PEM file without a password.
        timestamp: Address of an authority that says when; by default none is asked.
    """

    certificate: str | None = None
    key: str | None = None
    timestamp: str | None = None


@dataclass
class SampleConfig:
    """What sample.py takes at the root.

    Attributes:
        run: Folder of a run.
        checkpoint: last or best.
        draw: What to draw.
        n: How many: short for draw.n.
        to: What many images become, instead of a grid and single files.
        prior: Where a VAE's latents come from: learned, or standard for N(0, I).
        label: The class to draw, by its name or its number.
        images: A folder or .zip of images to rebuild, to invert or to change, instead of held-out
            ones.
        folder: Folder for the images; within the run's folder if it is not given.
        batch_size: Images computed at once.
        device: cpu, cuda, mps; auto takes the best there is.
        workers: Processes that draw many images, spread over the devices; auto: one a core, where
            there is enough for each.
        provenance: How images are signed; by default they are not.
    """

    run: str = MISSING
    checkpoint: str = "last"
    draw: Any = MISSING
    n: int | None = None
    to: Any = None
    prior: str = "learned"
    label: int | str | None = None
    images: str | None = None
    folder: str | None = None
    batch_size: int = 64
    device: str = "auto"
    workers: int | str = "auto"
    provenance: Provenance = field(default_factory=Provenance)


@dataclass
class ScoreConfig:
    """What score.py takes at the root.

    Attributes:
        run: Folder of a VAE's run.
        checkpoint: last or best.
        images: A folder or .zip of images, instead of the run's own.
        split: The part that is scored: training, held_out or test. By default all images that are
            given, and of a run's own the held-out ones.
        normal: Name of the class that is normal; the others are what should be found.
        by: What images are ranked by: distortion, bound, rate, complexity or excess.
        importance: Samples of the posterior for the bound; from 2 on it is importance-weighted.
        shown: How many of the most unusual images are shown, and of the least.
        folder: Folder for the results; within the run's folder if it is not given.
        batch_size: Images computed at once.
        device: cpu, cuda, mps; auto takes the best there is.
    """

    run: str = MISSING
    checkpoint: str = "last"
    images: str | None = None
    split: str | None = None
    normal: str | int | None = None
    by: str = "bound"
    importance: int = 1
    shown: int = 16
    folder: str | None = None
    batch_size: int = 64
    device: str = "auto"


@dataclass
class VerifyConfig:
    """What verify.py takes at the root.

    Attributes:
        images: PNG files, and folders of them; words without a name= are these.
        run: Folder of the run that they claim to be from; by default it is looked for below
            outputs/.
        given: The images or latents that a drawing was given.
        trust: A PEM file of certificates whose word on signers is taken.
        device: cpu, cuda, mps; auto takes the kind that drew an image, if it is here.
        certificate: Folder for a new test certificate, instead of verifying anything.
    """

    images: list[str] = field(default_factory=list)
    run: str | None = None
    given: str | None = None
    trust: str | None = None
    device: str = "auto"
    certificate: str | None = None


@dataclass
class PrepareConfig:
    """What prepare.py takes at the root.

    Attributes:
        data: A data module of encoded files.
        model: The system to recommend a command for.
        trainer: Lightning's Trainer; schedules of the model follow its budget.
        seed: The seed for the command that is recommended.
        to: What to prepare for.
        shards: Folder for the shards; data/shards/<name> if it is not given.
        probe: Seconds of trial training for the estimate; 0 for none.
        run_dir: Folder of the report; set by prepare.py.
    """

    data: Any = MISSING
    model: Any = MISSING
    trainer: Any = MISSING
    seed: int = 0
    to: Any = MISSING
    shards: str | None = None
    probe: float = 5.0
    run_dir: str = "."


@dataclass
class Judging:
    """How generators are judged: what evaluate.py and compare.py share at the root.

    Attributes:
        features: What turns images into features.
        samples: How many images of a generator are judged.
        real: With how many real images they are compared at most.
        searched: Among how many training images copies are looked for at most.
        split: With which part of the data: training, held_out or test.
        first_seed: The seed of the first sample.
        prior: Where a VAE's latents come from: learned, or standard for N(0, I).
        importance: Samples of the posterior for each importance-weighted bound of a latent model.
        bounded: Held-out images that these bounds are measured on.
        cache: Folder for features of real images and for classifiers.
        batch_size: Samples computed at once.
        device: cpu, cuda, mps; auto takes the best there is.
        folder: Folder for the report.
        run_dir: The same if it is not given; set by the command.
    """

    features: Any = MISSING
    samples: int = 10_000
    real: int = 20_000
    searched: int = 100_000
    split: str = "training"
    first_seed: int = 0
    prior: str = "learned"
    importance: list[int] = field(default_factory=lambda: [1, 50])
    bounded: int = 1000
    cache: str = "data/features"
    batch_size: int = 64
    device: str = "auto"
    folder: str | None = None
    run_dir: str = "."


@dataclass
class EvaluateConfig(Judging):
    """What evaluate.py takes at the root.

    Attributes:
        run: Folder of a run.
        checkpoint: last or best.
        images: A folder of images to be judged instead of a run.
        reference: The folder of real images that they are compared with.
        data: How these folders are read; for a run, what differs from its own data.
    """

    run: str | None = None
    checkpoint: str = "last"
    images: str | None = None
    reference: str | None = None
    data: Any = None


@dataclass
class CompareConfig(Judging):
    """What compare.py takes at the root.

    Attributes:
        runs: Folders of runs.
        sweep: The folder of a sweep, instead of runs.
        checkpoint: last or best.
    """

    runs: list[str] = field(default_factory=list)
    sweep: str | None = None
    checkpoint: str = "last"


@dataclass
class DemoConfig:
    """What demo.py takes at the root.

    Attributes:
        run: Folder of a run.
        runs: Folders of several runs, to be seen side by side.
        checkpoint: last or best.
        port: Where the page is, on this machine; 0 for any free port.
        provenance: How PNG files that are taken away are signed; by default they are not.
        batch_size: Images computed at once.
        device: cpu, cuda, mps; auto takes the best there is.
    """

    run: str | None = None
    runs: list[str] = field(default_factory=list)
    checkpoint: str = "last"
    port: int = 7860
    provenance: Provenance = field(default_factory=Provenance)
    batch_size: int = 64
    device: str = "auto"


@dataclass
class ExportConfig:
    """What export.py takes at the root.

    Attributes:
        run: Folder of a run.
        checkpoint: last or best.
        to: What is written.
        folder: Folder for it; within the run's folder if it is not given.
    """

    run: str = MISSING
    checkpoint: str = "last"
    to: Any = MISSING
    folder: str | None = None


SCHEMAS = {
    "train": TrainConfig,
    "sample": SampleConfig,
    "score": ScoreConfig,
    "verify": VerifyConfig,
    "prepare": PrepareConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "export": ExportConfig,
    "demo": DemoConfig,
}
for verb, schema in SCHEMAS.items():
    ConfigStore.instance().store(name=f"{verb}_schema", node=schema)


def parse(text: Any) -> DictConfig:
    """A train config out of its YAML text, against the schema.

    Args:
        text: Whatever a checkpoint holds in the place of a config.

    Raises:
        ValueError: If it is no YAML, does not fit the schema or would fill the memory.
    """
    try:
        _refuse_bomb(text)
        merged = OmegaConf.merge(OmegaConf.structured(TrainConfig), OmegaConf.create(text))
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ValueError(f"The config cannot be read: {error}") from error
    assert isinstance(merged, DictConfig), "the schema is a mapping"
    return merged


def _refuse_bomb(text: Any) -> None:
    """Nine lines of YAML can stand for gigabytes, or for a depth that ends the interpreter.

    Raises:
        ValueError: If these do.
    """
    if not isinstance(text, str) or len(text) > LARGEST:
        raise ValueError(f"it is no text of at most {LARGEST:,} characters")
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it repeats itself by *{event.anchor}, which no config here does")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"its lists and mappings lie more than {DEEPEST} deep")


def check(config: DictConfig) -> None:
    """Refuses a composed config that cannot be built.

    Raises:
        ValueError: With every problem and what to type instead.
    """
    found = problems(config)
    if found:
        raise ValueError("\n  ".join(["The config has problems:", *found]))


def problems(config: DictConfig) -> list[str]:
    """Everything that is wrong with a composed config, without importing what it names."""
    strange = _problems_of_references(config)
    if strange:  # nothing is put in for them
        return strange
    try:
        typed = OmegaConf.to_container(config, resolve=True)
        tree = OmegaConf.to_container(_settled(config), resolve=True)
    except OmegaConfBaseException as error:
        return [f"{error.full_key}: {str(error).splitlines()[0]}."]
    assert isinstance(tree, dict), "a config is a mapping"
    assert isinstance(typed, dict), "likewise"
    schema = OmegaConf.get_type(config)
    assert isinstance(schema, type), "a config has the schema of a verb"
    options = {f.name: f.type for f in fields(schema)}
    optional = {f.name for f in fields(schema) if f.default is None}
    missing = sorted(OmegaConf.missing_keys(config))
    found = [f"{name} is not set. Type {name}=<value>." for name in missing]
    found += [_unknown("", str(key), list(options)) for key in tree if key not in options]
    for name, kind in options.items():
        value = (typed if name == "data" else tree)[name]
        if name in ("logger", "callbacks"):
            for key, node in value.items():
                if node is not None:  # `callbacks.samples: null` leaves one out
                    found += _problems_of_object(f"{name}.{key}", node)
        elif is_dataclass(kind):
            known = [f.name for f in fields(kind)]
            found += [_unknown(f"{name}.", str(key), known) for key in value if key not in known]
        elif kind is Any and value != MISSING and not (value is None and name in optional):
            found += _problems_of_object(name, value)
    return found


def _problems_of_references(config: DictConfig) -> list[str]:
    """What `${...}` may not be: a function, the name of a class, a circle, or a bomb."""
    tree = OmegaConf.to_container(config)
    found = []
    for path, value in _texts(tree):
        if "${" in REFERENCE.sub("", value):
            found.append(
                f"{path}={value}: only other options can be referred to, as in ${{seed}}, and no "
                "functions. Type the value itself."
            )
        elif "${" in value and path.endswith("_target_"):  # it could change after the check
            found.append(f"{path}={value}: a class has to be named, not referred to.")
    if not found and _length(tree, tree, {}) > LARGEST:
        found.append("What the config's ${...} refer to leads back to itself, or fills the memory.")
    return found


def _texts(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """All texts, each with where it stands."""
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, below in node.items():
            yield from _texts(below, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for place, below in enumerate(node):
            yield from _texts(below, f"{path}[{place}]")


def _length(tree: Any, node: Any, known: dict[str, float]) -> float:
    """How long a node is with all that it refers to.

    Args:
        tree: The whole config.
        node: A part of it.
        known: The lengths of what was referred to before.
    """
    if isinstance(node, dict):
        return sum(1 + _length(tree, below, known) for below in node.values())
    if isinstance(node, list):
        return sum(1 + _length(tree, below, known) for below in node)
    if not isinstance(node, str):
        return 1
    length: float = len(node)
    for name in REFERENCE.findall(node):
        if name not in known:
            known[name] = math.inf  # for what leads back to it
            known[name] = _length(tree, _at(tree, name), known)
        length += known[name]
    return length


def _at(tree: Any, name: str) -> Any:
    """The part of a config by its dotted name; None if there is none."""
    for key in re.findall(r"[\w-]+", name):
        if isinstance(tree, list):
            tree = tree[int(key)] if key.isdecimal() and int(key) < len(tree) else None
        else:
            tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _settled(config: DictConfig) -> DictConfig:
    """As the data will settle what is `auto`, so that what refers to it can be checked."""
    settled = config.copy()
    for option, any_number in AUTOMATIC.items():
        if OmegaConf.select(config, option) == "auto":
            OmegaConf.update(settled, option, any_number)
    if isinstance(OmegaConf.select(config, "label"), str):  # a name, which the run gives a number
        settled.label = 0
    return settled


def spelt(text: str) -> str:
    """A text as the value of an override, in quotes where Hydra's grammar wants them."""
    plain = re.fullmatch(r"[A-Za-z_/][A-Za-z0-9_./-]*", text)
    return text if plain else QuotedString(text, Quote.single).with_quotes()


def build(node: DictConfig, **given: Any) -> Any:
    """Builds what a checked node describes; `given` are further arguments.

    Raises:
        ValueError: What the constructor of one of the parts said.
    """
    try:
        return instantiate(node, _convert_="all", **given)
    except InstantiationException as error:
        if isinstance(error.__cause__, ValueError):
            raise error.__cause__ from None
        # a type that no annotation tells, or sizes that the memory has no room for
        said = f"{error.__cause__ or error}".splitlines()[0]
        raise ValueError(f"{node._target_} cannot be built: {said}") from error


def _problems_of_object(path: str, node: Any) -> list[str]:
    if not isinstance(node, dict) or "_target_" not in node:
        return [f"{path} has to be an object with a _target_, not {node!r}."]
    target = node["_target_"]
    try:
        signature = signature_of(str(target))
    except (LookupError, SyntaxError):
        return [f"{path}._target_={target} is no known class. Is it spelt right?"]
    part = path.partition(".")[0]
    if not _is_allowed(str(target), signature.home, ALLOWED[part]):
        return [
            f"{path}._target_={target} is not allowed: {part} may be made only of classes of "
            f"{', '.join(ALLOWED[part])}."
        ]
    found = _problems_of_arguments(path, node, signature)
    for key, value in node.items():
        found += _problems_of_value(f"{path}.{key}", value)
    return found


def _is_allowed(target: str, home: str, modules: Sequence[str]) -> bool:
    """Whether a class that is named so, and defined there, is one of these modules'."""
    offered = target.startswith("darkroom.") or target.rpartition(".")[0] in modules
    return offered and all(
        any(f"{name}.".startswith(f"{module}.") for module in modules) for name in (target, home)
    )


def _problems_of_arguments(path: str, node: dict[str, Any], signature: Signature) -> list[str]:
    found = []
    taken = signature.parameters
    for key, value in node.items():
        if key in RESERVED:
            continue
        if key not in taken:
            if not signature.is_open or key.startswith("_"):  # Hydra's `_args_` and the like
                found.append(_unknown(f"{path}.", key, list(taken)))
        elif value != MISSING and not _fits(value, taken[key].annotation):
            expected = taken[key].annotation
            assert expected is not None, "without an annotation everything is accepted"
            hint = " without a _target_" if isinstance(value, dict) else ""
            found.append(f"{path}.{key}: expected {ast.unparse(expected)}, got {value!r}{hint}.")
    if not node.get("_partial_"):
        found += [
            f"{path} needs {name!r}. Type {path}.{name}=<value>."
            for name, parameter in taken.items()
            if parameter.required and name not in node
        ]
    return found


def _fits(value: Any, annotation: ast.expr | None) -> bool:
    return (isinstance(value, dict) and "_target_" in value) or accepts(annotation, value)


def _problems_of_value(path: str, value: Any) -> list[str]:
    """Objects may stand anywhere below: as an argument, or in a list of arguments."""
    if isinstance(value, dict):
        if "_target_" in value:
            return _problems_of_object(path, value)
        return [
            p for key, below in value.items() for p in _problems_of_value(f"{path}.{key}", below)
        ]
    if isinstance(value, list):
        return [
            p for k, below in enumerate(value) for p in _problems_of_value(f"{path}[{k}]", below)
        ]
    return []


def _unknown(prefix: str, key: str, options: list[str]) -> str:
    owner = prefix.rstrip(".") or "the root"
    close = get_close_matches(key, options, n=1)
    remedy = f"Did you mean {close[0]!r}?" if close else f"It takes: {', '.join(sorted(options))}."
    return f"{owner} takes no {key!r}. {remedy}"
