"""prepare.py from end to end: a report, and a command that runs as it is printed."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from darkroom import checkpoint, config
from darkroom.verbs import prepare as preparing
from tests.commands import ROOT, Done, call
from tests.composed import composed
from tests.pictures import album, break_file, picture

NAME = "my sprites (1)"
BROKEN = "heroes/07\udcff.png"  # as Python has a byte that is no UTF-8
STRICT = {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8:strict"}
QUICK = (
    "trainer.max_images=32",
    "callbacks.quality.every=32",
    "callbacks.quality.n=8",
    "callbacks.samples.every=32",
    "callbacks.reconstructions.every=32",
    "callbacks.checkpoints.every=32",
)


def sprites(folder: Path) -> Path:
    """Two classes of sprites with transparency; three are duplicates.

    One file is broken, and its name is no Unicode.
    """
    names = [f"{kind}/{k:02d}.png" for kind in ("heroes", "it's") for k in range(60)]
    album(folder, *names, mode="RGBA", size=(24, 16))
    break_file(folder / names[7])
    (folder / names[7]).rename(folder / BROKEN)
    for number in range(3):
        shutil.copy(folder / names[number], folder / "heroes" / f"copy-{number}.png")
    (folder / "notes.txt").touch()
    return folder


def refused(done: Done, said: str) -> None:
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def command(done: Done) -> str:
    (line,) = re.findall(r"(?m)^  (python train\.py .*)$", done.stdout)
    return line


def pasted(cwd: Path, line: str, *further: str) -> Done:
    """Runs a printed command in a shell, behind which something more was typed."""
    environment = os.environ | STRICT
    script = line.replace("python train.py", f"{shlex.quote(sys.executable)} {ROOT}/train.py", 1)
    return subprocess.run(
        ["bash", "-c", f"{script} {shlex.join(further)}"],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder in which `prepare.py` ran, and what it said."""
    cwd = tmp_path_factory.mktemp("prepared")
    sprites(cwd / NAME)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONIOENCODING", STRICT["PYTHONIOENCODING"])
        typed = (f"data.root='{NAME}'", "probe=0.5", "hydra.run.dir='the report'")
        done = call(cwd, "prepare", *typed)
    assert done.returncode == 0, done.stderr
    return cwd, done


def test_a_report_is_made_and_told_of(prepared: tuple[Path, Done]) -> None:
    cwd, done = prepared
    report = cwd / "the report"
    assert {path.name for path in report.iterdir()} == {"report.html", "report.json", "images.csv"}
    for name in ("report.html", "images.csv"):
        assert f"the report/{name}" in done.stdout
    assert {path.name for path in cwd.iterdir()} == {NAME, "the report", "data"}
    assert [path.name for path in (cwd / "data").iterdir()] == ["packs"]


def test_the_report_says_what_is_there(prepared: tuple[Path, Done]) -> None:
    cwd, done = prepared
    facts = json.loads((cwd / "the report" / "report.json").read_text())
    found = facts["inspection"]
    assert (found["images"], found["shape"]) == (122, [4, 16, 24])
    assert found["classes"] == {"heroes": 62, "it's": 60}
    assert found["broken"].keys() == {BROKEN}
    assert found["ignored"] == {".txt": 1}
    assert found["identical"] == [[f"heroes/{k:02d}.png", f"heroes/copy-{k}.png"] for k in range(3)]
    assert facts["estimate"]["images_per_second"] > 0
    assert "1 file cannot be read" in done.stdout
    assert "images/s" in done.stdout
    table = cwd / "the report" / "images.csv"
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert (len(rows), rows[BROKEN]["label"]) == (123, "heroes")


