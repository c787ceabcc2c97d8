import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from io import BytesIO
from pathlib import Path

import builds
import numpy as np
import pytest
from builds import READING, Deadly, Noting
from PIL import Image

from darkroom.intake import pack
from darkroom.intake.pack import Pack, Reading, packed, read_image
from darkroom.intake.sources import Directory, Entry

N = 23  # four blocks of five images, and one of three
ROW = 4 * 6 * 3


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Of five images. Workers need not know: they are told which files to read."""
    monkeypatch.setattr(pack, "BLOCK_BYTES", builds.BLOCK_BYTES)


@pytest.fixture
def root(tmp_path):
    """A folder with images of many sizes, each of its own colours."""
    folder = tmp_path / "images"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for place in range(N):
        shape = (5 + place % 3, 7 + place % 4, 3)
        image = Image.fromarray(generator.integers(0, 256, shape, np.uint8))
        image.save(folder / f"{place:02}.png")
    return folder


class Build:
    """Builds in a folder beside the images, and knows which files each build has read."""

    def __init__(self, root, name="pack"):
        self.root, self.folder = root, root.parent / "packs" / name
        self.partial = self.folder.with_name(f"{name}.part")
        self.builds = 0

    def __call__(self, workers=1, reading=READING, entries=None, source=None):
        """The pack, and the names of the files that were read for it."""
        self.builds += 1
        noting = Noting(self.root, self.root.parent / f"notes-{self.folder.name}-{self.builds}")
        source = source or noting
        entries = source.listing().entries if entries is None else entries
        return packed(source, entries, reading, self.folder, workers), noting.noted()

    def interrupted(self, reads):
        """What Ctrl-C leaves behind when so many files have been read."""
        left = iter(range(reads))

        class Interrupted(Directory):
            def read(self, name):
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return super().read(name)

        with pytest.raises(KeyboardInterrupt):
            self(source=Interrupted(self.root))
        assert not self.folder.exists()

    def blocks(self, folder=None):
        lines = ((folder or self.partial) / "index.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines[1:]]


@pytest.fixture
def build(root):
    return Build(root)


def names(*places):
    return [f"{place:02}.png" for place in places]


ALL = names(*range(N))


def rows_of(folder):
    return np.fromfile(folder / "pixels.u8", np.uint8).reshape(-1, 3, 4, 6)


def flip(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        value = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([value ^ 1]))


def expected_rows(root):
    """Each file decoded on its own."""
    files = sorted(root.iterdir())
    return np.stack([read_image(p.read_bytes(), p.name, READING, 3)[0] for p in files])


def test_a_pack_holds_what_decoding_one_by_one_gives(build):
    finished, read = build()
    expected = expected_rows(build.root)
    assert read == ALL
    assert np.array_equal(rows_of(finished.folder), expected)
    assert np.array_equal(finished.images(np.arange(N)), expected)
    assert np.array_equal(finished.images(np.array([7, 2, 7])), expected[[7, 2, 7]])
    assert [record["name"] for record in finished.records] == ALL
    assert finished.errors == {}
    assert len(np.unique(expected[:, 0, 0, 0])) > 10  # no two rows could be swapped unseen
    assert not build.partial.exists()


def test_an_image_taken_out_of_a_pack_is_a_copy(build):
    finished, _ = build()
    taken = finished.images(np.array([0, 1]))
    taken[:] = 0
    assert np.array_equal(finished.images(np.array([0, 1])), expected_rows(build.root)[:2])


def test_a_pack_travels_to_another_process_without_its_pixels(build):
    finished, _ = build()
    expected = finished.images(np.arange(N))
    travelled = pickle.dumps(finished)
    assert len(travelled) < 20_000
    assert np.array_equal(pickle.loads(travelled).images(np.arange(N)), expected)


def test_a_record_tells_what_was_found(root, build):
    for path in root.iterdir():
        path.unlink()
    grey = Image.new("L", (12, 8), 90)
    translucent = Image.new("RGBA", (9, 9), (200, 0, 0, 255))
    translucent.putpixel((4, 4), (0, 0, 0, 0))
    grey.save(root / "grey.png")
    Image.new("RGB", (6, 4), (90, 90, 98)).save(root / "nearly.png")
    Image.new("RGB", (6, 4), (90, 90, 99)).save(root / "tinted.png")
    translucent.save(root / "sprite.png")
    records = {record["name"]: record for record in build()[0].records}
    found = {name: (r["coloured"], r["alpha"], r["flat"]) for name, r in records.items()}
    assert found == {
        "grey.png": (False, False, True),
        "nearly.png": (False, False, True),
        "tinted.png": (True, False, True),
        "sprite.png": (True, True, False),
    }
    assert records["grey.png"]["facts"] == {
        "format": "PNG",
        "mode": "L",
        "width": 12,
        "height": 8,
        "highest": None,
        "animated": False,
    }
    assert records["grey.png"]["pixels"] == blake2b(b"\x5a" * ROW, digest_size=16).hexdigest()


def test_a_jpeg_is_decoded_large_enough_for_the_longer_side():
    stripes = np.kron(np.random.default_rng(0).integers(0, 256, 100), np.ones((512, 5)))
    image, content = Image.fromarray(stripes.astype(np.uint8)), BytesIO()
    image.save(content, "JPEG", quality=95)
    pixels, _ = read_image(content.getvalue(), "a.jpg", Reading((8, 100), 1, fit="stretch"), 1)
    expected = np.asarray(image.resize((100, 8), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(pixels[0] - expected).max() <= 4  # it was decoded at 500x512; at 63x64, it is 119


def test_any_number_of_workers_makes_the_same_pack(root, build):
    (root / "05.png").write_bytes(b"no image")
    (root / "11.png").write_bytes((root / "11.png").read_bytes()[:60])
    one, two = build, Build(root, "other")
    assert one(workers=1)[1] == two(workers=2)[1] == ALL
    for file in ("pixels.u8", "index.jsonl"):
        assert (one.folder / file).read_bytes() == (two.folder / file).read_bytes()
    assert [block["first"] for block in two.blocks(two.folder)] == [0, 5, 10, 15, 20]


def test_a_finished_pack_is_loaded_and_no_file_is_read(build):
    before, _ = build()
    after, read = build(workers=2)
    assert read == []
    assert after.records == before.records
    assert np.array_equal(after.images(np.arange(N)), before.images(np.arange(N)))


@pytest.mark.promise(
    "files among the images cannot be decoded",
    "they are named, and no others are lost",
)
def test_files_in_error_are_named_and_black(root, build):
    (root / "03.png").write_bytes(b"")
    (root / "04.png").write_bytes((root / "04.png").read_bytes()[:60])
    (root / "05.png").write_bytes(b"no image")
    finished, _ = build()
    assert list(finished.errors) == names(3, 4, 5)
    assert finished.errors["03.png"].startswith("it is no whole image of a known kind")
    assert finished.errors["04.png"] == "image file is truncated"
    rows = finished.images(np.arange(N))
    assert not rows[3:6].any()
    assert rows[[0, 1, 2, 6, 7]].any((1, 2, 3)).all()
    assert build()[1] == []


def test_a_file_that_disappears_before_it_is_read_is_in_error(root, build):
    entries = Directory(root).listing().entries
    (root / "02.png").unlink()
    finished, _ = build(entries=entries)
    assert list(finished.errors) == ["02.png"]
    assert "No such file" in finished.errors["02.png"]
    assert len(finished.records) == N


@pytest.mark.parametrize(
    "change",
    [
        lambda root: os.utime(root / "07.png", ns=(1, 1)),
        lambda root: (root / "07.png").write_bytes((root / "08.png").read_bytes()),
        lambda root: (root / "07.png").unlink(),
        lambda root: (root / "07.png").rename(root / "7.png"),
        lambda root: (root / "7.png").write_bytes(b""),
    ],
    ids=["touched", "written", "removed", "renamed", "added"],
)
def test_other_files_make_another_pack(change, root, build):
    build()
    change(root)
    finished, read = build()
    assert read == sorted(path.name for path in root.iterdir())
    assert np.array_equal(
        rows_of(build.folder)[: len(read) - 1],
        [
            read_image((root / name).read_bytes(), name, READING, 3)[0]
            for name in [record["name"] for record in finished.records][: len(read) - 1]
        ],
    )


@pytest.mark.parametrize(
    "other",
    [
        {"size": (6, 4)},
        {"channels": 4},
        {"fit": "pad"},
        {"background": (0, 0, 0)},
        {"value_range": "percentile"},
        {"window": (40.0, 400.0)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_files_that_are_to_be_read_otherwise_make_another_pack(other, build):
    build()
    reading = replace(READING, **other)
    finished, read = build(reading=reading)
    assert read == ALL
    assert finished.images(np.arange(2)).shape == (2, *reading.shape)
    assert build(reading=reading)[1] == []


def test_a_new_version_makes_all_packs_anew(build, monkeypatch):
    build()
    monkeypatch.setattr(pack, "VERSION", -1)
    assert build()[1] == ALL


@pytest.mark.promise(
    "a pack is cut, flipped, grown, or its index torn or lost",
    "it is made anew from the files",
)
@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "lose", "index", "line", "garbage"])
def test_a_damaged_pack_is_made_anew(damage, build):
    build()
    pixels, index = build.folder / "pixels.u8", build.folder / "index.jsonl"
    whole = pixels.read_bytes(), index.read_bytes()
    if damage == "flip":
        flip(pixels, ROW * (N - 1) + 5)
    elif damage == "cut":
        os.truncate(pixels, ROW * N - 1)
    elif damage == "grow":
        os.truncate(pixels, ROW * N + 1)
    elif damage == "lose":
        pixels.unlink()
    elif damage == "index":
        index.unlink()
    elif damage == "line":
        index.write_bytes(whole[1][:-30])
    else:
        index.write_bytes(b"[1, 2]\n")
    assert build()[1] == ALL
    assert (pixels.read_bytes(), index.read_bytes()) == whole


def test_of_a_large_pack_a_part_is_compared_with_its_index(build, monkeypatch):
    build()
    monkeypatch.setattr(pack, "CHECKED_BYTES", ROW * N // 2)  # every second image
    flip(build.folder / "pixels.u8", ROW * 5)
    assert build()[1] == []
    flip(build.folder / "pixels.u8", ROW * 6)
    assert build()[1] == ALL


@pytest.mark.parametrize(("reads", "kept"), [(0, 0), (4, 0), (5, 5), (14, 10), (22, 20)])
def test_an_interrupted_build_goes_on(reads, kept, build):
    build.interrupted(reads)
    finished, read = build()
    assert read == ALL[kept:]
    assert np.array_equal(finished.images(np.arange(N)), expected_rows(build.root))


def test_a_build_that_was_interrupted_gives_the_same_pack(root, build):
    build.interrupted(14)
    build()
    other = Build(root, "other")
    other()
    for file in ("pixels.u8", "index.jsonl"):
        assert (build.folder / file).read_bytes() == (other.folder / file).read_bytes()


def test_a_build_that_was_interrupted_many_times_goes_on_each_time(build):
    for reads in (7, 6, 5):  # one block each
        build.interrupted(reads)
    assert build()[1] == ALL[15:]


@pytest.mark.promise("the last line of a pack's index is torn", "one block is decoded again")
@pytest.mark.parametrize("torn", [1, 10, 200])
def test_a_torn_line_of_an_index_costs_one_block(torn, build):
    build.interrupted(12)
    index = build.partial / "index.jsonl"
    index.write_bytes(index.read_bytes()[: -1 - torn])
    finished, read = build()
    assert read == ALL[5:]
    assert np.array_equal(finished.images(np.arange(N)), expected_rows(build.root))


def test_a_line_of_an_index_without_its_end_is_whole(build):
    build.interrupted(12)
    index = build.partial / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-1])
    assert build()[1] == ALL[10:]
    assert len(build.blocks(build.folder)) == 5


def test_a_block_whose_pixels_were_not_written_is_read_again(build):
    build.interrupted(17)
    flip(build.partial / "pixels.u8", ROW * 7)
    finished, read = build()
    assert read == [*ALL[5:10], *ALL[15:]]
    assert np.array_equal(finished.images(np.arange(N)), expected_rows(build.root))


@pytest.mark.parametrize("damage", ["cut", "other files", "other blocks", "empty"])
def test_a_part_of_another_pack_is_thrown_away(damage, root, build, monkeypatch):
    build.interrupted(17)
    if damage == "cut":
        os.truncate(build.partial / "pixels.u8", ROW)
    elif damage == "other files":
        os.utime(root / "22.png", ns=(1, 1))
    elif damage == "other blocks":
        monkeypatch.setattr(pack, "BLOCK_BYTES", ROW * 2)
    else:
        (build.partial / "index.jsonl").write_bytes(b"")
    finished, read = build()
    assert read == ALL
    assert np.array_equal(finished.images(np.arange(N)), expected_rows(root))


def test_a_block_holds_one_image_if_that_is_larger(build, monkeypatch):
    monkeypatch.setattr(pack, "BLOCK_BYTES", 1)
    assert build()[1] == ALL
    assert len(build.blocks(build.folder)) == N


def started(build, seconds, workers):
    arguments = [build.root, build.root.parent / "notes", build.folder, seconds, workers]
    return subprocess.Popen(
        [sys.executable, builds.__file__, *map(str, arguments)],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)


@pytest.mark.promise(
    "kill -9 while images are packed",
    "what is done is kept, and the rest is decoded",
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_that_was_killed_goes_on(workers, build):
    process = started(build, 0.03, workers)
    index = build.partial / "index.jsonl"
    try:
        wait_until(lambda: index.exists() and index.read_bytes().count(b"\n") > 1)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers outlive it
    assert not build.folder.exists()
    done = {record["name"] for block in build.blocks() for record in block["records"]}
    assert 5 <= len(done) < N
    finished, read = build()
    assert read == sorted(set(ALL) - done)
    assert np.array_equal(finished.images(np.arange(N)), expected_rows(build.root))


def test_two_processes_that_want_one_pack_build_it_once(build):
    processes = [started(build, 0.02, 1) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert Noting(build.root, build.root.parent / "notes").noted() == ALL
    assert build()[1] == []


def test_a_worker_that_dies_is_reported_and_what_is_done_is_kept(root, build):
    index = build.folder.with_name(f"{build.folder.name}.part") / "index.jsonl"
    source = Deadly(root, ALL[-1], index.absolute(), blocks=4)  # all but its own
    with pytest.raises(ValueError, match=r"that decoded images was killed.*data\.workers=1"):
        build(workers=2, source=source)
    assert not build.folder.exists()
    done = {record["name"] for block in build.blocks() for record in block["records"]}
    assert len(done) == 20
    finished, read = build()
    assert read == sorted(set(ALL) - done)
    assert np.array_equal(finished.images(np.arange(N)), expected_rows(root))


def test_a_worker_that_dies_at_once_is_reported(root, build):
    with pytest.raises(ValueError, match="process that decoded images was killed"):
        build(workers=2, source=Deadly(root, ALL[0]))
    assert build(workers=2)[0].errors == {}  # the next workers live


class Full:
    """A disk without room for what is written to files of a name, after some times."""

    def __init__(self, monkeypatch, name, mode, times):
        self.opened = Path.open
        self.name, self.mode, self.left = name, mode, times
        monkeypatch.setattr(Path, "open", lambda *given, **options: self.open(*given, **options))

    def open(self, path, mode="r", *given, **options):
        file = self.opened(path, mode, *given, **options)
        if (path.name, mode) == (self.name, self.mode):
            self.left -= 1
            if self.left < 0:
                file.close()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return file


FULL = r"data\.packs=.*packs: No space left on device\. The pack needs 0 MiB there; what is done"


def test_a_full_disk_names_the_option_and_what_is_done_is_kept(build, monkeypatch):
    with monkeypatch.context() as patch:
        Full(patch, "pixels.u8", "r+b", times=3)
        with pytest.raises(ValueError, match=FULL):
            build()
    assert len(build.blocks()) == 3
    assert build()[1] == ALL[15:]


@pytest.mark.parametrize(
    ("name", "mode", "read"),
    [("pixels.u8", "wb", ALL), (".index.jsonl.part", "w", []), ("index.jsonl", "a", ALL)],
)
def test_a_disk_that_is_full_elsewhere_loses_nothing_either(name, mode, read, build, monkeypatch):
    with monkeypatch.context() as patch:
        Full(patch, name, mode, times=0)
        with pytest.raises(ValueError, match=FULL):
            build()
    assert build()[1] == read


def test_a_disk_that_is_full_when_a_build_goes_on_loses_nothing(build, monkeypatch):
    build.interrupted(12)
    with monkeypatch.context() as patch:
        Full(patch, ".index.jsonl.part", "w", times=0)
        with pytest.raises(ValueError, match=FULL):
            build()
    assert build()[1] == ALL[10:]


def test_a_folder_that_cannot_be_made_names_the_option(build):
    build.folder.parent.write_text("a file in the way")
    with pytest.raises(ValueError, match=r"data\.packs=.*packs: .*exists.*data\.packs=<another"):
        build()


def test_names_of_any_letters_are_kept(root, build):
    strange = ["Größe 猫.png", 'quo"te.png', "new\nline.png", os.fsdecode(b"latin-\xe9.png")]
    for name in strange:
        (root / name).write_bytes((root / "00.png").read_bytes())
    finished, _ = build()
    assert {record["name"] for record in finished.records} == {*ALL, *strange}
    again, read = build()
    assert read == []
    assert again.records == finished.records
    assert not again.errors


def test_no_files_make_an_empty_pack(build):
    finished, read = build(entries=[])
    assert (finished.records, finished.errors, read) == ([], {}, [])
    assert isinstance(finished, Pack)


def test_the_key_of_a_pack_is_made_of_all_that_is_known_of_a_file():
    entries = [Entry("a", 1, 2), Entry("b", 1, 2)]
    others = [
        entries,
        entries[::-1],
        [Entry("a", 1, 2), Entry("b", 2, 2)],
        [Entry("a", 1, 2), Entry("b", 1, 3)],
        [Entry("a", 1, 2), Entry("c", 1, 2)],
        entries[:1],
    ]
    assert len({pack._key(other, READING) for other in others}) == len(others)
