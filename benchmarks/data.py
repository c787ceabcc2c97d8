"""Images to batches: python -m benchmarks.data.

Against torchvision's ImageFolder and a DataLoader with the same transforms; packing against Pillow
in one thread; and the memory of training from a pack that is not resident.
"""

import tempfile
import time
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path
from shutil import rmtree

import numpy as np
import psutil
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from benchmarks.record import Row, paired, write
from darkroom.data.datasets import PackedSet
from darkroom.data.stream import ResidentLoader, Shuffled, Stream
from darkroom.images import to_float
from darkroom.intake.pack import Pack, Reading, packed
from darkroom.intake.sources import Directory

BATCH = 64
FILES = 2000


def main() -> None:
    tables: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for side in (32, 64):
            root = make_files(Path(folder) / str(side), side, "png")
            tables[f"Batches of {side}x{side}x3, ready for the network"] = loading(root, side)
        for suffix, side in (("png", 256), ("jpg", 1024)):
            root = make_files(
                Path(folder) / suffix, side, suffix, FILES // (1 if side < 512 else 8)
            )
            tables[f"Decoding {side}x{side} {suffix} to 64x64"] = packing(root, Path(folder))
        tables["Memory while 200,000 images of 64x64x3 (2,344 MiB) are read"] = memory(Path(folder))
    print(write("data", tables, REMARKS).read_text())


REMARKS = (
    "Ratios are to the first row, as medians of paired rounds; torch uses "
    f"{torch.get_num_threads()} thread(s). Files are smooth noise with grain."
)


def make_files(root: Path, side: int, suffix: str, files: int = FILES) -> Path:
    draw = np.random.default_rng(0)
    for number in range(files):
        coarse = Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8))
        picture = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
        picture = (picture + draw.integers(-6, 7, picture.shape)).clip(0, 255).astype(np.uint8)
        path = root / str(number % 10) / f"{number}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path, quality=90)
    return root


def loading(root: Path, side: int) -> list[Row]:
    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize(side, antialias=True),
            v2.CenterCrop(side),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    folder = ImageFolder(str(root), transform)
    source = Directory(root)
    pack = packed(source, source.listing().entries, Reading((side, side), 3), root / "pack")
    rows = torch.arange(len(pack.records))
    names = [record["name"] for record in pack.records]
    on_disk = PackedSet(pack, rows, names, torch.zeros_like(rows))
    clock = count(0, len(rows))

    def theirs(workers: int) -> Callable[[], float]:
        loader = DataLoader(folder, BATCH, shuffle=True, num_workers=workers, drop_last=True)
        return lambda: rate(images for images, _ in loader)

    def stream() -> Stream:
        return Stream(Shuffled(len(rows), 0), BATCH, clock=lambda: next(clock))

    resident = on_disk.to(torch.device("cpu"))
    return paired(
        {
            "torchvision ImageFolder, DataLoader": theirs(0),
            "torchvision ImageFolder, DataLoader with 2 workers": theirs(2),
            "darkroom, resident": lambda: rate(
                to_float(batch.images)
                for batch in epochs(lambda: ResidentLoader(resident, stream()))
            ),
            "darkroom, from the map": lambda: rate(
                to_float(batch.images)
                for batch in epochs(lambda: DataLoader(on_disk, sampler=stream(), batch_size=None))
            ),
        },
        "images/s",
    )


def epochs(loader):
    """Enough passes that the clock can measure them."""
    for _ in range(20):
        yield from loader()


def rate(batches) -> float:
    start, images = time.perf_counter(), 0
    for batch in islice(batches, 2000):
        images += len(batch)
    return images / (time.perf_counter() - start)


def packing(root: Path, folder: Path) -> list[Row]:
    source, reading = Directory(root), Reading((64, 64), 3)
    entries = source.listing().entries

    def alone() -> float:
        start = time.perf_counter()
        for entry in entries:
            with Image.open(root / entry.name) as image:
                ImageOps.fit(image.convert("RGB"), (64, 64), Image.Resampling.BICUBIC)
        return len(entries) / (time.perf_counter() - start)

    def ours(workers: int | None) -> Callable[[], float]:
        def measure() -> float:
            rmtree(folder / "packed", ignore_errors=True)
            start = time.perf_counter()
            packed(source, entries, reading, folder / "packed", workers)
            return len(entries) / (time.perf_counter() - start)

        return measure

    return paired(
        {
            "Pillow alone, one thread": alone,
            "darkroom, one process": ours(1),
            "darkroom, all cores": ours(None),
        },
        "files/s",
    )


def memory(folder: Path) -> list[Row]:
    images = 200_000
    (folder / "large").mkdir()
    with (folder / "large/pixels.u8").open("wb") as file:
        for _ in range(100):
            file.write(np.random.default_rng(0).bytes(images // 100 * 3 * 64 * 64))
    rows = torch.arange(images)
    pack = Pack(folder / "large", Reading((64, 64), 3), [])
    on_disk = PackedSet(pack, rows, [""] * images, torch.zeros_like(rows))
    process = psutil.Process()
    before = process.memory_info().rss
    most, start = before, time.perf_counter()
    loader = DataLoader(
        on_disk, sampler=Stream(Shuffled(images, 0), BATCH, clock=lambda: 0), batch_size=None
    )
    for _ in loader:
        most = max(most, process.memory_info().rss)
    speed = images / (time.perf_counter() - start)
    grown = (most - before) / 2**20
    return [
        Row("growth of the process over a whole pass", "MiB", grown, grown, grown),
        Row("images read in random order", "images/s", speed, speed, speed),
    ]


if __name__ == "__main__":
    main()
