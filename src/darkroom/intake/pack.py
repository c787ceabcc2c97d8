"""A set decoded once: all pixels in one file that is mapped into memory, and an index.

A pack is a folder with `pixels.u8`, the images one after the other, and `index.jsonl`: a header,
then a line for each block of images, written when the block was. The header of a finished one holds
a checksum of these lines, and each line one of each image. While it grows its name ends in
`.part`, so a name without this ending always holds a whole pack, and an interrupted one goes on
where it stopped. It is keyed by the files' names, sizes and times of change and by how they are
read; what does not fit, or whose pixels are not those that were written, is made anew.
"""

import json
import math
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from joblib import Parallel, delayed
from PIL import Image
from tqdm import tqdm

from darkroom.intake import fitting, pixel_art
from darkroom.intake.decoding import ValueRange, decode
from darkroom.intake.fitting import Colour, Fit
from darkroom.intake.sources import Entry, Source

VERSION = 2  # of what this package makes of a file; another one makes all packs anew
BLOCK_FILES, BLOCK_BYTES = 64, 16 << 20  # at most, of what a process decodes at a time
CHECKED_BYTES = 1 << 30  # so much of a pack is compared with its index at each start
GREY_TOLERANCE = 8  # colour channels that differ by no more are grey: JPEG is not exact

Record = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """How a file becomes pixels.

    Attributes:
        size: Height and width.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGBA).
        fit: crop, pad or stretch.
        background: RGB of borders, and beneath transparency.
        value_range: How more than 8 bits become 8; see `decoding.decode`.
        window: Centre and width of what a DICOM file shows.
    """

    size: tuple[int, int]
    channels: int
    fit: Fit = "crop"
    background: Colour = (255, 255, 255)
    value_range: ValueRange = "full"
    window: tuple[float, float] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.channels, *self.size)


@dataclass(frozen=True)
class Pack:
    """A finished pack.

    Attributes:
        folder: Where it lies.
        reading: How its files were read.
        records: What was found of each file, in the order of the entries: its `name`; the `error`
            if it could not be read, and otherwise `pixels` (a hash of the image), the `facts` of
            `decoding.Decoded`, whether it is `coloured`, whether it has `alpha`, the side of its
            `block` (see `pixel_art`), and whether it is `flat` (of one colour).
    """

    folder: Path
    reading: Reading
    records: list[Record]

    def images(self, rows: np.ndarray) -> np.ndarray:
        """The images in some rows, uint8 [rows, channels, height, width]; those in error are black.

        Only these are read. The pages of the map are given back at once, so that the memory of the
        process does not grow with the pack; the system keeps them in its cache as long as it can.
        """
        images = np.frombuffer(self._map, np.uint8).reshape(-1, *self.reading.shape)[rows]
        self._map.madvise(mmap.MADV_DONTNEED)
        return images

    def __getstate__(self) -> dict[str, Any]:
        """Without the map, which every process opens for itself."""
        return {key: value for key, value in vars(self).items() if key != "_map"}

    @cached_property
    def _map(self) -> mmap.mmap:
        with (self.folder / "pixels.u8").open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if vars(self).setdefault("_inode", inode) != inode:
                raise RuntimeError(f"{self.folder} was replaced while it was read. Start again.")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @property
    def errors(self) -> dict[str, str]:
        """What was wrong with the files that could not be read, by name."""
        return {r["name"]: r["error"] for r in self.records if "error" in r}


def packed(
    source: Source,
    entries: Sequence[Entry],
    reading: Reading,
    folder: Path,
    workers: int | None = None,
) -> Pack:
    """The pack of these files: the one in the folder if it is theirs, else a new one.

    Processes that ask for the same pack at the same time wait for the first of them.

    Args:
        source: Where the files lie.
        entries: The files.
        reading: How they become pixels.
        folder: Where the pack lies or will lie.
        workers: Processes that decode; None for one on each core.

    Raises:
        ValueError: If a worker dies, or the disk is full.
    """
    key = _key(entries, reading)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            pack = _load(folder, reading, key)
            if pack is None:
                _build(source, entries, reading, folder, key, workers or os.cpu_count() or 1)
                pack = _load(folder, reading, key)
                assert pack is not None, "what was just written can be read"
    except OSError as error:
        raise ValueError(
            f"data.packs={folder.parent}: {error.strerror or error}. The pack needs "
            f"{len(entries) * math.prod(reading.shape) / 2**20:,.0f} MiB there; what is done is "
            "kept. Make room or type data.packs=<another folder>, and start again."
        ) from error
    return pack


