"""The doors: each verb composes its config, checks it, and only then imports what takes seconds.

With config.py, and what plugs into Hydra, this is the only place that knows it.
"""

import math
import os
import re
import runpy
import sys
from collections.abc import Callable
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from darkroom import config, installation, runs

CONF = installation.HOME / "conf"
SCRIPT = installation.HOME / "train.py"
NEEDED = {"data", "model", "trainer", "logger", "callbacks", "run_dir"}  # a verb cannot do without
TAKING = {"-c", "--cfg", "-i", "--info", "-p", "--package"}  # Hydra's flags with a value
TO = {
    "prepare": "darkroom.destinations",
    "sample": "darkroom.bulk",
    "export": "darkroom.exporting",
}
"""Verbs that share the group `to`, each with the room that its own choices are made of."""

OmegaConf.register_new_resolver("typed", installation.typed, replace=True)  # for the help texts


def main() -> None:
    """Any verb, from any folder: darkroom <verb> ...

    It becomes the verb's script, so that Lightning, which starts further processes with this one's
    command line, finds a script there and no verb before the options.
    """
    verbs = _verbs()
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if verb in verbs:
        script = str(installation.HOME / f"{verb}.py")
        sys.argv[:2] = [script]
        runpy.run_path(script, run_name="__main__")
    elif verb == "--version":
        print(f"darkroom {version('darkroom')}")
    elif verb in ("--help", "-h"):
        print("darkroom <verb> <option>=<value> ..., and darkroom <verb> --help\n")
        for name, purpose in verbs.items():
            print(f"  {name:<10}{purpose}")
    else:
        close = get_close_matches(verb, verbs, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"It takes: {', '.join(verbs)}."
        print(f"darkroom takes no {verb!r}. {remedy}", file=sys.stderr)
        sys.exit(2)


def _verbs() -> dict[str, str]:
    """Whatever has a script and a door here of the same name, and what it is for."""
    return {
        name: str(door.__doc__).splitlines()[0].partition(": ")[2]
        for name, door in globals().items()
        if callable(door) and (installation.HOME / f"{name}.py").is_file()
    }


def train() -> None:
    """train.py: trains a model, or continues a run."""
    _refuse_unwritable(sys.argv[1:])
    _open("train", _train)


def sample() -> None:
    """sample.py: images of a trained model."""
    _open("sample", _sample)


def score() -> None:
    """score.py: which images look unusual to a VAE."""
    _open("score", _score)


def verify() -> None:
    """verify.py: what made an image, who signed it, and how far that is proved."""
    sys.argv[1:], images = _without_files(sys.argv[1:])
    _open("verify", partial(_verify, images))


def prepare() -> None:
    """prepare.py: inspects and packs images."""
    _refuse_unwritable(sys.argv[1:])
    _open("prepare", _prepare)


def evaluate() -> None:
    """evaluate.py: judges a generator."""
    _refuse_unwritable(sys.argv[1:])
    _open("evaluate", _evaluate)


def compare() -> None:
    """compare.py: puts runs side by side."""
    _refuse_unwritable(sys.argv[1:])
    _open("compare", _compare)


def export() -> None:
    """export.py: takes a trained model out of the house."""
    _open("export", _export)


def demo() -> None:
    """demo.py: a page to explore runs."""
    _open("demo", _demo)


def _train(composed: DictConfig) -> float | None:
    hydra_config = HydraConfig.get()
    overrides = [typed.removeprefix("++") for typed in hydra_config.overrides.task]
    if hydra_config.mode == RunMode.MULTIRUN:
        return _train_in_a_process_of_its_own(composed, overrides)

    run_dir = Path(os.path.relpath(hydra_config.runtime.output_dir))
    found = _unfinished(composed, run_dir) if composed.resume == runs.AUTO else None
    if found is not None:
        run_dir, composed = found, _resumed(found, [])
    elif composed.resume not in (None, runs.AUTO):
        run_dir = Path(composed.resume).expanduser()
        composed = _resumed(run_dir, overrides)
    composed.run_dir = str(run_dir)
    config.check(composed)

    from darkroom.verbs.train import train

    return train(composed, run_dir, overrides)


def _sample(composed: DictConfig) -> None:
    _refuse_what_others_write("sample", composed)
    if composed.n is not None:
        composed.draw.n = composed.n
    config.check(composed)

    if composed.to is None:
        from darkroom.verbs.sample import sample as draw
    else:
        from darkroom.verbs.bulk import write as draw

    draw(composed)


def _score(composed: DictConfig) -> None:
    config.check(composed)

    from darkroom.verbs.score import score

    score(composed)


def _verify(images: list[str], composed: DictConfig) -> None:
    composed.images = [*images, *composed.images]
    config.check(composed)

    from darkroom.verbs.verify import verify

    verify(composed)


def _without_files(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Arguments without the names of files, and these; Hydra is not asked to read them."""
    rest: list[str] = []
    files: list[str] = []
    for argument in arguments:
        is_option = argument.startswith("-") or (rest and rest[-1] in TAKING)
        is_value = "=" in argument and not Path(argument).exists()
        (rest if is_option or is_value else files).append(argument)
    return rest, files


def _prepare(composed: DictConfig) -> None:
    _refuse_what_others_write("prepare", composed)
    hydra_config = HydraConfig.get()
    typed = [override.removeprefix("++") for override in hydra_config.overrides.task]
    composed.run_dir = os.path.relpath(hydra_config.runtime.output_dir)
    config.check(composed)

    from darkroom.verbs.prepare import prepare

    def train_config(overrides: list[str]) -> DictConfig:
        recommended = hydra.compose("train", [*map(_open_ended, overrides)])
        config.check(recommended)
        return recommended

    prepare(composed, typed, hydra_config.runtime.choices["model"], train_config)


def _export(composed: DictConfig) -> None:
    _refuse_what_others_write("export", composed)
    config.check(composed)

    from darkroom.verbs.export import export

    export(composed, HydraConfig.get().runtime.choices["to"])


def _evaluate(composed: DictConfig) -> None:
    hydra_config = HydraConfig.get()
    typed = [override.lstrip("+") for override in hydra_config.overrides.task]
    moved = [override for override in typed if override.startswith("data.")]
    if (composed.run is None) == (composed.images is None):
        raise ValueError("Type either run=<folder of a run> or images=<folder> reference=<folder>.")
    if composed.run is not None:
        foreign = [o for o in typed if o.partition("=")[0] in ("data", "augmentation", "reference")]
        if foreign:
            raise ValueError(f"{foreign[0]}: a run is judged by its own data. Leave it out.")
        composed.data = None
    elif composed.reference is None:
        raise ValueError(f"images={composed.images}: type reference=<folder of real images> too.")
    else:
        _refuse_other_data(hydra_config.runtime.choices["data"])
        for option in ("images", "reference"):
            if not Path(composed[option]).expanduser().exists():
                raise ValueError(f"{option}={composed[option]} does not exist.")
    composed.run_dir = os.path.relpath(hydra_config.runtime.output_dir)
    config.check(composed)

    from darkroom.verbs.evaluate import evaluate, evaluate_folder

    if composed.run is not None:
        evaluate(composed, moved)
    else:
        evaluate_folder(composed)


def _refuse_other_data(data: str) -> None:
    if data != "folder":
        raise ValueError(
            f"data={data}: folders of images are read by data=folder. Leave it out; single options "
            "can be typed, such as data.resolution=64."
        )


def _compare(composed: DictConfig) -> None:
    if (not composed.runs) == (composed.sweep is None):
        raise ValueError("Type either runs='[<folder>,<folder>]' or sweep=<folder of a sweep>.")
    composed.run_dir = os.path.relpath(HydraConfig.get().runtime.output_dir)
    config.check(composed)

    from darkroom.verbs.compare import compare

    compare(composed)


def _demo(composed: DictConfig) -> None:
    if (not composed.runs) == (composed.run is None):
        raise ValueError("Type either run=<folder> or runs='[<folder>,<folder>]'.")
    config.check(composed)

    from darkroom.verbs.demo import demo

    demo(composed)


def _refuse_what_others_write(verb: str, composed: DictConfig) -> None:
    """Three verbs share the group `to`, and each has choices of its own.

    Raises:
        ValueError: If the choice is another verb's.
    """
    target = str(OmegaConf.select(composed, "to._target_"))
    others = [other for other in TO if other != verb and target.startswith(f"{TO[other]}.")]
    if not others:
        return
    own = [
        path.stem
        for path in sorted((CONF / "to").glob("*.yaml"))
        if f"_target_: {TO[verb]}." in path.read_text()
    ]
    raise ValueError(
        f"to={HydraConfig.get().runtime.choices['to']} is for {others[0]}.py. {verb}.py takes "
        f"to={', '.join(own)}."
    )


def _unfinished(composed: DictConfig, run_dir: Path) -> Path | None:
    """The newest run of this config that is not finished; further processes are told which it is.

    It lies where `hydra.run.dir` was typed, else beside the other runs of all days.
    """
    is_named = any(each.startswith("hydra.run.dir=") for each in HydraConfig.get().overrides.hydra)
    folders = [run_dir] if is_named else [*run_dir.parents[1].glob("*/*/")]
    found = runs.unfinished(folders, runs.identity(composed))
    if found is not None:
        print(f"goes on with {found}")
        sys.argv[1:] = [f"++resume={config.spelt(str(found))}"]
    return found


def _resumed(run_dir: Path, overrides: list[str]) -> DictConfig:
    """The config of the run, with what was typed beside resume= on top."""
    written = run_dir / "config.yaml"
    if not written.exists():
        raise ValueError(f"resume={run_dir}: there is no run. `ls outputs/*` lists the runs.")
    typed = [override for override in overrides if not override.startswith("resume=")]
    before = config.parse(written.read_text())
    for override in typed:
        name = override.lstrip("+~").partition("=")[0]
        if name in _groups():
            raise ValueError(
                f"{override}: a resumed run keeps its {name}. Change single options, such as "
                "trainer.max_images=1000000, or start a new run."
            )
        if name == "init_from":
            raise ValueError(
                f"{override}: a resumed run goes on with its own weights. Leave out either resume "
                "or init_from."
            )
    with open_dict(before):  # what is misspelt reaches config.check
        before.merge_with_dotlist([override.lstrip("+") for override in typed])
    before.resume = str(run_dir)
    return before


def _train_in_a_process_of_its_own(composed: DictConfig, overrides: list[str]) -> float:
    """One job of a sweep, which whatever happens to it leaves the others alone.

    Lightning starts one process for each further device with this process's command line. In a
    sweep that would be the whole sweep again; also therefore each job is a plain run.

    Returns:
        The last quality measured, smaller is better; not a number if the job failed or has none.
    """
    from darkroom.sweeps import Job

    hydra_config = HydraConfig.get()
    folder = Path(os.path.relpath(hydra_config.runtime.output_dir))
    is_elsewhere = composed.resume not in (None, runs.AUTO)
    run_dir = Path(composed.resume).expanduser() if is_elsewhere else folder
    minutes = hydra_config.callbacks["sweep"].minutes
    try:
        outcome = Job(SCRIPT, folder, overrides, run_dir, minutes).run()
    except ValueError as error:  # that one concerns the whole sweep
        print(f"train: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{folder.name}  {outcome}", flush=True)
    return math.nan if outcome.objective is None else outcome.objective


def _open(verb: str, task: Callable[[DictConfig], Any]) -> None:
    def guarded(composed: DictConfig) -> Any:
        try:
            return task(composed)
        except (ValueError, OSError) as error:
            if os.environ.get("HYDRA_FULL_ERROR") or HydraConfig.get().mode == RunMode.MULTIRUN:
                raise
            print(f"{verb}: {error}", file=sys.stderr)
            print("(HYDRA_FULL_ERROR=1 shows where it was found)", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print(f"{verb}: interrupted. Type the same again to go on.", file=sys.stderr)
            sys.exit(130)
        finally:
            _remove_empty(Path(HydraConfig.get().runtime.output_dir))

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be Unicode
    _refuse_what_hydra_cannot_say(verb, sys.argv[1:])
    sys.argv[1:] = map(_open_ended, sys.argv[1:])
    hydra.main(version_base="1.3", config_path=str(CONF), config_name=verb)(guarded)()


def _refuse_what_hydra_cannot_say(verb: str, arguments: list[str]) -> None:
    """Hydra answers these with a traceback of its parser."""
    for argument in arguments:
        name, equals, value = argument.lstrip("+~").partition("=")
        is_number = bool(equals) and name in {"hydra", *_groups()} and value.isdigit()
        is_missing = name in NEEDED and (value == "null" or argument.startswith("~"))
        if is_number or is_missing or len(argument) > 4000 or argument.count("[") > 50:
            shown = argument if len(argument) < 60 else f"{argument[:60]}..."
            print(
                f"{verb}: {shown}: there is no such choice. `{installation.typed(verb)} --help` "
                "lists them.",
                file=sys.stderr,
            )
            sys.exit(2)


def _open_ended(argument: str) -> str:
    """`a.b=value` as Hydra's `++a.b=value`, which also takes options that no YAML file mentions.

    So nobody has to know which options those are, and a misspelt one reaches `config.check`, which
    says what it should have been. And `~/...` becomes a path: a shell leaves it alone behind a `=`,
    and Hydra's grammar has no such value.
    """
    name, equals, value = argument.partition("=")
    if value.startswith("~"):
        argument = f"{name}={config.spelt(os.path.expanduser(value))}"
    is_value = equals and name[:1].isalpha() and re.split(r"[./]", name)[0] != "hydra"
    return f"++{argument}" if is_value and name not in _groups() else argument


def _groups() -> set[str]:
    """What is chosen by the name of a file, such as model=vae or model/augmentation=ada."""
    return {str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir()}


def _refuse_unwritable(arguments: list[str]) -> None:
    """Hydra makes the run's folder before anything of ours runs, and fails with a traceback."""
    typed = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    for option in ("hydra.run.dir", "hydra.sweep.dir"):
        folder = Path(typed.get(option, "outputs").strip("'\"")).absolute()
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not (there.is_dir() and os.access(there, os.W_OK)):
            verb = Path(sys.argv[0]).stem
            print(
                f"{verb}: {option}={folder}: nothing can be written to {there}. Type {option}=<a "
                "folder of yours>.",
                file=sys.stderr,
            )
            sys.exit(2)


def _remove_empty(folder: Path) -> None:
    """Hydra makes a folder for every run; one in which nothing was done is not left behind.

    Only folders below the current one are touched: the others may be the user's own.
    """
    with suppress(OSError):
        for made in (folder, *folder.parents):
            if Path.cwd() not in made.parents:
                break
            made.rmdir()
