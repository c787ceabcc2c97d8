"""What is recommended for which images, and that a shell and Hydra take it as it stands."""

import shlex
import subprocess
from typing import Any

import pytest
from omegaconf import OmegaConf

from darkroom import config
from darkroom.advice import Advice, advise
from darkroom.inspection import Mirror
from tests.composed import composed
from tests.inspected import found

HARMLESS, TELLING = Mirror(0.0, 0.0, 0.1), Mirror(1.0, 0.0, 0.1)
ROOT = "data.root=sprites"


def advice(*typed: str, model: str = "gan", gpu: bool = False, table: str | None = None,
           **facts: Any) -> Advice:  # fmt: skip
    return advise(found(**facts), typed or (ROOT,), model, gpu, table)


def values(given: Advice) -> dict[str, str]:
    return dict(override.split("=", 1) for override in given.overrides)


def learning(n: int) -> dict[str, Any]:
    return {"images": n, "splits": {"training": n, "held out": 0, "test": 0}}


# --- the rules


def test_the_model_and_what_was_typed_come_first_and_each_override_of_ours_has_a_reason() -> None:
    given = advice("data.root=x", "data.fit=pad")
    assert given.overrides[:4] == ["model=gan", "data=folder", "data.root=x", "data.fit=pad"]
    assert given.overrides[4:] == list(given.reasons)
    assert all(given.reasons.values())


def test_the_model_that_prepare_takes_has_a_reason() -> None:
    model = composed("prepare", ROOT).model
    assert model.objective._target_ == "darkroom.objectives.Relativistic"
    given = advice(model="rpgan")
    assert given.overrides[0] == next(iter(given.reasons)) == "model=rpgan"


def test_the_size_and_the_channels_are_those_of_the_pack() -> None:
    for shape, size, channels in (
        ((1, 64, 64), "64", "1"),
        ((2, 16, 16), "16", "2"),
        ((4, 48, 64), "[48,64]", "4"),
    ):
        chosen = values(advice(shape=shape))
        assert (chosen["data.resolution"], chosen["data.channels"]) == (size, channels)


def test_the_reason_for_a_smaller_size_is_that_pixel_art_was_enlarged() -> None:
    art = advice(shape=(3, 16, 16), sizes=[(48, 48)] * 2, block=3)
    assert art.reasons["data.resolution=16"] == "pixel art, before it was enlarged 3 times"
    photographs = advice(shape=(3, 16, 16), sizes=[(48, 48)] * 2)
    assert photographs.reasons["data.resolution=16"] == "the size they were packed with"


@pytest.mark.parametrize(
    ("mirror", "images", "augmentation"),
    [
        (HARMLESS, 10_000, "flip"),
        (HARMLESS, 1_000, "flip"),
        (TELLING, 10_000, None),
        (TELLING, 2_000, None),
        (TELLING, 1_999, "wobble"),
        (None, 50, "wobble"),
    ],
)
def test_images_are_mirrored_where_it_is_harmless_and_few_are_wobbled_otherwise(
    mirror: Mirror | None, images: int, augmentation: str | None
) -> None:
    assert values(advice(mirror=mirror, images=images)).get("augmentation") == augmentation


@pytest.mark.parametrize(
    ("images", "gpu", "batch"),
    [
        (20_000, True, "256"),
        (19_999, True, "64"),
        (20_000, False, "64"),
        (512, False, "64"),
        (511, False, "32"),
        (128, False, "16"),
        (100, False, "8"),
        (5, False, "8"),
    ],
)
def test_an_epoch_has_at_least_eight_batches_and_a_gpu_gets_large_ones(
    images: int, gpu: bool, batch: str
) -> None:
    assert values(advice(gpu=gpu, **learning(images)))["data.batch_size"] == batch


@pytest.mark.parametrize(
    ("images", "side", "gpu", "narrow"),
    [
        (10_000, 48, False, False),
        (10_000, 49, False, True),
        (10_000, 64, True, False),
        (1_999, 32, True, True),
        (2_000, 32, True, False),
    ],
)
def test_a_gan_is_narrow_for_few_images_and_for_large_ones_without_a_gpu(
    images: int, side: int, gpu: bool, narrow: bool
) -> None:
    chosen = values(advice(gpu=gpu, images=images, shape=(3, side, side)))
    widths = {name: value for name, value in chosen.items() if name.endswith(".width")}
    both = {"model.generator.width": "32", "model.discriminator.width": "32"}
    assert widths == (both if narrow else {})


def test_another_model_gets_no_options_of_a_gan() -> None:
    given = advice(model="vae", shape=(3, 64, 64), **learning(100))
    assert given.overrides[0] == "model=vae"
    assert [name for name in values(given) if name.startswith("model.")] == []


@pytest.mark.parametrize(
    ("images", "budget", "passes"),
    [
        (1, "400000", "400000 passes"),
        (2_000, "400000", "200 passes"),
        (3_333, "670000", "200 passes"),
        (10_000, "2000000", "200 passes"),
        (1_000_000, "2000000", "2 passes"),
    ],
)
def test_a_run_makes_two_hundred_passes_within_limits(
    images: int, budget: str, passes: str
) -> None:
    given = advice(**learning(images))
    assert values(given)["trainer.max_images"] == budget
    assert given.reasons[f"trainer.max_images={budget}"] == passes


