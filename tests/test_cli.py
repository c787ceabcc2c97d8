"""The verbs from end to end: what is typed, what lies in the folder afterwards, what is refused."""

import csv
import hashlib
import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchvision.transforms.v2 import functional as transforms

from darkroom import checkpoint, cli, config
from darkroom.sampling import drawn
from tests.commands import call, content, made, resume, sample, train
from tests.pictures import album, break_file, zipped


def budget(run: Path) -> int:
    return OmegaConf.load(run / "config.yaml").trainer.max_images


def table(run: Path) -> dict[str, list[int]]:
    """The steps in metrics.csv, by name."""
    steps = defaultdict(list)
    with (run / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            steps[row["name"]].append(int(row["images_seen"]))
    return steps


def values(run: Path) -> dict[tuple[str, int], float]:
    with (run / "metrics.csv").open(newline="") as file:
        return {
            (row["name"], int(row["images_seen"])): float(row["value"])
            for row in csv.DictReader(file)
        }


def board(run: Path) -> EventAccumulator:
    return EventAccumulator(str(run / "tensorboard")).Reload()


def steps_of(events: EventAccumulator, tag: str) -> list[int]:
    """Without repetitions: HPARAMS shows a run's last numbers by writing them a second time."""
    return list(dict.fromkeys(event.step for event in events.Scalars(tag)))


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("gan"))


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("vae"), "model=vae")