def read_image(
    content: bytes, name: str, reading: Reading, channels: int | None
) -> tuple[np.ndarray, Record]:
    """One file as pixels [channels, height, width], and what was found of it."""
    decoded = decode(content, name, reading.value_range, reading.window, max(reading.size))
    image, background = decoded.image, reading.background
    side = pixel_art.block(np.asarray(image))
    sized = fitting.fitted(image, reading.size, reading.fit, background, channels, side)
    pixels = fitting.pixels_of(sized, background, channels)
    return pixels, {
        "name": name,
        "pixels": blake2b(pixels.tobytes(), digest_size=16).hexdigest(),
        "facts": decoded.facts,
        "coloured": "RGB" in sized.mode and _is_coloured(sized),
        "alpha": "A" in image.mode and bool(np.asarray(image)[..., -1].min() < 255),
        "block": side,
        "flat": bool((pixels == pixels[:, :1, :1]).all()),
    }


def _is_coloured(image: Image.Image) -> bool:
    red, green, blue = (np.asarray(image.getchannel(name)).astype(np.int16) for name in "RGB")
    pairs = ((red, green), (green, blue), (blue, red))
    return any(np.abs(a - b).max() > GREY_TOLERANCE for a, b in pairs)


def read_or_explain(
    source: Source, name: str, reading: Reading, channels: int | None
) -> tuple[np.ndarray | None, Record]:
    """As `read_image`; of a file that cannot be read, only its name and the error."""
    try:
        return read_image(source.read(name), name, reading, channels)
    except Exception as error:  # a stranger's file: Pillow raises whatever its decoders do
        text = str(error) or type(error).__name__
        return None, {"name": name, "error": text.splitlines()[0]}


def write_whole(path: Path, text: str) -> None:
    """Writes beside the path, flushes to the disk and renames: never half a file."""
    partial = path.with_name(f".{path.name}.part")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _key(entries: Sequence[Entry], reading: Reading) -> str:
    digest = blake2b(json.dumps([VERSION, asdict(reading)]).encode(), digest_size=16)
    for entry in entries:
        digest.update(json.dumps([entry.name, entry.size, entry.stamp]).encode())
    return digest.hexdigest()


