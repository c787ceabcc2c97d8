"""Images as files that a visitor takes away."""

import shutil
from collections import deque
from collections.abc import Sequence
from io import BytesIO
from itertools import count
from pathlib import Path
from zipfile import ZipFile

from PIL import Image

from darkroom.images import Pixels, composited, pil, tile, visible_scale
from darkroom.provenance import origin as origins
from darkroom.provenance.credentials import Signer
from darkroom.provenance.origin import Origin

MILLISECONDS = 90  # of a frame
SMALLEST = 256  # pixels of a film's shorter side, about


def png(pixels: Pixels, origin: Origin, signer: Signer | None = None) -> bytes:
    """One image as it was drawn, pixel by pixel, which says what made it."""
    return origins.png(pixels[0], origin, signer)


def strip(pixels: Pixels, origin: Origin, signer: Signer | None = None) -> bytes:
    """Images side by side, enlarged so that they can be looked at."""
    scale = visible_scale(pixels.shape[2])
    return png(tile(pixels, len(pixels), scale)[None], origin, signer)


def archive(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Files in a ZIP, as they are: a PNG is compressed already."""
    buffer = BytesIO()
    with ZipFile(buffer, "w") as zipped:
        for name, content in files:
            zipped.writestr(name, content)
    return buffer.getvalue()


def film(pixels: Pixels, origin: Origin) -> bytes:
    """A GIF that goes through the images and back, for ever; what is transparent is over white.

    Its comment says in words what made it.
    """
    scale = max(1, SMALLEST // min(pixels.shape[2:]))
    frames = [_enlarged(pil(frame), scale) for frame in composited(pixels, grey=255)]
    there_and_back = [*frames, *frames[-2:0:-1]]
    buffer = BytesIO()
    there_and_back[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=there_and_back[1:],
        duration=MILLISECONDS,
        loop=0,
        comment=f"darkroom {origin.version}: {origin}",
    )
    return buffer.getvalue()


def _enlarged(image: Image.Image, scale: int) -> Image.Image:
    size = (image.width * scale, image.height * scale)
    return image.resize(size, Image.Resampling.NEAREST)


class Shelf:
    """A folder in which the files lie that can be taken away; the oldest make room for others.

    Args:
        folder: The folder.
        most: How many files at once.
    """

    def __init__(self, folder: Path, most: int = 100) -> None:
        self.folder, self.most = folder, most
        self.numbers, self.there = count(), deque[Path]()

    def put(self, name: str, content: bytes) -> str:
        """The path of a new file with this name."""
        while len(self.there) >= self.most:
            shutil.rmtree(self.there.popleft(), ignore_errors=True)
        place = self.folder / f"{next(self.numbers):06d}"
        place.mkdir(parents=True)
        self.there.append(place)
        (place / name).write_bytes(content)
        return str(place / name)
