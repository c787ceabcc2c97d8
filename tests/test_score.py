"""score.py, and what else people do with a VAE: attributes, and N(0, I) in its prior's place."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from darkroom import checkpoint, config
from darkroom.evaluation import Bounds, Judge, Run
from darkroom.metrics.features import Thumbnail
from darkroom.sampling import develop, latents_of
from darkroom.verbs import sample as verbs_sample
from darkroom.verbs import score as verbs_score
from darkroom.verbs import train as verbs_train
from tests.composed import composed
from tests.pictures import album, break_file, zipped

CLASSES = ("healthy", "ill")
FILES = [
    f"{split}/{kind}/{k}.png"
    for split in ("train", "val", "test")
    for kind in CLASSES
    for k in range(8)
]


def trained(folder: Path, *arguments: str) -> Path:
    run = folder / "run"
    tree = composed("train", "experiment=smoke", f"run_dir={run}", *arguments)
    config.check(tree)
    verbs_train.train(tree, run, list(arguments))
    return run


def score(run: Path, *arguments: str) -> None:
    tree = composed("score", f"run={run}", *arguments)
    config.check(tree)
    verbs_score.score(tree)


def sample(run: Path, *arguments: str) -> None:
    tree = composed("sample", f"run={run}", *arguments)
    config.check(tree)
    verbs_sample.sample(tree)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return album(tmp_path_factory.mktemp("scans") / "scans", *FILES, mode="L")


@pytest.fixture(scope="module")
def vae(scans: Path) -> Path:
    """A VAE with a density and a prior that learns, of scans in two classes."""
    chosen = ("model=vae", "model/likelihood=gaussian", "model/prior=flow_matching")
    data = ("data=folder", f"data.root={scans}", f"data.packs={scans.parent / 'packs'}")
    return trained(scans.parent, *chosen, *data)


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("gan"), "model=gan", "~callbacks.samples")


# --- scores


def test_given_images_are_scored_and_held_against_their_classes(
    vae: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = zipped(scans, tmp_path / "scans.zip")
    chosen = (f"images={place}", "split=test", "normal=healthy", "by=distortion", "shown=3")
    score(vae, *chosen, "importance=2")
    said = capsys.readouterr().out
    assert "distortion  AUROC 0." in said
    assert "PNG files for the others has an AUROC of 0." in said
    seen = checkpoint.load(vae).images_seen
    folder = vae / "scores" / f"scans-test-{seen:010d}"
    files = {path.name for path in folder.iterdir()}
    assert files == {"scores.csv", "latents.npz", "most.png", "least.png", "report.html"}
    rows = table(folder)
    assert {row["file"] for row in rows} == {name for name in FILES if name.startswith("test")}
    assert all(row["class"] == row["file"].split("/")[1] for row in rows)
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert [row["distortion"] for row in rows] == [row["score"] for row in rows]
    assert {"iw_bound_2", "rate", "complexity", "excess", "bits_per_dim"} <= rows[0].keys()
    page = (folder / "report.html").read_text()
    assert "false alarms" in page
    assert rows[0]["file"] in page
    saved = np.load(folder / "latents.npz")
    assert saved["names"].tolist() == [row["file"] for row in rows]
    assert saved["latents"].shape == (16, checkpoint.load(vae).system.developer.latent_dim)
    assert [saved["class_names"][k] for k in saved["labels"]] == [row["class"] for row in rows]
    assert Image.open(folder / "most.png").size == (8 * 65 - 1, 65 - 1)


def test_the_runs_own_held_out_images_are_scored_where_none_are_given(
    vae: Path, tmp_path: Path
) -> None:
    score(vae, f"folder={tmp_path}", "checkpoint=best")
    assert {row["file"] for row in table(tmp_path)} == {n for n in FILES if n.startswith("val")}
    assert "AUROC" not in (tmp_path / "report.html").read_text()


def test_images_without_classes_or_names_are_scored(tmp_path: Path) -> None:
    plain = ("model/likelihood=bernoulli", "model/prior=standard")
    digits = trained(tmp_path, "model=vae", *plain, "~callbacks.samples")
    with pytest.raises(ValueError, match="by=excess: a Bernoulli tells no bits of an image"):
        score(digits, "by=excess")
    score(digits, f"folder={tmp_path / 'own'}", "normal=0")
    assert table(tmp_path / "own")[0].keys() >= {"negative_elbo", "class"}
    size = OmegaConf.load(digits / "config.yaml").data.resolution
    album(tmp_path / "pictures", n=3, mode="L", size=(size, size))
    break_file(tmp_path / "pictures" / "001.png")
    score(digits, f"images={tmp_path / 'pictures'}", f"folder={tmp_path / 'given'}")
    rows = table(tmp_path / "given")
    assert sorted(row["file"] for row in rows) == ["000.png", "002.png"]
    assert {row["class"] for row in rows} == {""}


def test_all_folders_of_a_split_set_are_scored_and_that_is_said(
    vae: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(vae, f"images={scans}", f"folder={tmp_path}")
    assert (
        "are called test, train, validation, and all of them are scored" in capsys.readouterr().out
    )
    assert len(table(tmp_path)) == len(FILES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["by=beauty"], "by=beauty: type one of bound, distortion, rate, complexity, excess."),
        (["split=evening"], "split=evening: type one of training, held_out, test."),
        (["shown=0"], "shown=0: type a number from 1 on"),
        (["importance=0"], "importance=0: type a number of samples"),
        (["normal=sane"], "normal=sane: the images have no such class. The classes are healthy"),
        (["images=nowhere"], "images=nowhere is neither a folder nor a .zip"),
        (["images=flat", "split=test"], "split=test: images=flat has no folder of that name"),
        (["images=flat", "normal=healthy"], "Sort them into a folder for each class"),
        (["by_=bound"], "Did you mean 'by'"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    arguments: list[str], said: str, vae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    album(Path("flat"), n=2, mode="L")
    with pytest.raises(ValueError, match=re.escape(said)):
        score(vae, *arguments)


def test_a_gan_is_told_that_it_scores_nothing(gan: Path) -> None:
    with pytest.raises(ValueError, match=r"is a GAN, which knows no bound of an image\."):
        score(gan)


# --- attributes


def test_what_a_class_has_is_added_to_images(
    vae: Path, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("draw=attribute", "draw.plus=ill", "draw.minus=healthy", "draw.n=2", "draw.steps=3")
    sample(vae, *chosen, f"folder={tmp_path / 'held-out'}")
    assert "ill (8 images) and healthy (8)" in capsys.readouterr().out
    assert len(list((tmp_path / "held-out").iterdir())) == 2 * 4 + 1
    sample(vae, *chosen, f"images={scans}", f"folder={tmp_path / 'given'}")
    system, first = checkpoint.load(vae).system, tmp_path / "given" / "000000"
    original = torch.from_numpy(np.array(Image.open(f"{first}-real.png")))[None, None]
    with torch.no_grad():
        rebuilt = system.reconstruct(original / 127.5 - 1)
    middle = torch.from_numpy(np.array(Image.open(f"{first}-001.png")))
    assert ((rebuilt[0, 0] + 1) * 127.5 - middle).abs().max() <= 1


# --- N(0, I) in the place of a prior that learned


def test_samples_of_the_standard_prior_are_decoded_from_their_seeds(
    vae: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(vae, tmp_path / "run")
    for prior in ("learned", "standard"):
        sample(run, "draw.n=2", f"prior={prior}")
    seen = checkpoint.load(run).images_seen
    pixels = {
        path.name: np.array(Image.open(path / "seed-000001.png"))
        for path in (run / "drawn").iterdir()
    }
    standard, learned = f"samples-{seen:010d}-standard_prior", f"samples-{seen:010d}"
    assert pixels.keys() == {standard, learned}
    assert (pixels[standard] != pixels[learned]).any()
    system = checkpoint.load(run).system
    with torch.no_grad():
        expected = system.decoded(latents_of([1], system.developer.latent_dim))
    (made,) = develop(system.with_standard_prior(), latents_of([1], system.latent_dim))
    assert ((expected[0] + 1) * 127.5 - made[0]).abs().max() <= 1
    assert (made[0, 0].int() - torch.from_numpy(pixels[standard]).int()).abs().max() <= 1


def test_a_system_past_its_prior_is_a_copy_and_one_without_is_itself(
    vae: Path, tmp_path: Path
) -> None:
    system = checkpoint.load(vae).system
    before = system(latents_of([3], system.latent_dim))
    past = system.with_standard_prior()
    assert past is not system
    assert past.with_standard_prior() is past
    assert torch.equal(system(latents_of([3], system.latent_dim)), before)
    images = torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)
    assert torch.equal(past.encode(images), system.developer.encode(images))


def test_an_evaluation_past_the_prior_says_so_and_is_kept_apart(vae: Path, tmp_path: Path) -> None:
    run = shutil.copytree(vae, tmp_path / "run")
    judge, bounds = Judge(Thumbnail(), 20, cache=str(tmp_path / "features")), Bounds((1,), 4)
    learned, standard = Run(run), Run(run, prior="standard")
    evaluation, _ = standard.judged(judge, bounds)
    assert evaluation.subject == f"{run}, prior=standard"
    assert "prior=standard: the samples are of latents from N(0, I)" in evaluation.notes[0]
    folder = standard.report_folder(evaluation)
    assert folder.name == f"{learned.report_folder(evaluation).name}-standard_prior"
    evaluation.write(folder / "metrics.json")
    assert learned.found(judge, bounds) is None
    found = standard.found(judge, bounds)
    assert found is not None
    assert found[0] == evaluation


def test_another_prior_or_that_of_a_gan_is_refused(vae: Path, gan: Path) -> None:
    with pytest.raises(ValueError, match="prior=flat: type learned or standard"):
        sample(vae, "prior=flat")
    with pytest.raises(ValueError, match=re.escape("prior=standard: a GAN draws from N(0, I) any")):
        sample(gan, "prior=standard")
    with pytest.raises(ValueError, match="prior=standard: a GAN"):
        Run(gan, prior="standard")
