import json
import struct
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from darkroom.provenance import origin
from darkroom.provenance.origin import COMPOSITE, GENERATED, REAL, Origin, source_of

MADE_BY = Origin(
    run="12-00-00-gän-digits",
    identity="ab" * 32,
    checkpoint="cd" * 32,
    images_seen=8000,
    draw='{"_target_": "darkroom.sampling.Samples", "n": 64}',
)
SAID = asdict(MADE_BY)


def picture(channels: int = 3) -> torch.Tensor:
    return torch.arange(channels * 5 * 4, dtype=torch.uint8).reshape(channels, 5, 4)


def part(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_claim(body: bytes, times: int = 1) -> bytes:
    """A plain PNG file with such a claim of its origin."""
    plain = origin.png(picture(), MADE_BY)
    kept = [part(*each) for each in origin.chunks(plain) if each[0] != b"tEXt"]
    return b"".join([origin.SIGNATURE, kept[0], *times * [part(b"tEXt", body)], *kept[1:]])


def written(folder: Path, content: bytes) -> Path:
    path = folder / "image.png"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_image_comes_back_with_its_pixels_and_its_origin(channels, tmp_path):
    path = tmp_path / "new" / "image.png"
    made_by = replace(MADE_BY.sampled(7, label=2), given=("latents",))
    origin.save(picture(channels), path, made_by)
    assert origin.read(path) == made_by
    with Image.open(path) as image:
        pixels = np.array(image).reshape(5, 4, channels)
    assert (pixels == picture(channels).permute(1, 2, 0).numpy()).all()


def test_the_same_picture_and_origin_are_the_same_file():
    assert origin.png(picture(), MADE_BY) == origin.png(picture(), MADE_BY)


def test_a_seeds_image_is_drawn_by_its_seed_alone():
    made_by = MADE_BY.sampled(7, label=2, truncation=0.5)
    assert json.loads(made_by.draw) == {
        "_target_": "darkroom.sampling.Samples",
        "n": 1,
        "first_seed": 7,
        "label": 2,
        "truncation": 0.5,
    }
    assert (made_by.seed, made_by.label, made_by.image) == (7, 2, "seed-000007")


@pytest.mark.parametrize(
    ("names", "source"),
    [
        (["seed-000000", "seed-000001"], GENERATED),
        (["000000-real", "000000-rebuilt"], COMPOSITE),
        (["000000-real"], REAL),
    ],
)
def test_only_what_a_model_made_is_labelled_as_made_by_one(names, source, tmp_path):
    assert source_of(*names) == source
    path = tmp_path / "image.png"
    origin.save(picture(), path, replace(MADE_BY, source=source))
    with Image.open(path) as image:
        label = image.info.get("XML:com.adobe.xmp", "")
    assert (f"digitalsourcetype/{source}" in label) == (source != REAL)


def test_what_another_program_saved_claims_nothing(tmp_path):
    path = written(tmp_path, origin.png(picture(), MADE_BY))
    with Image.open(path) as image:
        image.load()
        image.info.clear()
        image.save(path)
    assert origin.read(path) is None


HOSTILE = {
    "no JSON": b"{",
    "no mapping": b"[1]",
    "a value missing": json.dumps({"run": "a"}).encode(),
    "a value too many": json.dumps(SAID | {"more": 1}).encode(),
    "a seed that is a text": json.dumps(SAID | {"seed": "1"}).encode(),
    "a seed that no tensor holds": json.dumps(SAID | {"seed": 1 << 70}).encode(),
    "images of a negative number": json.dumps(SAID | {"images_seen": -1}).encode(),
    "a flag in the place of a number": json.dumps(SAID | {"images_seen": True}).encode(),
    "a batch that fills the memory": json.dumps(SAID | {"batch_size": 1 << 20}).encode(),
    "a drawing that is no config": json.dumps(SAID | {"draw": "[]"}).encode(),
    "a drawing that is no text": json.dumps(SAID | {"draw": {}}).encode(),
    "no list of what was given": json.dumps(SAID | {"given": "images"}).encode(),
    "another kind of media": json.dumps(SAID | {"source": "digitalCapture"}).encode(),
    "no Unicode": b"\xff\xfe",
    "a depth that ends the interpreter": b"[" * 10_000,
    "a number of many digits": b"9" * 10_000,
    "a giant text": json.dumps(SAID | {"run": "a" * 100_000}).encode(),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.promise(
    "A PNG file whose claim of its origin is malformed or huge", "It is refused, and nothing runs."
)
def test_a_claim_that_darkroom_never_writes_is_refused(body, tmp_path):
    path = written(tmp_path, with_claim(b"darkroom\0" + body))
    with pytest.raises(ValueError, match=r"image\.png: What it says of its origin cannot be read"):
        origin.read(path)


def test_two_claims_are_refused(tmp_path):
    body = b"darkroom\0" + json.dumps(SAID).encode()
    assert origin.read(written(tmp_path, with_claim(body))) == MADE_BY
    with pytest.raises(ValueError, match="2 claims"):
        origin.read(written(tmp_path, with_claim(body, times=2)))


@pytest.mark.promise("A PNG file that is truncated, or has a flipped byte", "It is called damaged.")
def test_a_damaged_file_is_named(tmp_path):
    whole = origin.png(picture(), MADE_BY)
    for size in range(len(whole)):
        with pytest.raises(ValueError, match=r"damaged|no PNG file"):
            origin.read(written(tmp_path, whole[:size]))
    for place in range(8, len(whole), 7):
        flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises(ValueError, match="damaged"):
            origin.read(written(tmp_path, flipped))


def test_a_file_larger_than_any_image_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "LARGEST", 1 << 20)
    path = written(tmp_path, origin.png(picture(), MADE_BY))
    with path.open("r+b") as file:
        file.truncate(1 << 30)  # of holes
    with pytest.raises(ValueError, match="more than 1 MiB"):
        origin.read(path)
