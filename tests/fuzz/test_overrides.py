"""What may be typed: valid overrides make a run that takes a step; others are refused in words."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from darkroom import cli, config, randomness
from darkroom.verbs import train
from tests.composed import composed
from tests.fuzz.mutations import bounded, few_or_many

ROOT = Path(__file__).parents[2]
GANS, R3GANS = ("gan", "rpgan", "sngan", "wgan_gp"), ("r3gan", "r3gan_medium")
VAES, OTHER_VAES = ("vae", "sigma_vae"), ("hierarchical_vae", "vq_vae")


def number(name: str, *values: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{name}={value}" for value in values])


def choice(group: str) -> st.SearchStrategy[str]:
    options = sorted(path.stem for path in (cli.CONF / group).glob("*.yaml"))
    return st.sampled_from([f"{group}={option}" for option in options])


@st.composite
def valid(draw: st.DrawFn) -> list[str]:
    """Overrides that make a run, of a size that takes no time."""
    model = draw(st.sampled_from([*GANS, *R3GANS, *VAES, *OTHER_VAES]))
    data = draw(st.sampled_from(["digits", "stacked_digits"]))
    channels = 3 if data == "stacked_digits" else draw(st.sampled_from([1, 2, 3, 4]))
    typed = [f"model={model}", f"data={data}", "recipe=none", f"data.channels={channels}"]
    typed += [f"data.limit={draw(st.integers(40, 80))}"]
    typed += [f"data.batch_size={draw(st.integers(2, 8))}", f"data.resolution={draw(sizes(data))}"]
    typed.append(draw(number("seed", 0, 1, 2**31, -1)))
    typed.append(draw(number("data.seed", 0, 7)))
    typed.append(draw(number("data.validation", 0.1, 0.3)))
    typed.append(draw(number("model.half_life", 1, 1000, "1e6")))
    if draw(st.booleans()):
        typed.append(draw(choice("augmentation")))
    if draw(st.booleans()) and data == "digits" and model not in ("sngan",):
        typed.append("data.num_classes=auto")
    if model in (*GANS, *R3GANS):
        sizes_of = (8, 16) if model in R3GANS else (2, 3, 8)
        width = draw(st.sampled_from(sizes_of))
        typed += [f"model.generator.width={width}", f"model.discriminator.width={width}"]
        typed.append(draw(number("model.generator.latent_dim", 1, 5, 16)))
        typed.append(draw(choice("model/augmentation")))
        for part in ("generator", "discriminator"):
            typed.append(draw(number(f"model.{part}_optimizer.lr", "1e-5", "2e-4", "1e-2")))
        if model in R3GANS:
            typed.append("model.generator.group_size=4")
        return typed
    typed.append(draw(number("model.network.width", 4, 8)))
    typed.append(draw(number("model.optimizer.lr", "1e-5", "1e-3")))
    typed.append(draw(choice("model/likelihood")))
    if model != "hierarchical_vae":  # it has a schedule for beta, which the other objective lacks
        typed.append(draw(choice("model/objective")))
    if model in VAES:
        typed.append(draw(number("model.network.latent_dim", 1, 5, 16)))
        typed.append(
            "model/prior=" + draw(st.sampled_from(["standard", "mixture", "flow_matching"]))
        )
    return typed


def sizes(data: str) -> st.SearchStrategy[str]:
    square = st.sampled_from(["16", "20", "32"])
    return square if data == "stacked_digits" else square | st.sampled_from(["[16,24]", "[20,16]"])


def one_step(typed: list[str], folder: Path) -> None:
    tree = composed("train", *typed, "callbacks={}", "logger={}")
    tree.callbacks, tree.logger = {}, {}
    tree.trainer.max_images = tree.data.batch_size
    config.check(tree)
    data = config.build(tree.data)
    data.prepare_data()
    data.setup()
    tree.data.resolution, tree.data.channels = data.resolution, data.channels
    tree.data.num_classes = data.num_classes
    with randomness.initialisation(tree.seed):
        system = config.build(tree.model)
    before = {name: weight.clone() for name, weight in system.named_parameters()}
    trainer = config.build(
        tree.trainer, logger=[], callbacks=[], default_root_dir=str(folder), accelerator="cpu"
    )
    trainer.fit(system, datamodule=data)
    assert system.images_seen == tree.data.batch_size
    weights = dict(system.named_parameters())
    assert all(weight.isfinite().all() for weight in weights.values())
    assert any(not torch.equal(weight, before[name]) for name, weight in weights.items())


@few_or_many(10, 80)
def test_valid_overrides_build_and_take_a_step(examples: int, tmp_path: Path) -> None:
    @bounded(examples)
    @given(valid())
    def steps(typed: list[str]) -> None:
        one_step(typed, tmp_path)

    steps()


# --- what cannot be


def typed_at_the_door(
    arguments: list[str], folder: Path, patch: pytest.MonkeyPatch, capfd: Any
) -> tuple[int, str]:
    """The exit code and what was said, through the same door as `python train.py`."""
    patch.chdir(folder)
    patch.delenv("HYDRA_FULL_ERROR", raising=False)
    patch.setattr(sys, "argv", ["train.py", "hydra.run.dir=run", *arguments])
    GlobalHydra.instance().clear()
    capfd.readouterr()
    try:
        cli.train()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        GlobalHydra.instance().clear()
    return code, capfd.readouterr().err


@pytest.fixture
def door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[list[str]], tuple[int, str]]:
    """The command line, behind which nothing is trained."""
    monkeypatch.setattr("darkroom.verbs.train.train", lambda *_: None)
    return lambda arguments: typed_at_the_door(arguments, tmp_path, monkeypatch, capfd)


def options(tree: Any, prefix: str = "") -> Iterator[str]:
    for key, below in tree.items():
        if key == "_target_" or (not prefix and key in ("callbacks", "logger")):
            continue
        yield f"{prefix}{key}"
        if isinstance(below, dict):
            yield from options(below, f"{prefix}{key}.")


def names() -> list[str]:
    tree = OmegaConf.to_container(composed("train", "recipe=none"), resolve=False)
    return [*options(tree)]


@st.composite
def misspelt(draw: st.DrawFn, known: list[str]) -> str:
    """An option with a letter too many, too few, or another one in the place of its last part's."""
    prefix, dot, last = draw(st.sampled_from(known)).rpartition(".")
    place = draw(st.integers(0, len(last) - 1))
    letter = draw(st.sampled_from("abcxyz"))
    wrong = draw(
        st.sampled_from(
            [
                last[:place] + last[place + 1 :],
                last[:place] + letter + last[place:],
                last[:place] + letter + last[place + 1 :],
            ]
        )
    )
    return f"{prefix}{dot}{wrong or 'x'}"


