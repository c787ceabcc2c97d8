"""Every file of conf/ composes, has no problems, and builds."""

from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from darkroom import config
from darkroom.cli import CONF, TO
from darkroom.data import ImageData
from darkroom.images import sides
from darkroom.systems import System
from darkroom.trainer import Trainer
from tests.composed import composed

NEEDED = {
    "data=folder": ["data.root=sprites"],
    "data=hf": ["data.name=owner/sprites"],
    "data=streaming": ["data.root=chunks"],
    "draw=attribute": ["draw.plus=cats"],
    "model=vae_gan": ["init_from=outputs/any"],
    "experiment=folder64": ["data.root=photos"],
    "experiment=folder128": ["data.root=photos"],
}


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def choose(verb: str, *choices: str) -> DictConfig:
    """The composed config, with what a choice does not work without."""
    return composed(verb, *choices, *(also for c in choices for also in NEEDED.get(c, [])))


def shrunk(node: DictConfig) -> DictConfig:
    """The same networks, but narrow, wherever they are."""
    for below in node.values():
        if isinstance(below, DictConfig):
            shrunk(below)
    if "width" in node:
        node.width = 2
    return node


def drawn_by(tree: DictConfig) -> tuple[int, ...]:
    """The shape of two images that a shrunk system draws."""
    system = config.build(shrunk(tree.model))
    assert isinstance(system, System)
    return tuple(system(torch.zeros(2, system.latent_dim)).shape)


CHOICES = [
    (verb, group, option)
    for verb, groups in {
        "train": ("data", "augmentation", "model", "trainer", "logger", "callbacks", "experiment"),
        "sample": ("draw",),
        "prepare": ("to", "model"),
        "export": ("to",),
        "evaluate": ("features", "protocol"),
        "compare": ("features", "protocol"),
    }.items()
    for group in groups
    for option in options(group)
    if group != "to" or TO[verb] in (CONF / "to" / f"{option}.yaml").read_text()
    if (verb, option) != ("prepare", "vae_gan")  # which finishes another run
]


def test_every_group_is_tested() -> None:
    folders = {path.name for path in CONF.iterdir() if path.is_dir()}
    assert folders == {group for _, group, _ in CHOICES} | {"recipe"}


@pytest.mark.parametrize(("verb", "group", "option"), CHOICES)
def test_a_choice_composes_without_problems(verb: str, group: str, option: str) -> None:
    needed = {
        "sample": ["run=outputs/any"],
        "prepare": ["data.root=any"],
        "export": ["run=outputs/any"],
        "evaluate": ["reference=any"],
        "compare": ["sweep=any"],
    }.get(verb, [])
    assert config.problems(choose(verb, f"{group}={option}", *needed)) == []


@pytest.mark.parametrize("data", options("data"))
@pytest.mark.parametrize("model", options("model"))
def test_any_model_draws_images_as_any_data_has_them(model: str, data: str) -> None:
    tree = choose("train", f"model={model}", f"data={data}")
    assert config.problems(tree) == []
    if tree.data.resolution == "auto":
        tree.data.resolution, tree.data.channels = [24, 16], 4  # as the data settles it
    assert drawn_by(tree) == (2, tree.data.channels, *sides(tree.data.resolution))


@pytest.mark.parametrize("model", options("model"))
def test_the_model_follows_what_is_asked_of_the_data(model: str) -> None:
    tree = choose("train", f"model={model}", "data.resolution=24", "data.channels=3")
    assert drawn_by(tree) == (2, 3, 24, 24)
    tree = choose("train", f"model={model}", "data.resolution=[16,24]", "data.channels=4")
    assert config.problems(tree) == []
    assert drawn_by(tree) == (2, 4, 16, 24)


GANS = [model for model in options("model") if "vae" not in model]


@pytest.mark.parametrize("model", GANS)
def test_every_gan_can_be_told_of_classes(model: str) -> None:
    tree = choose("train", f"model={model}", "data.num_classes=3")
    assert config.problems(tree) == []
    system = config.build(shrunk(tree.model))
    latents, labels = torch.ones(3, system.latent_dim), torch.arange(3)
    images = system(latents, labels)
    assert not torch.equal(images[0], images[1])
    assert system.discriminator(images, labels).shape == (3,)
    assert config.problems(choose("train", f"model={model}", "data.num_classes=auto")) == []


@pytest.mark.parametrize("augmentation", options("model/augmentation"))
@pytest.mark.parametrize("model", GANS)
def test_every_gan_can_augment_what_its_discriminator_sees(model: str, augmentation: str) -> None:
    tree = choose("train", f"model={model}", f"model/augmentation={augmentation}")
    assert config.problems(tree) == []
    system = config.build(shrunk(tree.model))
    names = {type(each).__name__ for each in getattr(system.augmentation, "transforms", ())}
    assert bool(names) == (augmentation != "none")


@pytest.mark.parametrize("data", options("data"))
def test_data_builds(data: str) -> None:
    tree = choose("train", f"data={data}")
    images = config.build(tree.data)
    assert isinstance(images, ImageData)
    numbers = [images.resolution, images.channels]
    for asked, number in zip([tree.data.resolution, tree.data.channels], numbers, strict=True):
        assert asked in (number, "auto")
        assert isinstance(number, int)


def test_the_seed_of_the_run_is_the_seed_of_everything() -> None:
    tree = choose("train", "seed=5")
    assert config.build(tree.data).seed == config.build(shrunk(tree.model)).seed == 5


def test_trainer_loggers_and_callbacks_build(tmp_path: Path) -> None:
    tree = choose("train", f"run_dir={tmp_path}", "resumed_at=3")
    loggers = [config.build(node) for node in tree.logger.values()]
    callbacks = [config.build(node) for node in tree.callbacks.values()]
    trainer = config.build(tree.trainer, logger=loggers, callbacks=callbacks)
    assert isinstance(trainer, Trainer)
    assert trainer.loggers == loggers
    assert set(callbacks) <= set(trainer.callbacks)
    table, tensorboard = config.build(tree.logger.table), config.build(tree.logger.tensorboard)
    assert table.path.parent == Path(tensorboard.log_dir).parent == tmp_path
    assert table.resumed_at == 3


@pytest.mark.parametrize("draw", options("draw"))
def test_a_drawing_builds_as_its_file_says(draw: str) -> None:
    node = choose("sample", f"draw={draw}", "run=outputs/any").draw
    built = config.build(node)
    assert {name: getattr(built, name) for name in node if name != "_target_"} == {
        name: value for name, value in node.items() if name != "_target_"
    }


@pytest.mark.parametrize("recipe", options("recipe"))
def test_a_recipe_is_found_by_model_and_data(recipe: str) -> None:
    model, _, data = recipe.partition("-")
    tree = choose("train", f"model={model}", f"data={data}")
    written = OmegaConf.load(CONF / "recipe" / f"{recipe}.yaml")
    assert OmegaConf.merge(tree, written) == tree
