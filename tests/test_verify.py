"""verify.py: what is proved of an image, what is only claimed, and what is refused."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from darkroom import checkpoint, cli, config
from darkroom.provenance import origin
from darkroom.provenance.certificates import CERTIFICATE, KEY, ROOT
from darkroom.verbs import verify as verbs_verify
from darkroom.verbs.verify import Verdict
from tests.commands import call, made, sample, train
from tests.composed import composed

DRAWINGS = {
    "samples": ["draw.n=3", "draw.first_seed=5"],
    "interpolation": ["draw=interpolation", "draw.n=1", "draw.steps=3"],
    "reconstruction": ["draw=reconstruction", "draw.n=2"],
}


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "vae"
    train(run, "model=vae", "model.network.width=4", "data.num_classes=auto")
    return run


@pytest.fixture
def copy(vae: Path, tmp_path: Path) -> Path:
    """A run that a test may spoil."""
    return shutil.copytree(vae, tmp_path / "vae")


@pytest.fixture
def image(vae: Path, tmp_path: Path) -> Path:
    """The image of seed 5."""
    sample(vae, "draw.n=1", "draw.first_seed=5", f"folder={tmp_path / 'drawn'}")
    return tmp_path / "drawn" / "seed-000005.png"


Said = Callable[..., tuple[int, str]]


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]) -> Said:
    """Verifies files in this process: the status, and what is said."""

    def verify(*arguments: str | Path) -> tuple[int, str]:
        options = [str(each) for each in arguments if "=" in str(each)]
        tree = composed("verify", *options)
        tree.images = [str(each) for each in arguments if "=" not in str(each)]
        config.check(tree)
        capsys.readouterr()
        try:
            verbs_verify.verify(tree)
            status = 0
        except SystemExit as left:
            status = int(str(left.code))
        return status, capsys.readouterr().out

    return verify


def repainted(path: Path) -> None:
    """Changes one pixel, and leaves the label."""
    made_by = origin.read(path)
    assert made_by is not None
    pixels = np.array(Image.open(path))
    pixels[0, 0] ^= 1
    origin.save(torch.from_numpy(pixels)[None], path, made_by)


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_every_image_of_a_drawing_is_drawn_again_bit_for_bit(drawing, vae, verified, tmp_path):
    sample(vae, *DRAWINGS[drawing], f"folder={tmp_path / 'drawn'}")
    status, said = verified(tmp_path / "drawn", f"run={vae}")
    files = list((tmp_path / "drawn").glob("*.png"))
    assert status == Verdict.PROVED == 0
    assert said.count("bit for bit the same") == len(files) > 3
    assert f"{len(files)} files: {len(files)} proved" in said


def test_pictures_of_training_are_drawn_again(vae, verified):
    for folder in ("samples", "reconstructions"):
        newest = max((vae / folder).iterdir())
        status, said = verified(newest, f"run={vae}")
        assert (status, "bit for bit" in said) == (0, True)


def test_the_standard_priors_samples_are_drawn_again(vae, verified, tmp_path):
    sample(vae, "prior=standard", "draw.n=1", f"folder={tmp_path / 'drawn'}")
    assert verified(tmp_path / "drawn", f"run={vae}")[0] == 0


def test_the_run_is_found_below_outputs_even_if_it_was_renamed(
    vae, image, verified, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    status, said = verified(image)
    assert (status, "Type run=<its folder>" in said) == (Verdict.CLAIMED, True)
    shutil.copytree(vae, tmp_path / "outputs" / "2026-11-24" / "renamed")
    assert verified(image)[0] == 0


@pytest.mark.promise(
    "A label is forged: an image says that a run drew it that did not",
    "Where the run is at hand it is drawn again, and they differ.",
)
def test_a_forged_label_does_not_withstand_drawing_it_again(vae, image, verified):
    made_by = origin.read(image)
    assert made_by is not None
    forged = image.with_name("forged.png")
    origin.save(torch.full((1, 16, 16), 7, dtype=torch.uint8), forged, made_by)
    status, said = verified(forged, f"run={vae}")
    assert status == Verdict.DIFFERENT
    assert "of the pixels differ, by up to" in said
    origin.save(torch.full((3, 8, 8), 7, dtype=torch.uint8), forged, made_by)
    assert "8x8 pixels of 3 channels, and the run draws 16x16" in verified(forged, f"run={vae}")[1]


@pytest.mark.promise(
    "One pixel of an image is changed, and its label kept", "Drawn again, it differs by that pixel."
)
def test_one_changed_pixel_is_seen(vae, image, verified):
    repainted(image)
    status, said = verified(image, f"run={vae}")
    assert (status, "0.39% of the pixels differ, by up to 1 of 255" in said) == (6, True)


@pytest.mark.promise(
    "The run was trained on since, and its checkpoint overwritten",
    "It is said that the image cannot be drawn again, and which checkpoints there are.",
)
def test_a_checkpoint_that_is_gone_is_said(copy, image, verified):
    for path in (copy / "checkpoints").glob("*.ckpt"):
        content = checkpoint.read(path)
        content["images_seen"] += 8
        torch.save(content, path)
    status, said = verified(image, f"run={copy}")
    assert status == Verdict.CLAIMED
    assert "Either the run has gone on since, or it is another run" in said
    assert "last.ckpt of" in said


def test_the_checkpoint_before_is_tried_too(copy, image, verified):
    folder = copy / "checkpoints"
    for path in folder.glob("*.ckpt"):
        if path.stem != "last":
            path.unlink()
    (folder / "last.ckpt").replace(folder / "previous.ckpt")
    status, said = verified(image, f"run={copy}")
    assert (status, "previous.ckpt: bit for bit the same" in said) == (0, True)


def test_what_another_program_saved_is_of_unknown_origin(image, verified):
    jpeg = image.with_suffix(".jpg")
    Image.open(image).save(jpeg)
    Image.open(image).save(image)
    for path in (image, jpeg):
        status, said = verified(path)
        assert status == Verdict.UNKNOWN
        assert "a program that saves an image anew leaves out both label and signature" in said


def test_a_signed_image_is_vouched_for_without_its_run(vae, verified, tmp_path, monkeypatch):
    pytest.importorskip("c2pa")
    monkeypatch.chdir(tmp_path)
    verified("certificate=keys")
    options = [f"provenance.certificate=keys/{CERTIFICATE}", f"provenance.key=keys/{KEY}"]
    sample(vae, "draw.n=1", "folder=drawn", *options)
    status, said = verified("drawn", f"trust=keys/{ROOT}")
    assert (status, said.count("vouched for: nothing was changed")) == (0, 2)
    status, said = verified("drawn")
    assert (status, said.count("Valid, but the signer is unknown")) == (Verdict.CLAIMED, 2)
    signed = Path("drawn", "grid.png")
    content = signed.read_bytes()
    signed.write_bytes(content.replace(b'"images_seen": ', b'"images_seen":1'))
    status, said = verified(signed, f"trust=keys/{ROOT}", f"run={vae}")
    assert (status, "Invalid: changed after it was signed" in said) == (Verdict.CHANGED, True)


def test_the_worst_of_all_files_is_the_status(vae, image, verified):
    shutil.copy(image, image.with_name("plain.png"))
    Image.open(image).save(image.with_name("plain.png"))
    status, said = verified(image, image.with_name("plain.png"), f"run={vae}")
    assert (status, "1 proved, 1 of unknown origin" in said) == (Verdict.UNKNOWN, True)


def test_what_a_drawing_was_given_can_be_given_again(vae, verified, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = ("draw.n=1", "draw.steps=2", "draw.candidates=4", "draw.starts=1")
    sample(vae, "draw=inversion", "folder=found", *quick)
    sample(vae, "draw=directions", "draw.latents=found", "folder=edited", "draw.n=1",
           "draw.steps=3", "draw.samples=1", "draw.seeds=1")  # fmt: skip
    status, said = verified("edited", f"run={vae}")
    assert (status, "Type given=<them>" in said) == (Verdict.CLAIMED, True)
    assert verified("edited", f"run={vae}", "given=found")[0] == 0
    assert str(tmp_path) not in Path("edited", "grid.png").read_bytes().decode("latin-1")


HOSTILE = {
    "a class that is no drawing": {"_target_": "darkroom.data.Digits", "resolution": 16},
    "code": {"_target_": "os.system", "command": "touch evil"},
    "a place on the disk": {"_target_": "darkroom.sampling.Directions", "latents": "/etc/passwd"},
    "more images than there is memory": {"_target_": "darkroom.sampling.Samples", "n": 10**9},
    "a row of them": {"_target_": "darkroom.sampling.Samples", "n": 1, "columns": 10**9},
    "a seed that no tensor holds": {"_target_": "darkroom.sampling.Samples", "first_seed": 10**30},
    "a reference": {"_target_": "darkroom.sampling.Samples", "n": "${oc.env:HOME}"},
    "nothing": {},
}


@pytest.mark.parametrize("draw", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.promise(
    "An image claims a drawing that runs code, reads a file or fills the memory",
    "It is not drawn, and only claimed.",
)
def test_a_strangers_drawing_is_not_drawn(draw, vae, image, verified, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_by = origin.read(image)
    assert made_by is not None
    origin.save(
        torch.zeros(1, 16, 16, dtype=torch.uint8), image, replace(made_by, draw=json.dumps(draw))
    )
    status, said = verified(image, f"run={vae}")
    assert (status, "not again: " in said) == (Verdict.CLAIMED, True)
    assert not Path("evil").exists()


def part(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"gAMA", b"\0\0\0\1"),
        (b"acTL", bytes(8)),
        (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))),
    ],
)
@pytest.mark.promise(
    "A file has parts that darkroom never writes: frames, colours, a bomb of text",
    "It is called changed, and nothing is unpacked.",
)
def test_parts_that_change_what_one_sees_are_named(kind, body, vae, image, verified):
    content = image.read_bytes()
    image.write_bytes(content[:33] + part(kind, body) + content[33:])
    status, said = verified(image, f"run={vae}")
    assert status == Verdict.CHANGED
    assert f"parts ({kind.decode()}) that darkroom writes into no file" in said


@pytest.mark.promise("A PNG file of few bytes that stands for gigabytes", "It is refused.")
def test_a_bomb_is_refused(image, verified):
    content = image.read_bytes()
    header = part(b"IHDR", struct.pack(">II", 60_000, 60_000) + content[24:29])
    image.write_bytes(content[:8] + header + content[33:])
    status, said = verified(image)
    assert (status, "Its pixels cannot be read" in said) == (Verdict.CHANGED, True)


def test_a_strangers_text_does_not_move_the_cursor(image, verified):
    made_by = origin.read(image)
    assert made_by is not None
    tricky = replace(made_by, version="\x1b[2J\x1b[H")
    origin.save(torch.zeros(1, 16, 16, dtype=torch.uint8), image, tricky)
    assert "\x1b" not in verified(image)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Type the images"),
        (["nowhere.png"], "nowhere.png: there is no such file or folder"),
        (["empty"], "empty: there are no PNG files in it"),
        (["empty", "run=nowhere"], "run=nowhere: there is no such folder"),
        (["empty", "trust=nowhere"], "trust=nowhere cannot be read"),
        (["empty", "trust=a.txt"], "holds no certificate"),
    ],
)
def test_what_is_typed_wrongly_is_refused_by_its_name(
    arguments, said, verified, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("a.txt").write_text("nothing")
    if len(arguments) > 1:
        Image.new("L", (1, 1)).save("empty/a.png")
    with pytest.raises(ValueError, match=said):
        verified(*arguments)


def test_names_of_files_stand_beside_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("seed=1.png").touch()
    typed = ["a b.png", "run=x", "seed=1.png", "--cfg", "job", "[1].png"]
    rest, files = cli._without_files(typed)
    assert (rest, files) == (["run=x", "--cfg", "job"], ["a b.png", "seed=1.png", "[1].png"])


@pytest.mark.slow
def test_the_status_says_what_is_proved(tmp_path):
    run = made(tmp_path)
    done = call(tmp_path, "sample", f"run={run}", "draw.n=2", "folder=drawn")
    assert done.returncode == 0, done.stderr
    assert call(tmp_path, "verify", "drawn/seed-000001.png", f"run={run}").returncode == 0
    assert call(tmp_path, "verify", "drawn/seed-000001.png", "drawn/grid.png").returncode == 3
    assert call(tmp_path, "verify", "nowhere.png").returncode == 2
