"""A config is refused in full before anything is built, and the refusal says what to type."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from darkroom import config
from darkroom.cli import CONF
from tests.composed import composed

PLACES = (
    "data",
    "data.augmentation",
    "model",
    "model.objective",
    "model.generator_optimizer",
    "trainer",
    "callbacks.mine",
    "logger.mine",
)


@pytest.fixture(scope="module")
def default() -> DictConfig:
    return composed("train")


@pytest.mark.promise(
    "an option is misspelt, has a wrong type, or is missing",
    "it is refused before any work, with what to type",
)
@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("sed=1", "the root takes no 'sed'. Did you mean 'seed'?"),
        ("data.resolutoin=32", "data takes no 'resolutoin'. Did you mean 'resolution'?"),
        ("model.generator.widht=8", "model.generator takes no 'widht'. Did you mean 'width'?"),
        (
            "model.generator_optimizer.betsa=[0.5,0.999]",
            "model.generator_optimizer takes no 'betsa'. Did you mean 'betas'?",
        ),
        (
            "data.augmentation=[{_target_:darkroom.augmentation.HorizontalFlip,probabilty:1}]",
            "data.augmentation[0] takes no 'probabilty'. Did you mean 'probability'?",
        ),
        ("trainer.max_image=9", "trainer takes no 'max_image'. Did you mean 'max_images'?"),
        ("callbacks.samples.evry=9", "callbacks.samples takes no 'evry'. Did you mean 'every'?"),
        ("logger.table.zzz=9", "logger.table takes no 'zzz'. It takes: resumed_at, save_dir."),
        ("data.batch_size=many", "data.batch_size: expected int, got 'many'."),
        ("data.batch_size=1.5", "data.batch_size: expected int, got 1.5."),
        ("data.resident=1", "data.resident: expected bool | Literal['auto'], got 1."),
        (
            "data.resolution=auto",  # only of your own images
            "data.resolution: expected int | Sequence[int], got 'auto'.",
        ),
        ("data.limit=all", "data.limit: expected int | None, got 'all'."),
        (
            "data.augmentation=flip",
            "data.augmentation: expected Sequence[Augmentation], got 'flip'.",
        ),
        ("model.half_life=null", "model.half_life: expected float | Schedule, got None."),
        (
            "model.half_life={start: 1}",
            "model.half_life: expected float | Schedule, got {'start': 1} without a _target_.",
        ),
        ("callbacks.quality.every=often", "callbacks.quality.every: expected int, got 'often'."),
        ("~model.discriminator", "model needs 'discriminator'. Type model.discriminator=<value>."),
        ("~trainer.max_images", "trainer needs 'max_images'. Type trainer.max_images=<value>."),
        ("data=folder", "data.root is not set. Type data.root=<value>."),
        ("data.seed=${sed}", "data.seed: Interpolation key 'sed' not found."),
        ("callbacks.mine=3", "callbacks.mine has to be an object with a _target_, not 3."),
        (
            "model._target_=darkroom.systems.GNA",
            "model._target_=darkroom.systems.GNA is no known class. Is it spelt right?",
        ),
    ],
)
def test_a_mistake_is_named_and_so_is_the_remedy(override: str, problem: str) -> None:
    assert config.problems(composed("train", override)) == [problem]


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("data.rot=x", "data takes no 'rot'. Did you mean 'root'?"),
        ("data.max_brokn=0.5", "data takes no 'max_brokn'. Did you mean 'max_broken'?"),
        ("data.batchsize=9", "data takes no 'batchsize'. Did you mean 'batch_size'?"),
        (
            "data.fit=croop",
            "data.fit: expected Literal['crop', 'pad', 'stretch'], got 'croop'.",
        ),
        (
            "data.on_error=ignore",
            "data.on_error: expected Literal['skip', 'raise'], got 'ignore'.",
        ),
        ("data.channels=all", "data.channels: expected int | Literal['auto'], got 'all'."),
        (
            "data.resolution=best",
            "data.resolution: expected int | Sequence[int] | Literal['auto'], got 'best'.",
        ),
        ("data.window=40", "data.window: expected Sequence[float] | None, got 40."),
        ("data.max_broken=few", "data.max_broken: expected float, got 'few'."),
        ("data.background=0", "data.background: expected str, got 0."),
        ("data.columns=file", "data.columns: expected Mapping[str, str] | None, got 'file'."),
        (
            "model.generator.resolution=auto",
            "model.generator.resolution: expected int | Sequence[int], got 'auto'.",
        ),
    ],
)
def test_a_mistake_about_ones_own_images_is_named(override: str, problem: str) -> None:
    found = config.problems(composed("train", "data=folder", "data.root=x", override))
    # what the model takes from the data is wrong with it
    assert [each for each in found if not each.endswith(problem.rpartition(", ")[2])] == []
    assert found[0] == problem


def test_what_the_data_will_settle_counts_as_settled_for_all_that_follows_it() -> None:
    tree = composed("train", "data=folder", "data.root=x", "model=vae")
    assert (tree.data.resolution, tree.data.channels) == ("auto", "auto")
    assert config.problems(tree) == []
    assert (tree.data.resolution, tree.data.channels) == ("auto", "auto")
    assert (tree.model.network.resolution, tree.model.network.channels) == ("auto", "auto")


def conf_with_experiment(folder: Path, text: str) -> Path:
    """The real conf/, but with one experiment of its own, mine.yaml."""
    (folder / "experiment").mkdir()
    (folder / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")
    for entry in CONF.iterdir():
        if entry.name != "experiment":
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.mark.promise(
    "an option is misspelt in an experiment file",
    "it is refused, with what it may have meant",
)
def test_a_mistake_in_an_experiment_file_is_named(tmp_path: Path) -> None:
    conf = conf_with_experiment(tmp_path, "model: {generator: {widht: 8}}")
    found = config.problems(composed("train", "experiment=mine", conf=conf))
    assert found == ["model.generator takes no 'widht'. Did you mean 'width'?"]


def test_an_experiment_outdoes_root_groups_and_recipe_and_what_is_typed_outdoes_it(
    tmp_path: Path,
) -> None:
    text = "seed: 7\ndata: {batch_size: 7}\ntrainer: {max_images: 7}\nmodel: {half_life: 7}"
    conf = conf_with_experiment(tmp_path, text)
    mine = composed("train", "experiment=mine", "model.half_life=8", conf=conf)
    assert (mine.seed, mine.data.batch_size, mine.trainer.max_images) == (7, 7, 7)
    assert mine.model.half_life == 8


def test_all_problems_are_told_at_once() -> None:
    bad = composed(
        "train",
        "sed=1",
        "data.limit=all",
        "model.objective._target_=os.system",
        "~trainer.max_images",
    )
    assert len(config.problems(bad)) == 4
    with pytest.raises(ValueError, match=r"(?s)'sed'.*data\.limit.*os\.system.*max_images"):
        config.check(bad)


def test_what_is_missing_is_told_with_all_other_problems() -> None:
    found = config.problems(composed("train", "data=folder", "data.rot=x", "sed=1"))
    assert found == [
        "data.root is not set. Type data.root=<value>.",
        "the root takes no 'sed'. Did you mean 'seed'?",
        "data takes no 'rot'. Did you mean 'root'?",
    ]
    found = config.problems(composed("sample", "drw.n=1", "draw.m=2"))
    assert found[0] == "run is not set. Type run=<value>."
    assert len(found) == 3


@pytest.mark.parametrize("verb", ["train", "prepare"])
def test_what_is_missing_is_no_wrong_type_as_well(verb: str) -> None:
    found = config.problems(composed(verb, "data=folder"))
    assert found == ["data.root is not set. Type data.root=<value>."]


@pytest.mark.parametrize(
    "text",
    ["plain/path-1.csv", "../two words/a(1).csv", "it's", "a=b,c", "~x", "$x", "é", "12", "back\\"],
)
def test_a_text_is_spelt_as_hydra_reads_it(text: str) -> None:
    assert composed("train", "data=folder", f"data.root={config.spelt(text)}").data.root == text


def test_a_plain_path_is_spelt_without_quotes() -> None:
    assert config.spelt("outputs/2026-11-23/images.csv") == "outputs/2026-11-23/images.csv"


def test_an_option_that_no_yaml_mentions_but_a_signature_has_is_no_problem() -> None:
    assert config.problems(composed("train", "trainer.gradient_clip_val=1")) == []


@pytest.mark.parametrize("name", ["callbacks.samples", "logger.table"])
def test_an_observer_can_be_left_out(name: str) -> None:
    assert config.problems(composed("train", f"{name}=null")) == []


@pytest.mark.promise(
    "a config names a function or class that is no part of a run",
    "it is refused by name, wherever it stands",
)
@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "subprocess.Popen",
        "builtins.eval",
        "torch.load",
        "torch.hub.load",
        "numpy.load",
        "pathlib.Path",
        "pathlib.Path.unlink",
        "shutil.rmtree",
        "hydra.utils.call",
        "lightning.Trainer",
        "darkroom.cli.subprocess.run",
        "darkroom.cli.subprocess.Popen",
        "darkroom.callbacks.Path",
        "darkroom.data.datamodule.DataLoader",
        "darkroom.checkpoint.load",
        "darkroom.data.own.Path",
        "darkroom.data.own.Pack",
        "darkroom.data.own.Entry",
        "darkroom.intake.pack.Pack",
        "darkroom.intake.sources.Directory",
        "darkroom.data.datasets.idx",  # a function of an allowed module
    ],
)
def test_a_config_can_name_only_classes_of_the_allow_list(target: str, default: DictConfig) -> None:
    for place in PLACES:
        bad, node = deepcopy(default), {"_target_": target}
        listed: Any = [node] if place == "data.augmentation" else node
        OmegaConf.update(bad, place, listed, force_add=True)
        with pytest.raises(ValueError, match=r"is not allowed|is no known class"):
            config.check(bad)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("torch.nn.Linear", True), ("torch.nnx.Linear", False), ("torch", False)],
)
def test_only_whole_words_of_a_name_count_as_allowed(name: str, allowed: bool) -> None:
    assert config._is_allowed(name, name, ["torch.nn"]) is allowed


@pytest.mark.promise(
    "a config names a module that does harm when it is imported",
    "it is refused before it is imported",
)
def test_what_a_config_names_is_not_even_imported(
    default: DictConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trap.py").write_text("open('sprung', 'w')\n\n\nclass Trap: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    bad = deepcopy(default)
    OmegaConf.update(bad, "model.objective", {"_target_": "trap.Trap"})
    assert "_target_=trap.Trap is not allowed" in config.problems(bad)[0]
    assert not Path("sprung").exists()


@pytest.mark.promise(
    "a class is hidden behind a reference to another option",
    "it is refused: a class has to be named",
)
def test_a_class_is_named_and_not_referred_to() -> None:
    bad = composed("train", "model.objective._target_=${run_dir}", "run_dir=os.system")
    said = "model.objective._target_=${run_dir}: a class has to be named, not referred to."
    assert config.problems(bad) == [said]


def test_what_another_class_says_of_its_arguments_is_a_refusal_too() -> None:
    tree = composed("train", "model.generator._partial_=true")
    with pytest.raises(ValueError, match=r"^darkroom\.systems\.GAN.* cannot be built: "):
        config.build(tree.model)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["data.validation=2"], r"data\.validation=2: type a share"),
        (["callbacks.samples.every=0"], r"SampleGrid\.every=0"),
        (["model.generator.resolution=8"], r"model\.generator\.resolution=8 is too small"),
        (["model=vae", "model.objective.beta=-1"], r"model\.objective\.beta=-1"),
        (["trainer.max_steps=5"], r"trainer\.max_steps=5: .* Type trainer\.max_images"),
        (["trainer.plugins=[]"], r"trainer\.plugins is settled"),
        (["trainer.precision=half"], "Precision 'half' is invalid"),
    ],
)
def test_what_a_constructor_refuses_arrives_as_it_was_said(overrides: list[str], said: str) -> None:
    *choices, value = overrides
    root, _, _ = value.partition(".")
    tree = composed("train", *choices, value)
    nodes = tree.callbacks.values() if root == "callbacks" else [tree[root]]
    with pytest.raises(ValueError, match=said):
        [config.build(node) for node in nodes]


@pytest.mark.parametrize("text", ["seed: many", "nonsense: 3", "- a list", "a: ["])
def test_a_text_that_is_no_train_config_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="The config cannot be read"):
        config.parse(text)


def test_data_are_optional_where_a_run_brings_its_own() -> None:
    tree = composed("evaluate", "run=outputs/any")
    tree.data = None
    assert config.problems(tree) == []
    tree.features = None
    assert config.problems(tree) == ["features has to be an object with a _target_, not None."]


def test_how_folders_are_read_for_judging_is_checked_like_any_data() -> None:
    typed = ("images=made", "reference=real")
    tree = composed("evaluate", *typed)
    assert tree.data.root == "real"
    assert config.problems(tree) == []
    wrong = composed("evaluate", *typed, "data.resolutoin=32", "features.cahce=x")
    assert config.problems(wrong) == [
        "features takes no 'cahce'. Did you mean 'cache'?",
        "data takes no 'resolutoin'. Did you mean 'resolution'?",
    ]


@pytest.mark.parametrize("verb", ["evaluate", "compare"])
def test_a_protocol_is_taken_and_what_is_typed_beside_it_wins(verb: str) -> None:
    typed = ("reference=any",) if verb == "evaluate" else ()
    plain, quick = composed(verb, *typed), composed(verb, *typed, "protocol=quick", "real=50")
    assert quick.samples < plain.samples
    assert (quick.real, quick.bounded) == (50, 200)
    published = composed(verb, *typed, "protocol=published", "features=lite0")
    assert published.features._target_.endswith("Lite0")