def _load(folder: Path, reading: Reading, key: str) -> Pack | None:
    """The pack in a folder; None if there is none, it is another one, or it is damaged."""
    header, blocks = _read_index(folder)
    if header is None or (header.get("key"), header.get("records")) != (key, _hash(blocks)):
        return None
    pack = Pack(folder, reading, [record for block in blocks for record in block["records"]])
    expected = len(pack.records) * math.prod(reading.shape)
    if not _has_size(folder / "pixels.u8", expected):
        return None
    step = max(1, -(-expected // CHECKED_BYTES))
    places = range(0, len(pack.records), step)
    assert not expected or len(pack._map) == expected, (
        "open from now on, even if another run replaces the pack"
    )
    return pack if _as_written(folder / "pixels.u8", reading, pack.records, places) else None


def _has_size(path: Path, size: int) -> bool:
    return path.exists() and path.stat().st_size == size


def _as_written(
    path: Path,
    reading: Reading,
    records: Sequence[Record] | dict[int, Record],
    places: Iterable[int],
) -> bool:
    """Whether the images at some places are those that were written. Nothing stays in memory."""
    row_bytes = math.prod(reading.shape)
    with path.open("rb") as file:
        for place in places:
            if "error" not in records[place]:
                file.seek(place * row_bytes)
                image = file.read(row_bytes)
                if blake2b(image, digest_size=16).hexdigest() != records[place]["pixels"]:
                    return False
    return True


def _read_index(folder: Path) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Header and blocks of an index, without what follows a torn line."""
    lines: list[Any] = []
    try:
        for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines():
            lines.append(json.loads(line))
    except (OSError, ValueError):
        pass
    return (lines[0], lines[1:]) if lines and isinstance(lines[0], dict) else (None, [])


def _build(
    source: Source,
    entries: Sequence[Entry],
    reading: Reading,
    folder: Path,
    key: str,
    workers: int,
) -> None:
    partial = folder.absolute().with_name(f"{folder.name}.part")  # workers may be elsewhere
    pixels, index = partial / "pixels.u8", partial / "index.jsonl"
    row_bytes = math.prod(reading.shape)
    per_block = max(1, min(BLOCK_FILES, BLOCK_BYTES // row_bytes))
    header = {"key": key, "images": len(entries), "block": per_block, "reading": asdict(reading)}
    done = _continued(partial, header, reading, entries)
    missing = [first for first in range(0, len(entries), per_block) if first not in done]
    jobs = [(entries[first : first + per_block], first) for first in missing]
    if not done:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        index.write_text(_lines([header]), encoding="utf-8")
        with pixels.open("wb") as file:
            file.truncate(len(entries) * row_bytes)
    bar = tqdm(
        desc=f"decoding into {folder}",
        total=len(entries),
        initial=len(entries) - sum(len(chunk) for chunk, _ in jobs),
        unit=" files",
        mininterval=0.5,
    )
    with index.open("a", encoding="utf-8") as file, bar:
        for block in _blocks_done(source, jobs, reading, pixels, workers):
            file.write(_lines([block]))
            file.flush()
            bar.update(len(block["records"]))
    _finish(partial, header)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def _continued(
    partial: Path, header: dict[str, Any], reading: Reading, entries: Sequence[Entry]
) -> set[int]:
    """The first places of the blocks that an interrupted run has finished; others are dropped."""
    before, blocks = _read_index(partial)
    pixels = partial / "pixels.u8"
    if before != json.loads(json.dumps(header)) or not _has_size(
        pixels, header["images"] * math.prod(reading.shape)
    ):
        return set()
    whole = []
    for block in blocks:
        if not _is_of(block, entries, header["block"]):
            continue
        records = dict(enumerate(block["records"], block["first"]))
        if _as_written(pixels, reading, records, records):
            whole.append(block)
    write_whole(partial / "index.jsonl", _lines([header, *whole]))
    return {block["first"] for block in whole}


def _is_of(block: Any, entries: Sequence[Entry], size: int) -> bool:
    """Whether a line of an index, which may be damaged, is about a block of these files."""
    try:
        first, records = block["first"], block["records"]
        expected = [entry.name for entry in entries[first : first + size]]
        known = all("error" in record or "pixels" in record for record in records)
        return first % size == 0 and known and [record["name"] for record in records] == expected
    except (LookupError, TypeError):
        return False


def _hash(blocks: Sequence[Any]) -> str:
    return blake2b(_lines(blocks).encode(), digest_size=16).hexdigest()


def _finish(partial: Path, header: dict[str, Any]) -> None:
    """Blocks come in any order; from here on they are in that of the files, and have a checksum."""
    _, blocks = _read_index(partial)
    blocks.sort(key=lambda block: block["first"])
    with (partial / "pixels.u8").open("rb+") as file:
        os.fsync(file.fileno())
    header = header | {"records": _hash(blocks)}
    write_whole(partial / "index.jsonl", _lines([header, *blocks]))


def _lines(values: Iterable[Any]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def _blocks_done(
    source: Source,
    jobs: Sequence[tuple[Sequence[Entry], int]],
    reading: Reading,
    pixels: Path,
    workers: int,
) -> Iterator[dict[str, Any]]:
    """The blocks as they are finished, whose pixels are then in the file."""
    workers = min(workers, len(jobs))
    if workers < 2:
        for chunk, first in jobs:
            yield _decode_block(source, chunk, first, reading, pixels, os.getpid())
        return
    # neither fork, which can hang in a process with threads, nor spawn, which runs the main script
    decode_blocks = Parallel(workers, return_as="generator_unordered", pre_dispatch="all")
    try:
        yield from decode_blocks(
            delayed(_decode_block)(source, chunk, first, reading, pixels, os.getpid())
            for chunk, first in jobs
        )
    except BrokenProcessPool as error:
        raise ValueError(
            "A process that decoded images was killed: out of memory, or a damaged file broke its "
            "decoder. What is done is kept: start again, with data.workers=1 if it was the memory."
        ) from error


def _decode_block(
    source: Source,
    entries: Sequence[Entry],
    first: int,
    reading: Reading,
    pixels: Path,
    builder: int,
) -> dict[str, Any]:
    images = np.zeros((len(entries), *reading.shape), np.uint8)
    records = []
    for place, entry in enumerate(entries):
        image, record = read_or_explain(source, entry.name, reading, reading.channels)
        if image is not None:
            images[place] = image
        records.append(record)
    if builder not in (os.getpid(), os.getppid()):  # it was killed; another may build by now
        raise ProcessLookupError("the process that asked for these images is gone")
    with pixels.open("r+b") as file:
        file.seek(first * math.prod(reading.shape))
        file.write(images.tobytes())  # not through a map, where a full disk kills the process
    return {"first": first, "records": records}
