"""A trained run, judged: everything that can be said of it, and what was said before."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from darkroom import config
from darkroom.evaluation import Bounds, Judge, Run, record
from darkroom.metrics.features import Thumbnail
from darkroom.verbs import train as training
from tests.composed import composed
from tests.pictures import album

BOUNDS = Bounds((1, 3), 10)


def train(run_dir: Path, *arguments: str) -> Path:
    tree = composed("train", "experiment=smoke", f"run_dir={run_dir}", *arguments)
    config.check(tree)
    training.train(tree, run_dir, ["experiment=smoke", *arguments])
    return run_dir


def judge(cache: Path, samples: int = 40, **options: object) -> Judge:
    return Judge(Thumbnail(), samples, cache=str(cache), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A VAE's run that was judged, and the evaluation left in its folder."""
    folder = train(tmp_path_factory.mktemp("vae") / "run", "model=vae", "seed=3")
    run = Run(folder)
    evaluation, _ = run.judged(judge(cache), BOUNDS)
    evaluation.write(run.report_folder(evaluation) / "metrics.json")
    return folder


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("gan") / "run", "~callbacks.samples")


@pytest.fixture
def copy(vae: Path, tmp_path: Path) -> Path:
    return shutil.copytree(vae, tmp_path / "copy")


def test_a_latent_model_is_judged_in_every_respect(vae: Path, cache: Path) -> None:
    run = Run(vae)
    evaluation, exhibits = run.judged(judge(cache), BOUNDS)
    assert evaluation.subject == str(vae)
    assert evaluation.images_seen == 64
    assert re.fullmatch("[0-9a-f]{64}", evaluation.checkpoint)
    assert {"kid_thumbnail", "precision_thumbnail"} <= evaluation.numbers.keys()
    assert {"negative_elbo", "iw_bound_1", "iw_bound_3"} <= evaluation.latents.keys()
    assert "reconstruction_distance_thumbnail" in evaluation.latents
    assert "They are means over 10 held-out images, with 3 samples of each." in evaluation.notes
    assert evaluation.classes.keys() == set("0123456789")
    assert evaluation.cost["training_images"] == 64
    assert evaluation.cost["flops_per_training_image"] > evaluation.cost["flops_per_sample"]
    assert evaluation.originality is not None
    assert exhibits.reconstructions is not None
    assert len(exhibits.samples) == 40


def test_a_gan_has_neither_bounds_nor_reconstructions(gan: Path, cache: Path) -> None:
    evaluation, exhibits = Run(gan).judged(judge(cache), BOUNDS)
    assert not evaluation.latents
    assert not evaluation.notes
    assert exhibits.reconstructions is None


def test_judging_is_deterministic_but_for_the_clock(vae: Path, cache: Path) -> None:
    first, second = (Run(vae).judged(judge(cache), BOUNDS)[0] for _ in range(2))
    assert replace(first, cost={}) == replace(second, cost={})


