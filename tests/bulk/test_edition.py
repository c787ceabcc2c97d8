"""Very many images: the same whoever draws them, and gone on with where it stopped."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from darkroom import bulk, checkpoint, config
from darkroom.bulk import Drawing, Edition, Folder
from darkroom.provenance import certificates, credentials, origin
from darkroom.sampling import drawn
from darkroom.verbs import bulk as verb
from tests.commands import content
from tests.composed import composed
from tests.saved import saved, small

PARTS = ["seeds-000000005-000000020", "seeds-000000021-000000036", "seeds-000000037-000000044"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("edition") / "run", small()).parents[1]


def collect(run: Path, folder: Path, *arguments: str) -> None:
    """40 images, in parts of 16."""
    options = ["draw.n=40", "draw.first_seed=5", "to=folder", "to.images=16", "workers=1"]
    tree = composed("sample", f"run={run}", f"folder={folder}", *options, *arguments)
    config.check(tree)
    verb.write(tree)


def test_images_are_those_of_their_seeds_and_say_so(run: Path, tmp_path: Path):
    collect(run, tmp_path / "images")
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["edition.json", *PARTS]
    expected = torch.cat(list(drawn(checkpoint.load(run).system, range(5, 45))))
    for seed in (5, 20, 21, 44):
        (path,) = (tmp_path / "images").glob(f"*/seed-{seed:09d}.png")
        with Image.open(path) as picture:
            assert picture.tobytes() == bytes(expected[seed - 5].flatten().tolist())
        claim = origin.read(path)
        assert (claim.seed, claim.images_seen, claim.checkpoint) == (
            seed,
            48,
            checkpoint.digest(run / "checkpoints" / "last.ckpt"),
        )


@pytest.mark.slow
@pytest.mark.parametrize("form", ["folder", "zip", "webdataset"])
def test_any_number_of_workers_writes_the_same_bytes(form, run: Path, tmp_path: Path):
    for workers in (1, 3):
        collect(run, tmp_path / str(workers), f"to={form}", f"workers={workers}")
    one, three = ({p.name: b for p, b in content(tmp_path / n).items()} for n in ("1", "3"))
    assert one == three


@pytest.mark.promise(
    "Drawing very many images is stopped", "Typed again, it draws what is missing and nothing else."
)
def test_what_is_missing_is_drawn_and_nothing_else(run: Path, tmp_path: Path, capsys):
    collect(run, tmp_path, "folder=" + str(tmp_path / "images"), "to=zip")
    whole = content(tmp_path / "images")
    there = [tmp_path / "images" / f"{name}.zip" for name in PARTS]
    there[1].unlink()
    (tmp_path / "images" / ".seeds.zip.77.part").write_bytes(b"torn")
    times = [path.stat().st_mtime_ns for path in (there[0], there[2])]
    capsys.readouterr()
    collect(run, tmp_path / "images", "to=zip")
    assert content(tmp_path / "images") == whole
    assert [path.stat().st_mtime_ns for path in (there[0], there[2])] == times
    assert "40 images, of which 24 were there, in 3 parts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("draw.n=41", "holds images with n 40, and now it is 41"),
        ("to=zip", "holds images with format Folder, and now it is Zip"),
        ("batch_size=32", "holds images with batch_size 64, and now it is 32"),
    ],
)
def test_a_folder_of_other_images_is_left_alone(option, said, run: Path, tmp_path: Path):
    collect(run, tmp_path / "images")
    before = content(tmp_path)
    with pytest.raises(ValueError, match=said):
        collect(run, tmp_path / "images", option)
    assert content(tmp_path) == before


def test_somebodys_files_are_left_alone(run: Path, tmp_path: Path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds other files\. Type folder=<a new one>"):
        collect(run, tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["to=pack"], "many images go to=folder, to=zip or to=webdataset"),
        (["workers=0"], "workers=0: type a number from 1 on, or auto"),
        (["batch_size=0"], "batch_size=0: type a number from 1 on"),
        (["label=3"], "label=3: this model was not told of any classes"),
        (["images=somewhere"], "only draw=samples makes many images"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_written(
    options, said, run: Path, tmp_path: Path
):
    if "to=pack" in options:
        options = [*options, "~to.images"]
    with pytest.raises(ValueError, match=said):
        collect(run, tmp_path / "images", *options)
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("name", ["../../etc", "/etc", "..", "a/b", "", ".hidden", "x\0y", "a\\b"])
@pytest.mark.promise(
    "A stranger's run whose classes are called ../.. and the like",
    "Images are named by the numbers of their classes; none leaves its folder.",
)
def test_names_of_classes_lead_nowhere(name, run: Path):
    known = drawing(run, 0)
    assert Drawing(**vars(known) | {"class_names": (name, "a cat")})._folder(0) == "class-000"
    assert Drawing(**vars(known) | {"class_names": (name, "a cat")})._folder(1) == "a cat"


def drawing(run: Path, number: int, victim: int | None = None) -> Drawing:
    if number == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    known = checkpoint.load(run)
    made = origin.Origin.of(known, {"_target_": "darkroom.sampling.Samples"})
    return Drawing(known.system, made, None, None, 64)


@pytest.mark.slow
@pytest.mark.promise(
    "A process that draws many images is killed",
    "A sentence says so, the others end, what is whole stays and nothing else.",
)
def test_a_killed_worker_is_told_of(run: Path, tmp_path: Path):
    edition = Edition(tmp_path / "images", 0, 64, 16, "", {})
    edition.open()
    with pytest.raises(OSError, match="A process that draws was killed"):
        bulk.write(edition, Folder(16), drawing(run, 0), partial(drawing, run, victim=1), 2)
    assert list((tmp_path / "images").glob(".*")) == []
    bulk.write(edition, Folder(16), drawing(run, 0), partial(drawing, run))
    assert edition.missing() == []


@pytest.mark.slow
def test_what_a_worker_refuses_is_said_by_the_first_process(run: Path, tmp_path: Path):
    edition = Edition(tmp_path / "images", 0, 64, 16, "", {})
    with pytest.raises(ValueError, match=r"there is no such folder"):
        bulk.write(edition, Folder(16), drawing(run, 0), partial(drawing, run / "away"), 2)


def test_processes_are_begun_where_there_is_enough_for_each(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    asked = [verb._workers("auto", parts) for parts in (0, 1, 7, 8, 40, 1000)]
    assert asked == [1, 1, 1, 2, 10, 16]
    assert verb._workers(3, 1000) == 3


def test_very_many_seeds_have_names_in_order_and_parts_that_meet(tmp_path: Path):
    edition = Edition(tmp_path, 999_990_000, 25_000, 10_000, ".tar", {})
    assert [len(part.seeds) for part in edition.parts] == [10_000, 10_000, 5_000]
    assert edition.parts[1].path.name == "seeds-1000000000-1000009999.tar"


def test_a_run_that_goes_on_meanwhile_is_noticed(run: Path, tmp_path: Path, monkeypatch):
    tree = composed("sample", f"run={run}", "to=folder")
    with pytest.raises(ValueError, match="its last checkpoint is another one by now"):
        verb._again(config.OmegaConf.to_yaml(tree), "0" * 64, 1)


def test_n_is_typed_shortly(run: Path, tmp_path: Path, monkeypatch):
    from darkroom import cli

    seen = []
    monkeypatch.setattr("darkroom.verbs.bulk.write", seen.append)
    cli._sample(composed("sample", f"run={run}", "n=1_000_000", "to=zip"))
    assert seen[0].draw.n == 1_000_000


def test_all_are_signed_where_a_certificate_is_given(run: Path, tmp_path: Path):
    pytest.importorskip("c2pa")
    certificates.make_test_chain(tmp_path / "keys")
    folder = tmp_path / "images"
    signing = [f"provenance.{k}={tmp_path}/keys/{k}.pem" for k in ("certificate", "key")]
    collect(run, folder, "draw.n=3", *signing)
    anchors = (tmp_path / "keys" / "root.pem").read_text()
    for path in folder.glob("*/*.png"):
        assert credentials.check(path.read_bytes(), anchors).state == credentials.State.TRUSTED
    with pytest.raises(ValueError, match="with signed True, and now it is False"):
        collect(run, folder, "draw.n=3")
