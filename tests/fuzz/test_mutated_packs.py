"""Packs and shards with something wrong in them: made anew, refused, or what was written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given

from darkroom.data.datasets import ArraySet
from darkroom.data.shards import InPlace, Shards, write
from darkroom.intake import pack
from darkroom.intake.pack import Reading, packed
from darkroom.intake.sources import Directory
from tests.fuzz.mutations import bounded, few_or_many, mutated
from tests.pictures import album, break_file

READING = Reading((4, 6), 3)


@pytest.mark.promise(
    "bytes of a pack's pixels or of its index are flipped, cut, put in, taken out or swapped",
    "it is made anew from the files: no other pixels, names or facts come out",
)
@few_or_many(30, 100)
@pytest.mark.parametrize("file", ["index.jsonl", "pixels.u8"])
def test_a_mutated_pack_gives_what_the_files_hold(
    file: str, examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "BLOCK_BYTES", 4 * 6 * 3 * 2)  # blocks of two images
    source = Directory(album(tmp_path / "images", n=5, size=(8, 7)))
    break_file(tmp_path / "images" / "003.png")
    folder, entries = tmp_path / "packs" / "pack", source.listing().entries
    whole = packed(source, entries, READING, folder, workers=1)
    records, rows = whole.records, np.array([0, 1, 2, 4])  # what could not be read is not used
    pixels = whole.images(rows)
    content = (folder / file).read_bytes()
    made_anew = []

    @bounded(examples)
    @given(mutated(content))
    def read(damaged: bytes) -> None:
        (folder / file).write_bytes(damaged)
        found = packed(source, entries, READING, folder, workers=1)
        assert found.records == records
        assert np.array_equal(found.images(rows), pixels)
        made_anew.append((folder / file).read_bytes() != damaged)

    read()
    assert any(made_anew)


@few_or_many(30, 100)
def test_a_mutated_part_of_a_pack_is_decoded_again(
    examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "BLOCK_BYTES", 4 * 6 * 3 * 2)
    source = Directory(album(tmp_path / "images", n=5, size=(8, 7)))
    folder, entries = tmp_path / "packs" / "pack", source.listing().entries
    whole = packed(source, entries, READING, folder, workers=1)
    names, pixels = [record["name"] for record in whole.records], whole.images(np.arange(5))
    part, lines = folder.with_name("pack.part"), (folder / "index.jsonl").read_text().splitlines()
    header = json.loads(lines[0])
    del header["records"]  # it is not finished
    index = "\n".join([json.dumps(header), *lines[1:3]]).encode()

    @bounded(examples)
    @given(mutated(index))
    def go_on(damaged: bytes) -> None:
        shutil.rmtree(part, ignore_errors=True)
        shutil.move(folder, part)
        (part / "index.jsonl").write_bytes(damaged)
        found = packed(source, entries, READING, folder, workers=1)
        assert [record["name"] for record in found.records] == names
        assert np.array_equal(found.images(np.arange(5)), pixels)

    go_on()


def shards(folder: Path) -> Path:
    """A folder with some images."""
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 1, 4, 4), np.uint8))
    images = ArraySet(pixels, torch.arange(6) % 2, ("a", "b"))
    write(folder, {"train": images}, chunk_bytes=150)
    return folder / "train"


@pytest.mark.promise(
    "bytes of an index of shards are flipped, cut, put in, taken out or swapped",
    "the shards are refused, or the images are those that were written",
)
@few_or_many(100, 600)
def test_a_mutated_index_of_shards_is_refused_or_gives_what_was_written(
    examples: int, tmp_path: Path
) -> None:
    root = shards(tmp_path / "shards")
    index = root / "index.json"
    expected = Shards(InPlace(str(root))).first(6)
    refused = []

    @bounded(examples)
    @given(mutated(index.read_bytes()))
    def read(damaged: bytes) -> None:
        index.write_bytes(damaged)
        try:
            found = Shards(InPlace(str(root)))
            pixels = found.first(len(found))
        except ValueError as error:
            refused.append(str(error))
        else:
            assert torch.equal(pixels, expected)

    read()
    assert len(refused) > examples // 10
    assert all(str(root) in said for said in refused)