@pytest.mark.promise(
    "an option is misspelt, anywhere in the config",
    "exit code 2, and the refusal names it with what it may have meant",
)
@few_or_many(10, 40)
def test_misspelt_options_are_refused_by_name(examples: int, door: Any) -> None:
    known = names()
    everything = {name.rpartition(".")[2] for name in known}

    @bounded(examples)
    @given(misspelt(known))
    def refuses(name: str) -> None:
        if name.rpartition(".")[2] in everything or name in cli._groups():
            return
        code, said = door([f"{name}=1"])
        assert (code, "Traceback" in said) == (2, False), (name, said)
        assert repr(name.rpartition(".")[2]) in said or name in said, (name, said)

    refuses()


WRONG = {
    "data.batch_size": ["many", "1.5", "null", "[3]", "{a:1}", "''", "true", "nan", "inf", "1e3"],
    "data.resolution": ["big", "1.5", "[a,b]", "{}", "true"],
    "data.validation": ["half", "[1]", "{}", "null", "true"],
    "model.half_life": ["long", "null", "[]", "true"],
    "model.generator.width": ["wide", "2.5", "[1]", "null", "{}"],
    "model.objective": ["x", "3", "null", "[]", "{a: 1}"],
    "seed": ["soon", "1.5", "null", "[1]", "{}"],
    "trainer.max_images": ["all", "1.5", "[1]", "{}"],
    "callbacks.samples": ["3", "x", "[]", "{a: 1}"],
    "callbacks.samples.every": ["often", "1.5", "null"],
    "class_names": ["3", "{}"],
}


@pytest.mark.promise(
    "an option is given a value of another type",
    "exit code 2 or Hydra's own refusal: the option is named, and no traceback is shown",
)
@few_or_many(2, 10)
def test_values_of_another_type_are_refused(examples: int, door: Any) -> None:
    for name, wrong in WRONG.items():
        for value in wrong[:examples]:
            code, said = door([f"{name}={value}"])
            assert code != 0, (name, value)
            assert "Traceback" not in said, (name, value, said)
            assert name.rpartition(".")[2] in said or "model" in said, (name, value, said)