def test_there_is_advice_even_where_nothing_is_left_to_learn_from() -> None:
    given = advice(images=5, splits={"training": 0, "held out": 0, "test": 5})
    assert values(given)["trainer.max_images"] == "400000"


GROUP = {"similar": [["a", "b"]], "leaks": [["a", "b"]]}


@pytest.mark.parametrize(
    ("facts", "table", "taken"),
    [
        (GROUP, "images.csv", "images.csv"),
        (GROUP, None, None),
        (GROUP | {"given_split": True}, "images.csv", None),
        ({"similar": [["a", "b"]]}, "images.csv", None),
    ],
)
def test_the_table_is_taken_only_against_leaks_of_a_random_split(
    facts: dict[str, Any], table: str | None, taken: str | None
) -> None:
    assert values(advice(table=table, **facts)).get("data.table") == taken


def test_shallow_files_are_spread() -> None:
    assert values(advice(shallow=["a"]))["data.value_range"] == "percentile"
    assert "data.value_range" not in values(advice())


# --- what the user typed


@pytest.mark.parametrize(
    ("typed", "facts"),
    [
        ("data.batch_size=7", {}),
        ("data.value_range=full", {"shallow": ["a"]}),
        ("data.table=mine.csv", GROUP),
        ("model.generator.width=128", {"images": 100}),
        ("+model.generator.width=128", {"images": 100}),
        ("trainer.max_images=9", {}),
        ("data.augmentation=[]", {"mirror": HARMLESS}),
    ],
)
def test_what_the_user_typed_is_kept_and_wins(typed: str, facts: dict[str, Any]) -> None:
    given = advice(ROOT, typed, table="images.csv", **facts)
    name = typed.partition("=")[0].lstrip("+")
    assert [o for o in given.overrides if name in o] == [typed]
    assert not [override for override in given.reasons if name in override]
    assert "augmentation=flip" not in given.overrides


@pytest.mark.parametrize(
    "typed", ["data.resolution=128", "data.resolution=auto", "data.channels=1"]
)
def test_size_and_channels_are_those_that_were_settled(typed: str) -> None:
    given = advice(ROOT, typed)
    assert typed not in given.overrides
    assert given.overrides == advice(ROOT).overrides


def test_a_typed_source_is_not_named_twice() -> None:
    given = advice("data=hf", "data.name=owner/name")
    assert [o for o in given.overrides if o.startswith("data=")] == ["data=hf"]


# --- the command


PATHS = [
    "sprites",
    "/data/my sprites (1)",
    "it's",
    "a=b",
    "[x],{y}",
    "with \"quotes\" and 'others'",
    "$HOME `ls` !",
    "ümläut",
    "back\\slash",
    "*",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("shell", ["bash", "shlex"])
def test_a_command_pasted_into_a_shell_gives_back_its_overrides(path: str, shell: str) -> None:
    given = advice(f"data.root={config.spelt(path)}", shape=(3, 48, 64))
    command = given.command.removeprefix("python train.py ")
    if shell == "bash":
        script = f"printf '%s\\0' {command}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.split("\0")[:-1] == given.overrides
    else:
        assert shlex.split(command) == given.overrides


@pytest.mark.parametrize("path", PATHS)
def test_hydra_takes_a_command_as_it_was_meant(path: str) -> None:
    spelt = config.spelt(path)
    given = advice(
        f"data.root={spelt}",
        shape=(4, 48, 64),
        table=spelt,
        mirror=HARMLESS,
        shallow=["a"],
        **GROUP,
        **learning(100),
    )
    tree = composed("train", *shlex.split(given.command)[2:])
    assert config.problems(tree) == []
    assert (tree.data.root, tree.data.table) == (path, path)
    assert (tree.data.resolution, tree.data.channels) == ([48, 64], 4)
    assert tree.model.generator.resolution == [48, 64]
    assert (tree.data.batch_size, tree.data.value_range) == (8, "percentile")
    assert tree.model.generator.width == tree.model.discriminator.width == 32
    assert tree.trainer.max_images == 400_000
    flip = "darkroom.augmentation.HorizontalFlip"
    assert OmegaConf.to_container(tree.data.augmentation) == [{"_target_": flip}]


@pytest.mark.parametrize("model", ["gan", "rpgan", "vae"])
@pytest.mark.parametrize("augmented", [{"mirror": TELLING, "images": 100}, {"mirror": HARMLESS}])
def test_every_model_takes_what_is_recommended(model: str, augmented: dict[str, Any]) -> None:
    tree = composed("train", *advice(model=model, **augmented).overrides)
    assert config.problems(tree) == []
    assert len(tree.data.augmentation) == 1


def test_plain_values_stand_without_quotes() -> None:
    command = advice("data.root=/a/b-c_1.zip").command
    assert command.startswith("python train.py model=gan data=folder data.root=/a/b-c_1.zip data.")
    assert not set("'\"\\") & set(command)


def test_quotes_that_hydra_needs_stay_legible() -> None:
    assert "data.root=\"'my sprites'\"" in advice("data.root='my sprites'").command
