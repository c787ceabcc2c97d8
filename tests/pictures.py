"""Image files for tests, no two of them alike."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import Image

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def picture(number: int, mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> Image.Image:
    """Noise of its own for each number; width comes first in a size, as Pillow has it."""
    shape = (size[1], size[0], CHANNELS[mode])
    values = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(values[..., 0] if mode == "L" else values)


def album(
    folder: Path, *names: str, n: int = 0, mode: str = "RGB", size: tuple[int, int] = (16, 16)
) -> Path:
    """A folder with files of these names, or with n of them."""
    for number, name in enumerate(names or [f"{k:03d}.png" for k in range(n)]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(number, mode, size).save(folder / name)
    return folder


def zipped(folder: Path, path: Path) -> Path:
    with ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def break_file(path: Path) -> None:
    """Cuts an image in half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