def test_judging_leaves_the_run_as_it_was(copy: Path, cache: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    Run(copy).judged(judge(cache), BOUNDS)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_another_checkpoint_is_another_subject(gan: Path, cache: Path) -> None:
    last, best = Run(gan), Run(gan, "best")
    assert best.report_folder(best.judged(judge(cache), BOUNDS)[0]).name.startswith("best-")
    assert last.checkpoint != best.checkpoint


# --- what was said before


def test_an_evaluation_is_found_again_with_its_pictures(vae: Path, cache: Path) -> None:
    found = Run(vae).found(judge(cache), BOUNDS)
    assert found is not None
    evaluation, exhibits = found
    (path,) = vae.glob("evaluation/*/metrics.json")
    assert evaluation == record.read(path)
    assert len(exhibits.samples) == 40
    assert len(exhibits.real) == 64


def test_it_is_found_where_the_run_has_been_moved(copy: Path, cache: Path) -> None:
    assert Run(copy).found(judge(cache), BOUNDS) is not None


@pytest.mark.parametrize(
    "other",
    [
        {"samples": 41},
        {"real": 50},
        {"first_seed": 1},
        {"split": "held_out"},
    ],
)
def test_another_protocol_has_no_evaluation_yet(
    other: dict[str, object], vae: Path, cache: Path
) -> None:
    assert Run(vae).found(judge(cache, **other), BOUNDS) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("bounds", [Bounds((1, 4), 10), Bounds((1, 3), 9), Bounds((1, 2, 3), 10)])
def test_other_bounds_have_not_been_measured_yet(bounds: Bounds, vae: Path, cache: Path) -> None:
    assert Run(vae).found(judge(cache), bounds) is None


def test_bounds_are_nothing_to_a_model_without_latents(gan: Path, cache: Path) -> None:
    run = Run(gan)
    evaluation, _ = run.judged(judge(cache), BOUNDS)
    evaluation.write(run.report_folder(evaluation) / "metrics.json")
    assert Run(gan).found(judge(cache), Bounds((7,), 5)) is not None


def test_more_training_makes_an_evaluation_old(copy: Path, cache: Path) -> None:
    verbs_resume(copy, 96)
    run = Run(copy)
    assert run.saved.images_seen == 96
    assert run.found(judge(cache), BOUNDS) is None


def verbs_resume(folder: Path, images: int) -> None:
    tree = config.parse((folder / "config.yaml").read_text())
    tree.resume, tree.run_dir, tree.trainer.max_images = str(folder), str(folder), images
    training.train(tree, folder, [f"trainer.max_images={images}"])


def test_a_file_that_is_no_evaluation_is_passed_over(copy: Path, cache: Path) -> None:
    (copy / "evaluation" / "0").mkdir()
    (copy / "evaluation" / "0" / "metrics.json").write_text("{")
    assert Run(copy).found(judge(cache), BOUNDS) is not None


def test_each_protocol_has_a_folder_of_its_own(vae: Path, cache: Path) -> None:
    run = Run(vae)
    evaluation = record.read(next(vae.glob("evaluation/*/metrics.json")))
    folders = {
        run.report_folder(replace(evaluation, protocol=replace(evaluation.protocol, **other)))
        for other in ({}, {"samples": 1}, {"first_seed": 9}, {"split": "test"}, {"reference": 3})
    }
    assert len(folders) == 5
    assert {folder.parent for folder in folders} == {vae / "evaluation"}


# --- around it


def test_numbers_are_shown_in_tensorboard_at_the_time_of_the_checkpoint(copy: Path) -> None:
    run = Run(copy)
    evaluation = record.read(next(copy.glob("evaluation/*/metrics.json")))
    run.log(evaluation)
    events = EventAccumulator(str(copy / "tensorboard")).Reload()
    shown = {tag for tag in events.Tags()["scalars"] if tag.startswith("evaluation/")}
    assert shown == {f"evaluation/{n}" for n in (*evaluation.numbers, *evaluation.latents)}
    (event,) = events.Scalars("evaluation/kid_thumbnail")
    assert event.step == 64
    assert event.value == pytest.approx(evaluation.numbers["kid_thumbnail"].value)


def test_the_command_is_what_was_typed(vae: Path, gan: Path) -> None:
    assert Run(vae).command == "python train.py experiment=smoke model=vae seed=3"
    assert Run(vae).overrides == {"experiment": "smoke", "model": "vae", "seed": "3"}
    assert Run(gan).command.endswith("experiment=smoke '~callbacks.samples'")


def test_a_run_without_its_manifest_can_be_judged(copy: Path) -> None:
    (copy / "run.json").unlink()
    assert (Run(copy).overrides, Run(copy).command) == ({}, "python train.py")


def test_a_run_resumed_with_other_options_keeps_the_command_of_its_start(copy: Path) -> None:
    starts = json.loads((copy / "run.json").read_text())
    more = [*starts, {**starts[0], "overrides": ["trainer.max_images=96"]}]
    (copy / "run.json").write_text(json.dumps(more))
    assert Run(copy).overrides == {"experiment": "smoke", "model": "vae", "seed": "3"}


def test_a_case_holds_the_options_and_curves_of_the_run(vae: Path) -> None:
    case = Run(vae).case()
    assert case.options["data.batch_size"] == 8
    assert "loss/vae" in case.curves
    assert case.training_images == len(Run(vae).data.training)
    assert case.parameters > 0


# --- data elsewhere


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a folder of images that has been moved since."""
    cwd = tmp_path_factory.mktemp("own")
    album(cwd / "before", n=60, mode="L")
    run_dir = train(cwd / "run", "data=folder", f"data.root={cwd / 'before'}", f"data.packs={cwd}")
    (cwd / "before").rename(cwd / "after")
    return run_dir


def test_data_that_lie_elsewhere_now_are_found_by_what_is_typed(own: Path, cache: Path) -> None:
    root = own.parent / "after"
    run = Run(own, moved=[f"data.root={root}"])
    assert len(run.data.training) + len(run.data.held_out) == 60
    evaluation, _ = run.judged(judge(cache), BOUNDS)
    assert evaluation.protocol.data == run.data.training.fingerprint()
    assert OmegaConf.load(own / "config.yaml").data.root != str(root)


def test_data_that_are_not_where_they_were_are_missed_in_words(own: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.root=.*before does not exist"):
        Run(own)


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ("data.rot=x", "data takes no 'rot'. Did you mean 'root'?"),
        ("data.limit=soon", "data.limit: expected int | None, got 'soon'"),
    ],
)
def test_a_misspelt_option_is_refused(moved: str, said: str, own: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Run(own, moved=[f"data.root={own.parent / 'after'}", moved])


def test_images_of_another_size_than_the_model_draws_are_refused(own: Path, cache: Path) -> None:
    root = own.parent / "after"
    run = Run(own, moved=[f"data.root={root}", "data.resolution=32"])
    with pytest.raises(ValueError, match=r"Leave data\.resolution and data\.channels as"):
        run.judged(judge(cache), BOUNDS)


@pytest.mark.parametrize(
    ("samples", "images", "said"),
    [
        ((), 10, "importance=[]: type numbers of samples, such as [1,50]"),
        ((0, 5), 10, "importance=[0, 5]: type numbers of samples"),
        ((1,), 1, "bounded=1: type a number of images, such as 1000"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(
    samples: tuple[int, ...], images: int, said: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Bounds(samples, images)


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no such folder"):
        Run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no checkpoint 'last'"):
        Run(tmp_path)