@pytest.fixture(params=["gan", "vae"])
def run(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture
def copy(gan: Path, tmp_path: Path) -> Path:
    """A run that a test may spoil."""
    return shutil.copytree(gan, tmp_path / "copy")


# --- a run


def test_a_run_leaves_config_manifest_table_checkpoints_and_pictures(run: Path) -> None:
    files = {str(path.relative_to(run)) for path in content(run)}
    assert {
        "config.yaml",
        "run.json",
        "metrics.csv",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        f"samples/{budget(run):010d}.png",
    } <= files
    assert not [name for name in files if name.endswith(".part")]
    assert sorted(path.name for path in run.parent.iterdir()) == ["run"]


def test_only_a_model_with_an_encoder_leaves_reconstructions(gan: Path, vae: Path) -> None:
    assert (vae / "reconstructions" / f"{budget(vae):010d}.png").exists()
    assert not (gan / "reconstructions").exists()


def test_the_config_in_the_folder_is_whole_and_does_not_say_where_the_folder_is(run: Path) -> None:
    text = (run / "config.yaml").read_text()
    assert config.problems(config.parse(text)) == []
    assert str(run.parent) not in text


def test_the_manifest_says_what_was_typed(vae: Path) -> None:
    (entry,) = json.loads((vae / "run.json").read_text())
    assert entry["overrides"] == ["experiment=smoke", "model=vae"]


LOGGED = {
    "gan": {
        "loss/discriminator",
        "loss/generator",
        "probability/real",
        "probability/fake_before",
        "probability/fake_after",
        "vitals/accuracy",
        "vitals/overfitting",
        "vitals/gradient_norm/discriminator",
        "vitals/gradient_norm/generator",
    },
    "vae": {
        "loss/vae",
        "rate",
        "distortion",
        "validation/rate",
        "validation/distortion",
        "validation/negative_elbo",
        "vitals/active_units",
        "vitals/overfitting",
        "vitals/gradient_norm/network",
    },
}
OBSERVED = {
    "quality/kid_thumbnail",
    "throughput/images_per_second",
    "throughput/peak_memory_mib",
    "throughput/seconds",
    "vitals/dead_units",
    "vitals/diversity",
    "vitals/drift",
}


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_tensorboard_and_the_table_hold_the_same_curves_until_the_last_image(
    model: str, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(model)
    events = board(run)
    shown = {tag: steps_of(events, tag) for tag in events.Tags()["scalars"]}
    assert set(table(run)) == LOGGED[model] | OBSERVED
    assert shown == table(run)
    assert max(map(max, shown.values())) == budget(run) == shown["quality/kid_thumbnail"][-1]


def test_tensorboard_shows_samples_and_hyperparameters(run: Path) -> None:
    events = board(run)
    assert [image.step for image in events.Images("samples")][-1] == budget(run)
    hyperparameters = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    assert b"data.batch_size" in hyperparameters


# --- a run that goes on


def test_a_resumed_run_continues_where_it_stopped(copy: Path) -> None:
    before, more = table(copy), 3 * budget(copy) // 2
    done = call(copy.parent, "train", "resume=copy", f"trainer.max_images={more}")
    assert done.returncode == 0, done.stderr
    assert budget(copy) == more == checkpoint.load(copy).images_seen
    assert len(json.loads((copy / "run.json").read_text())) == 2
    for name, steps in table(copy).items():
        assert steps == sorted(set(steps))
        assert steps[: len(before[name])] == before[name]
    assert max(map(max, table(copy).values())) == more
    for tag, steps in table(copy).items():
        assert steps_of(board(copy), tag) == steps
    assert sorted(path.name for path in copy.parent.iterdir()) == ["copy"]


def test_a_finished_run_says_so_and_stays_as_it_is(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(copy)
    assert resume(copy) is None
    assert "nothing to do. Type trainer.max_images=<more>" in capsys.readouterr().out
    assert content(copy) == before


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("data=digits", "a resumed run keeps its data"),
        ("callbacks=default", "a resumed run keeps its callbacks"),
        ("~callbacks.samples", "'~callbacks'. Did you mean 'callbacks'"),
        ("++trainer.max_image=100", "Did you mean 'max_images'"),
        ("++sed=3", "Did you mean 'seed'"),
        ("++model.generator.width=3", "holds another architecture"),
        ("++data.batch_size=100000", "larger than the training set"),
        ("++trainer.gradient_clip_val=1", "works for one optimizer, and a GAN has two"),
    ],
)
def test_what_a_resumed_run_cannot_take_leaves_it_as_it_was(
    argument: str, said: str, copy: Path
) -> None:
    before = {path: text for path, text in content(copy).items() if "events" not in path.name}
    with pytest.raises(ValueError, match=re.escape(said)):
        resume(copy, "++trainer.max_images=100000", argument)
    after = {path: text for path, text in content(copy).items() if "events" not in path.name}
    assert after == before


def test_a_new_run_never_goes_into_the_folder_of_another(copy: Path) -> None:
    before = content(copy)
    with pytest.raises(ValueError, match=f"holds a run already. Type resume={copy}"):
        train(copy)
    assert content(copy) == before


# --- a run that begins with another's weights


def test_a_run_begins_with_the_weights_of_another_says_so_and_needs_it_no_more(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, run = copy / "checkpoints" / "last.ckpt", tmp_path / "tuned"
    more = ("data.limit=60", "data.channels=3", "trainer.max_images=16")
    train(run, f"init_from={copy}", *more)
    said = capsys.readouterr().out
    assert f"begins with the averaged weights of {origin} ({budget(copy)} images; sha256 " in said
    assert "adapted      layers.0: channels 1 -> 3, judged alike" in said
    (entry,) = json.loads((run / "run.json").read_text())
    record = entry["init_from"]
    assert record["checkpoint"] == str(origin)
    assert record["sha256"] == hashlib.sha256(origin.read_bytes()).hexdigest()
    assert [each["network"] for each in record["networks"]] == ["generator", "discriminator"]
    assert [each["share"] for each in record["networks"]] == [1.0, 1.0]
    assert checkpoint.load(run).images_seen == 16

    shutil.rmtree(copy)
    resume(run, "trainer.max_images=32")
    assert checkpoint.load(run).images_seen == 32
    assert OmegaConf.load(run / "config.yaml").init_from == str(copy)
    assert ["init_from" in each for each in json.loads((run / "run.json").read_text())] == [
        True,
        False,
    ]
    with pytest.raises(ValueError, match="Leave out either resume or init_from"):
        resume(run, f"++init_from={copy}")


# --- a run on one's own images

OWN = ("data=folder", "data.root=sprites", "data.packs=packs")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VAE of sprites with transparency, two of which are broken."""
    cwd = tmp_path_factory.mktemp("own")
    names = [f"{kind}/{k:02d}.png" for kind in ("heroes", "monsters") for k in range(50)]
    album(cwd / "sprites", *names, mode="RGBA", size=(24, 16))
    for name in names[7::50]:
        break_file(cwd / "sprites" / name)
    done = call(cwd, "train", "experiment=smoke", "hydra.run.dir=run", "model=vae", *OWN)
    assert done.returncode == 0, done.stderr
    (cwd / "said").write_text(done.stdout + done.stderr)
    return cwd / "run"


@pytest.fixture
def own_copy(own: Path, tmp_path: Path) -> Path:
    return shutil.copytree(own.parent, tmp_path / "copy") / "run"


def test_what_the_images_settled_is_said_and_written_into_the_config_and_the_checkpoint(
    own: Path,
) -> None:
    said = (own.parent / "said").read_text()
    assert "data.channels=auto: 4 (" in said
    assert "data.resolution=auto: [16, 24] (" in said
    assert "2 of 100 files cannot be read" in said
    written = OmegaConf.load(own / "config.yaml")
    for tree in (written, checkpoint.load(own).config):
        assert (tree.data.resolution, tree.data.channels) == ([16, 24], 4)
        assert (tree.model.network.resolution, tree.model.network.channels) == ([16, 24], 4)
    (pack,) = (path for path in (own.parent / "packs").iterdir() if path.is_dir())
    assert (pack / "left-out.txt").read_text().count("\n") == 2


def test_what_lightning_says_of_itself_is_not_passed_on(own: Path) -> None:
    said = (own.parent / "said").read_text()
    assert not re.search("litlogger|LitLogger|GPU available|TPU available|Tip:|💡", said)


def test_the_config_a_run_on_ones_own_images_leaves_is_whole(own: Path) -> None:
    assert config.problems(config.parse((own / "config.yaml").read_text())) == []


def test_a_run_on_ones_own_images_shows_them_with_their_transparency(own: Path) -> None:
    for folder in ("samples", "reconstructions"):
        assert Image.open(own / folder / f"{budget(own):010d}.png").mode == "RGBA"


def test_a_run_on_ones_own_images_resumes_on_the_pack_that_is_there(own_copy: Path) -> None:
    (pack,) = (own_copy.parent / "packs").glob("*/pixels.u8")
    before = pack.stat()
    more = 2 * budget(own_copy)
    done = call(own_copy.parent, "train", "resume=run", f"trainer.max_images={more}")
    assert done.returncode == 0, done.stderr
    assert checkpoint.load(own_copy).images_seen == more
    assert (pack.stat().st_ino, pack.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert "=auto: " not in done.stdout  # it was settled once
    first, second = json.loads((own_copy / "run.json").read_text())
    assert first["data"] == second["data"]


def test_reconstructions_of_ones_own_images_are_those_of_the_training_grid(own: Path) -> None:
    n = OmegaConf.load(own / "config.yaml").callbacks.reconstructions.n
    arguments = ("run=run", "draw=reconstruction", f"draw.n={n}", "folder=drawn")
    done = call(own.parent, "sample", *arguments)
    assert done.returncode == 0, done.stderr
    drawn = Image.open(own.parent / "drawn" / "grid.png")
    expected = Image.open(own / "reconstructions" / f"{budget(own):010d}.png")
    assert (drawn.mode, drawn.tobytes()) == (expected.mode, expected.tobytes())
    assert Image.open(own.parent / "drawn" / "000000-real.png").size == (24, 16)


@pytest.mark.promise(
    "an option of one's own images is misspelt",
    "it is refused before a file is decoded",
)
def test_a_misspelt_option_is_refused_before_anything_is_decoded(own: Path, tmp_path: Path) -> None:
    shutil.copytree(own.parent / "sprites", tmp_path / "sprites")
    for typed in ("data.max_brokn=1", "model.network.widht=8", "trainer.max_image=9"):
        done = call(tmp_path, "train", *OWN, "model=vae", typed)
        assert done.returncode == 2
        assert "Did you mean" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["sprites"]


# --- images of a run


def test_a_seed_gives_the_image_of_the_training_grid_in_any_batch_size(
    gan: Path, tmp_path: Path
) -> None:
    n = OmegaConf.load(gan / "config.yaml").callbacks.samples.n
    done = call(tmp_path, "sample", f"run={gan}", f"draw.n={n}", "batch_size=7", "folder=seven")
    assert done.returncode == 0, done.stderr
    sample(gan, f"draw.n={n}", "batch_size=64", f"folder={tmp_path / 'many'}")
    seven, many = (
        {path.name: Image.open(path).tobytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("seven", "many")
    )
    assert set(seven) == {f"seed-{seed:06d}.png" for seed in range(n)} | {"grid.png"}
    assert seven == many
    assert seven["grid.png"] == Image.open(gan / "samples" / f"{budget(gan):010d}.png").tobytes()


def test_drawings_lie_within_the_run_unless_told_otherwise(copy: Path) -> None:
    sample(copy, "draw=interpolation", "draw.n=2", "draw.steps=3", "checkpoint=best")
    (drawn,) = (copy / "drawn").iterdir()
    assert drawn.name.startswith("interpolation-")
    assert len(list(drawn.glob("seed-*.png"))) == 2 * 3


def test_reconstructions_are_those_of_the_training_grid(vae: Path, tmp_path: Path) -> None:
    n = OmegaConf.load(vae / "config.yaml").callbacks.reconstructions.n
    sample(vae, "draw=reconstruction", f"draw.n={n}", f"folder={tmp_path}")
    expected = Image.open(vae / "reconstructions" / f"{budget(vae):010d}.png")
    assert Image.open(tmp_path / "grid.png").tobytes() == expected.tobytes()
    assert len(list(tmp_path.glob("*-rebuilt.png"))) == len(list(tmp_path.glob("*-real.png"))) == n


def picture(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        return transforms.pil_to_tensor(image)


def test_truncation_is_an_option_like_any_other(gan: Path, tmp_path: Path) -> None:
    sample(gan, "draw.truncation=0.5", "draw.n=2", f"folder={tmp_path}")
    expected = torch.cat(list(drawn(checkpoint.load(gan).system, range(2), truncation=0.5)))
    assert torch.equal(picture(tmp_path / "seed-000001.png"), expected[1])


def test_given_images_are_inverted_and_what_was_found_is_edited(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # the pack of the given images lies below
    resolution = OmegaConf.load(run / "config.yaml").data.resolution
    album(Path("pictures"), n=4, mode="L", size=(resolution, resolution))
    break_file(Path("pictures", "002.png"))
    quick = ("draw.steps=3", "draw.candidates=8", "batch_size=8")
    sample(run, "draw=inversion", "images=pictures", "folder=found", *quick)
    said = capsys.readouterr().out
    assert "images=pictures: 1 of 4 files cannot be read" in said
    assert "median PSNR" in said
    for number, name in enumerate(("000", "001", "003")):
        given = picture(Path("pictures", f"{name}.png"))
        assert torch.equal(picture(Path("found", f"{number:06d}-real.png")), given)

    few = ("draw.n=1", "draw.steps=3", "draw.samples=1", "draw.first_seed=1", "batch_size=8")
    sample(run, "draw=directions", "draw.latents=found", "folder=edited", *few)
    assert "share of the images' response" in capsys.readouterr().out
    edited = [
        f"direction-000-{name}-{k:03d}.png" for name in ("000001", "000002") for k in range(3)
    ]
    assert {path.name for path in Path("edited").iterdir()} == {*edited, "grid.png"}
    for number in ("000001", "000002"):
        unmoved = picture(Path("edited", f"direction-000-{number}-001.png"))
        assert torch.equal(unmoved, picture(Path("found", f"{number}-inverted.png")))


def test_held_out_images_are_inverted_where_none_are_given(copy: Path) -> None:
    sample(copy, "draw=inversion", "draw.n=2", "draw.steps=1", "draw.candidates=4")
    (folder,) = (copy / "drawn").iterdir()
    assert folder.name == f"inversion-{budget(copy):010d}"
    data = config.build(checkpoint.load(copy).config.data)
    data.setup()
    assert torch.equal(picture(folder / "000001-real.png"), data.held_out.some(2)[1])
    assert (folder / "latents.json").exists()


def test_given_images_are_rebuilt(
    vae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resolution = OmegaConf.load(vae / "config.yaml").data.resolution
    place = zipped(
        album(tmp_path / "pictures", n=2, mode="L", size=(resolution, resolution)),
        tmp_path / "pictures.zip",
    )
    sample(vae, "draw=reconstruction", f"images={place}", f"folder={tmp_path / 'drawn'}")
    given = picture(tmp_path / "pictures" / "001.png")
    assert torch.equal(picture(tmp_path / "drawn" / "000001-real.png"), given)
    assert (tmp_path / "drawn" / "000001-rebuilt.png").exists()


def test_images_are_scored_from_the_command_line(vae: Path, tmp_path: Path) -> None:
    size = OmegaConf.load(vae / "config.yaml").data.resolution
    names = [f"{kind}/{k}.png" for kind in ("healthy", "ill") for k in range(2)]
    album(tmp_path / "scans", *names, mode="L", size=(size, size))
    done = call(tmp_path, "score", f"run={vae}", "images=scans", "normal=healthy", "folder=scored")
    assert done.returncode == 0, done.stderr
    assert "How well scores find what is not healthy" in done.stdout
    with (tmp_path / "scored" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["file"] for row in rows) == sorted(names)
    assert {path.name for path in tmp_path.iterdir()} == {"scans", "scored", "data"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["draw=attribute", "draw.plus=1"], "draw=attribute needs a model with an encoder"),
        (["draw=attribute"], "draw.plus is not set. Type draw.plus=<value>."),
        (["draw=reconstruction"], "needs a model with an encoder"),
        (["draw.truncation=-1"], "draw.truncation=-1: type a positive number such as 1.5"),
        (["draw.columns=0"], "draw.columns=0: type a number from 1 on."),
        (["batch_size=0"], "batch_size=0: type a number from 1 on, such as 64."),
        (
            ["draw=directions", "draw.latents=nowhere"],
            "draw.latents=nowhere cannot be read: No such",
        ),
        (["draw=directions", "draw.n=9999"], "draw.first=0 and draw.n=9999: this model's latents"),
        (["draw=inversion", "draw.starts=999"], "draw.starts=999: type at most draw.candidates="),
        (["draw=inversion", "images=nowhere"], "images=nowhere is neither a folder nor a .zip"),
        (["draw=inversion", "images=regular"], "images=regular is neither a folder nor a .zip"),
        (["draw=inversion", "images=empty"], "images=empty holds no image"),
        (["images=empty"], "images=empty: this drawing looks at no images. Type draw=inversion,"),
        (["draw=traversal", "images=empty"], "images=empty: this drawing looks at no images."),
        (["run=nowhere"], "run=nowhere: there is no such folder"),
        (["checkpoint=first"], "has no checkpoint 'first'. Type checkpoint=best."),
        (["device=abacus"], "device=abacus is not to be had here"),
        (["draw.first=3"], "draw takes no 'first'. Did you mean 'first_seed'?"),
        (["folder=regular/below"], "Not a directory: 'regular/below'"),
    ],
)
def test_a_sample_that_cannot_be_had_is_refused(
    arguments: list[str], said: str, gan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("regular").touch()
    Path("empty").mkdir()
    with pytest.raises((ValueError, OSError), match=re.escape(said)):
        sample(gan, *arguments)


# --- what is refused before anything happens


@pytest.mark.promise(
    "a command is typed with a mistake, or names os.system",
    "exit code 2, one short message, no folder left behind",
)
@pytest.mark.parametrize(
    ("verb", "argument", "said"),
    [
        ("train", "model.generator.widht=8", "Did you mean 'width'?"),
        ("train", "+nonsense=1", "the root takes no 'nonsense'"),
        ("train", "data=folder", "data.root is not set"),
        ("train", "model.objective={_target_:os.system,command:'touch x'}", "is no known class"),
        ("train", "resume=nowhere", "there is no run"),
        ("sample", "draw.n=4", "run is not set"),
    ],
)
def test_a_refusal_is_short_and_quick_and_leaves_nothing(
    verb: str, argument: str, said: str, tmp_path: Path
) -> None:
    done = call(tmp_path, verb, argument, python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    message = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 2
    assert said in "\n".join(message)
    assert "Traceback" not in done.stderr
    assert len(message) <= 4
    assert "hydra" in imported
    assert not {"torch", "lightning"} & imported
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("model=gna", r"Available options in 'model':\s+gan\s[\s\S]*\svae\s"),
        ("seed=soon", "'soon' of type 'str' could not be converted to Integer"),
    ],
)
def test_what_hydra_itself_refuses_is_said_and_fails(
    argument: str, said: str, tmp_path: Path
) -> None:
    done = call(tmp_path, "train", argument)
    assert done.returncode != 0
    assert re.search(said, done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise(
    "the run's folder cannot be written to",
    "exit code 2 and the option to change, before anything is made",
)
@pytest.mark.parametrize("argument", ["model=null", "model=3", "hydra=1", "~data", "x=" + 99 * "["])
def test_what_hydra_answers_with_a_traceback_is_refused(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli._refuse_what_hydra_cannot_say("train", [argument])
    assert left.value.code == 2
    assert f"{argument[:60]}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["hydra.run.dir=file/run"], ["-m", "hydra.sweep.dir=file"]])
def test_a_folder_that_cannot_be_written_to_is_refused(
    arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = call(tmp_path, "train", *arguments)
    assert done.returncode == 2
    assert f"{arguments[-1].partition('=')[0]}={tmp_path / 'file'}" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data=folder", "data.root=nowhere"], "data.root=nowhere does not exist"),
        (["data=folder", "data.root=."], "data.root=. holds no image"),
        (["data=mnist", "data.root=."], "type data.download=true"),
        (["data.batch_size=100000"], "data.batch_size=100000 is larger than the training set"),
        (["data=folder", "data.root=.", "data.window=[40]"], "data.window=[40]: type a centre"),
        (["data=folder", "data.root=.", "data.background=sky"], "data.background=sky is no colour"),
        (["data.resolution=0"], "data.resolution=0: type at least 1"),
        (["data.limit=1"], "leaves nothing to train or to validate on"),
        (["data.resolution=8"], "resolution=8 is too small"),
        (["trainer.max_steps=5"], "Type trainer.max_images="),
        (["trainer.gradient_clip_val=1"], "works for one optimizer, and a GAN has two"),
        (["trainer.accumulate_grad_batches=2"], "or type a larger data.batch_size"),
        (["trainer.num_sanity_val_steps=2"], "trainer.num_sanity_val_steps is settled"),
        (["init_from=nowhere"], "init_from=nowhere: there is no nowhere. Type the folder of a run"),
    ],
)
def test_a_run_that_cannot_start_is_refused_and_leaves_no_run(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(said)):
        train(Path("run"), *arguments)
    assert not Path("run", "config.yaml").exists()


# --- many runs, many devices


@pytest.mark.slow
def test_a_sweep_makes_a_run_of_each_choice(tmp_path: Path) -> None:
    sweep = ["-m", "model=gan,vae", "seed=1,2", "experiment=smoke", "hydra.sweep.dir=sweep"]
    done = call(tmp_path, "train", *sweep)
    assert done.returncode == 0, done.stderr
    runs = sorted(path.parent for path in (tmp_path / "sweep").glob("*/config.yaml"))
    written = [OmegaConf.load(run / "config.yaml") for run in runs]
    kinds = [(tree.model._target_.rpartition(".")[2], tree.seed) for tree in written]
    assert kinds == [("GAN", 1), ("GAN", 2), ("VAE", 1), ("VAE", 2)]
    assert all((run / "checkpoints" / "last.ckpt").exists() for run in runs)
    assert len({(run / "metrics.csv").read_text() for run in runs}) == 4


@pytest.mark.slow
def test_two_devices_train_a_vae_as_one_does_and_resume(vae: Path, tmp_path: Path) -> None:
    run = made(tmp_path, "model=vae", "trainer.devices=2", "trainer.accelerator=cpu")
    one, two = (
        {key: value for key, value in values(r).items() if not key[0].startswith("throughput")}
        for r in (vae, run)
    )
    assert two == pytest.approx(one, rel=1e-3)
    done = call(tmp_path, "train", "resume=run", f"trainer.max_images={2 * budget(run)}")
    assert done.returncode == 0, done.stderr
    assert checkpoint.load(run).images_seen == 2 * budget(vae)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.slow
def test_a_sweep_over_two_devices_makes_exactly_its_runs(tmp_path: Path) -> None:
    sweep = ["-m", "seed=1,2", "experiment=smoke", "hydra.sweep.dir=sweep"]
    done = call(tmp_path, "train", *sweep, "trainer.devices=2", "trainer.accelerator=cpu")
    assert done.returncode == 0, done.stderr
    folders = sorted(path for path in (tmp_path / "sweep").iterdir() if path.is_dir())
    assert [OmegaConf.load(run / "config.yaml").seed for run in folders] == [1, 2]
    assert [max(map(max, table(run).values())) for run in folders] == [budget(folders[0])] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sweep"]