ODD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
GRAMMAR = st.text(st.sampled_from(list("[]{}()'\"\\$:,=+~@!/.- ab1\n\t#%&*?|")), max_size=16)


@pytest.mark.promise(
    "anything at all is typed: quotes, brackets, other letters, thousands of characters",
    "it is taken as a text, or refused without a traceback",
)
@few_or_many(15, 120)
@pytest.mark.parametrize("letters", [ODD, GRAMMAR], ids=["any", "grammar"])
def test_whatever_is_typed_there_is_no_traceback(letters: Any, examples: int, door: Any) -> None:
    @bounded(examples)
    @given(st.sampled_from(["", "seed=", "data.root=", "+", "model=", "data.limit="]), letters)
    def answers(name: str, text: str) -> None:
        code, said = door([f"{name}{text}"])
        assert "Traceback" not in said, (name, text, said)
        assert code == 0 or said.strip(), (name, text)

    answers()


@pytest.mark.parametrize(
    "argument",
    [
        "data.root=" + "x" * 20_000,
        "data.root=" + "${seed}" * 300,
        "run_dir=${run_dir}",
        "=",
        "===",
        "model=",
        "~",
        "+",
        "++",
        "a.b.c.d.e=1",
        "data..root=1",
        ".=1",
        "model@x=vae",
        "seed@=1",
        "data=folder,digits",
        "seed=1,2",
        "seed=range(3)",
        "model.objective._target_=os.system",
        "data.root='",
        'data.root="',
        "data.root=\\",
        "data.root=a b",
        "data.root=\u202egnp.exe",
        "data.root=../../../etc",
        "--nonsense",
        "--cfg",
        "-x",
    ],
    ids=lambda text: text[:24],
)
def test_what_is_strange_is_refused_or_taken_as_it_is(argument: str, door: Any) -> None:
    code, said = door([argument])
    assert "Traceback" not in said, said
    assert code == 0 or said.strip()


OUT_OF_RANGE = [
    "data.batch_size=0", "data.batch_size=-3", "data.resolution=0", "data.resolution=-16",
    "data.resolution=[16]", "data.resolution=[16,16,16]", "data.channels=0", "data.channels=5",
    "data.validation=0", "data.validation=1", "data.validation=-1", "data.limit=0",
    "data.limit=-1", "model.generator.width=0", "model.generator.width=-1",

    "model.generator_optimizer.lr=-1", "model.generator_optimizer.lr=nan",
    "model.generator_optimizer.betas=[2,2]", "model.generator_optimizer.betas=[0.5]",
    "callbacks.samples.every=-1", "callbacks.checkpoints.every=0",
    "callbacks.checkpoints.minutes=0", "data.num_workers=-1", "model.half_life=-1",
    "trainer.max_images=0", "trainer.timeout=0",
    "callbacks.samples.n=0", "callbacks.quality.n=-1", "trainer.devices=0",
    "data.augmentation=[{_target_:darkroom.augmentation.HorizontalFlip,probability:2}]",
]  # fmt: skip


@pytest.mark.promise(
    "a number is out of its range, anywhere in the config",
    "a refusal that names it, before the first step",
)
@pytest.mark.parametrize("typed", OUT_OF_RANGE)
def test_numbers_out_of_range_are_refused_before_the_first_step(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = composed("train", "experiment=smoke", "recipe=none", f"run_dir={tmp_path}", typed)
    monkeypatch.chdir(tmp_path)
    config.check(tree)
    with pytest.raises(ValueError, match=r"\w+ \w+") as refused:
        train.train(tree, tmp_path / "run", [typed])
    name = typed.partition("=")[0].rpartition(".")[2]
    words = {"lr": "learning rate", "betas": "beta", "augmentation": "HorizontalFlip.probability"}
    assert words.get(name, name) in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "argument",
    ["data.root='", "seed=soon", "data.limit=[1", "model=nothing", "sed=1", "\u202e=1", "x=" * 99],
)
def test_the_same_holds_in_a_process_of_its_own(argument: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), argument],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"},
    )
    assert done.returncode != 0
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