def test_the_command_runs_as_printed_on_the_pack_that_is_there(
    prepared: tuple[Path, Done], tmp_path: Path
) -> None:
    cwd, said = prepared
    done = pasted(cwd, command(said), *QUICK, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "decoding into" not in done.stderr + done.stdout
    assert "=auto: " not in done.stdout
    written = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert (written.data.root, written.data.resolution, written.data.channels) == (
        NAME,
        [16, 24],
        4,
    )
    assert checkpoint.load(tmp_path / "run").images_seen == 32


@pytest.mark.slow
def test_near_duplicates_are_kept_together_by_the_command_that_is_printed(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    for number in range(60):
        soft = picture(number, size=(4, 4)).resize((32, 32), 3)
        soft.save(tmp_path / "album" / f"{number}.png")
        soft.save(tmp_path / "album" / f"{number}.jpg", quality=90)
    typed = ("data.root=album", "model=vae", "probe=0", "hydra.run.dir='a report'", "seed=3")
    done = call(tmp_path, "prepare", *typed)
    assert done.returncode == 0, done.stderr
    line = command(done)
    assert "data.table=\"'a report/images.csv'\"" in line
    assert shlex.split(line)[2] == "model=vae"
    assert "seed=3" in shlex.split(line)
    assert "The recommended command keeps each group together." in done.stdout
    assert "not timed" in done.stdout
    done = pasted(tmp_path, line, *QUICK, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    again = call(tmp_path, "prepare", *typed[:3], "seed=3", "data.table='a report/images.csv'")
    assert "near-duplicates on both sides" not in again.stdout
    assert "120 files look like another (60 groups)" in again.stdout


# --- what is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data.root=x", "data.fitt=pad"], "data takes no 'fitt'. Did you mean 'fit'?"),
        (["data.root=x", "porbe=0"], "the root takes no 'porbe'. Did you mean 'probe'?"),
        (["data.root=x", "model.generator.widht=8"], "Did you mean 'width'?"),
        ([], "data.root is not set. Type data.root=<value>."),
    ],
)
def test_a_misspelt_option_is_refused_before_torch_is_imported(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = call(tmp_path, "prepare", *arguments, python=("-X", "importtime"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    refused(done, said)
    assert "hydra" in imported
    assert not {"torch", "lightning", "scipy"} & imported
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = call(tmp_path, "prepare", "data.root=x", "hydra.run.dir=file/report")
    refused(done, f"hydra.run.dir={tmp_path / 'file'}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def prepare(*arguments: str) -> None:
    """In this process, for what would not be worth a process of its own."""
    arguments = (*arguments, *([] if "data=digits" in arguments else ["data.packs=packs"]))
    tree = composed("prepare", "probe=0", "run_dir=report", *arguments)
    config.check(tree)

    def train_config(overrides: list[str]) -> config.DictConfig:
        recommended = composed("train", *overrides)
        config.check(recommended)
        return recommended

    preparing.prepare(tree, list(arguments), "gan", train_config)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["data=digits"], "Digits comes prepared. Type data=folder data.root=<path>."),
        (["data.root=nowhere"], "data.root=nowhere does not exist"),
        (["data.root=empty"], "data.root=empty holds no image"),
        (["data.root=broken"], "1 of 1 files cannot be read"),
        (["data=celeba", "data.root=."], "CelebA is not there"),
        (["data=hf", "data.name=empty"], "data.name=empty cannot be loaded"),
    ],
)
def test_what_cannot_be_prepared_is_refused_and_leaves_no_report(
    arguments: list[str], said: str, here: Path
) -> None:
    album(here / "album", n=3)
    album(here / "broken", n=1)
    break_file(here / "broken" / "000.png")
    (here / "empty").mkdir()
    with pytest.raises(ValueError, match=re.escape(said)):
        prepare(*arguments)
    assert not (here / "report").exists()


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    out = capsys.readouterr().out
    (line,) = re.findall(r"(?m)^  python train\.py (.*)$", out)
    return line


@pytest.mark.parametrize("n", [1, 2, 3])
def test_of_very_few_images_there_is_a_report_and_it_says_why_nothing_would_run(
    n: int, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album(here / "album", n=n)
    prepare("data.root=album", "probe=0.01")
    assert "It would not run: data." in capsys.readouterr().out
    assert (here / "report" / "report.html").exists()


def test_images_that_are_all_set_apart_are_reported_too(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album(here / "kept", *(f"val/{k}.png" for k in range(3)), "test/0.png")
    prepare("data.root=kept")
    assert "leaves nothing to train" in capsys.readouterr().out


def test_options_of_the_model_and_of_the_data_go_into_the_command(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album(here / "album", n=30)
    prepare("data.root=album", "model.generator.width=8", "data.fit=pad", "data.limit=20", "seed=4")
    line = shlex.split(printed(capsys))
    assert {"model.generator.width=8", "model.discriminator.width=32", "data.fit=pad"} <= set(line)
    assert {"data.packs=packs", "seed=4"} <= set(line)
    assert not [o for o in line if o.startswith(("probe", "to=", "run_dir"))]


def soft_album(folder: Path, n: int) -> Path:
    """Pictures, each of them twice: near-duplicates."""
    folder.mkdir()
    for number in range(n):
        soft = picture(number, size=(4, 4)).resize((32, 32), 3)
        soft.save(folder / f"{number:02d}.png")
        soft.save(folder / f"{number:02d}.jpg", quality=90)
    return folder


def test_celeba_is_fetched_if_asked_for_and_gets_no_table(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(root: str, download: bool) -> None:
        names = [f"{k:06d}.jpg" for k in range(1, 21)]
        faces = album(Path(root) / "celeba" / "img_align_celeba", *names, size=(178, 218))
        lines = [f"{name} {k // 15}\n" for k, name in enumerate(names)]
        (Path(root) / "celeba" / "list_eval_partition.txt").write_text("".join(lines))
        shutil.copy(faces / names[0], faces / names[-1])  # from training to what is held out

    monkeypatch.setattr("darkroom.data.known.torchvision_datasets.CelebA", fetch)
    prepare("data=celeba", "data.root=.", "data.download=true")
    out = capsys.readouterr().out
    assert "The split came with the images" in out
    assert "data.table" not in out.partition("Recommended")[2]


def test_near_duplicates_of_a_set_of_the_hub_are_reported_without_a_table(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datasets import Dataset, Features, Image

    files = sorted(soft_album(here / "files", 20).iterdir())
    cells = [{"bytes": file.read_bytes(), "path": None} for file in files]
    table = Dataset.from_dict({"image": cells}, features=Features({"image": Image()}))
    table.save_to_disk(str(here / "set"))
    prepare("data=hf", "data.name=set", "data.validation=0.4")
    out = capsys.readouterr().out
    assert "near-duplicates on both sides of the split" in out
    assert "Type to=streaming, whose parts keep each group together." in out
    assert "data.table" not in out.partition("Recommended")[2]


def test_a_users_own_groups_stay_and_the_report_says_what_they_miss(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "album").mkdir()
    for number in range(20):
        soft = picture(number, size=(4, 4)).resize((32, 32), 3)
        soft.save(here / "album" / f"ann-{number}.png")
        soft.save(here / "album" / f"{number}-bob.jpg", quality=90)
    prepare("data.root=album", "data.group='(ann|bob)'", "data.validation=0.4")
    out = capsys.readouterr().out
    assert "Name each group in the column 'group' of data.table, as images.csv does." in out
    assert "data.table" not in out.partition("Recommended")[2].partition("table  ")[0]


# --- shards


def test_shards_are_written_and_the_command_streams_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soft_album(here / "al (bum)", 40)
    typed = ("data.root='al (bum)'", "data.validation=0.4", "data.fit=pad", "data.batch_size=4")
    prepare(*typed, "model.generator.width=8", "seed=3", "to=streaming", "probe=0.01")
    out = capsys.readouterr().out
    assert "The shards keep each group together." in out
    (line,) = re.findall(r"(?m)^  python train\.py (.*)$", out)
    overrides = shlex.split(line)
    assert {"data=streaming", "seed=3", "data.batch_size=4", "model.generator.width=8"} <= {
        *overrides
    }
    assert not [o for o in overrides if o.startswith(("data.fit", "data.validation", "data.packs"))]
    tree = composed("train", *overrides)
    assert config.problems(tree) == []
    assert tree.data.root == "data/shards/al (bum)"
    data = config.build(tree.data)
    data.setup()
    sizes = [len(data.training), len(data.held_out), len(data.test)]
    assert (sum(sizes), data.training.shape) == (80, (3, 32, 32))
    assert sizes[0] % 2 == sizes[1] % 2 == 0  # no pair is torn apart
    with pytest.raises(ValueError, match="al \\(bum\\)"):  # never over those that are there
        prepare(*typed, "to=streaming")
