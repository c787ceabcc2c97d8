"""A file of any kind with something wrong in it is an image, or a refusal in words."""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from darkroom.intake.pack import Reading, read_or_explain
from darkroom.intake.sources import Entry, Listing
from tests.fuzz.mutations import bounded, few_or_many, mutated

READING = Reading((12, 10), 3)


def saved(kind: str, mode: str, **options: Any) -> bytes:
    values = np.random.default_rng(0).integers(0, 256, (14, 18, 4), np.uint8)
    file = BytesIO()
    Image.fromarray(values).convert(mode).save(file, kind, **options)
    return file.getvalue()


@cache
def files() -> dict[str, bytes]:
    """A whole file of each kind."""
    frames = [Image.new("P", (9, 7), k) for k in range(3)]
    film = BytesIO()
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:])
    sixteen, deep = BytesIO(), np.arange(14 * 18, dtype=np.uint16).reshape(14, 18) * 250
    Image.fromarray(deep).save(sixteen, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6  # lying on its side
    return {
        "a.png": saved("PNG", "RGBA"),
        "16.png": sixteen.getvalue(),
        "palette.png": saved("PNG", "P"),
        "a.jpg": saved("JPEG", "RGB", exif=exif),
        "cmyk.jpg": saved("JPEG", "CMYK", progressive=True),
        "a.gif": film.getvalue(),
        "a.webp": saved("WEBP", "RGBA", lossless=True),
        "lossy.webp": saved("WEBP", "RGB"),
        "a.tif": saved("TIFF", "RGB"),
        "lzw.tif": saved("TIFF", "RGB", compression="tiff_lzw"),
        "deflate.tif": saved("TIFF", "L", compression="tiff_deflate"),
        "a.bmp": saved("BMP", "RGB"),
        "a.tga": saved("TGA", "RGBA", compression="tga_rle"),
        "a.ppm": saved("PPM", "RGB"),
        "a.avif": saved("AVIF", "RGB"),
        "a.dcm": scan(),
    }


def scan() -> bytes:
    pydicom = pytest.importorskip("pydicom")
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    return (folder / "MR_small_RLE.dcm").read_bytes()


class One:
    """A source of one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def listing(self) -> Listing:
        return Listing([Entry("a", len(self.content), 0)])

    def read(self, name: str) -> bytes:
        return self.content


NAMES = [
    "a.png", "16.png", "palette.png", "a.jpg", "cmyk.jpg", "a.gif", "a.webp", "lossy.webp",
    "a.tif", "lzw.tif", "deflate.tif", "a.bmp", "a.tga", "a.ppm", "a.avif", "a.dcm",
]  # fmt: skip


@pytest.mark.promise(
    "bytes of an image file are flipped, cut, put in, taken out or swapped, in every format",
    "pixels of the asked shape come out, or a refusal in words; nothing else is raised",
)
@few_or_many(30, 200)
@pytest.mark.parametrize("name", NAMES)
def test_a_mutated_image_is_an_image_or_refused_in_words(name: str, examples: int) -> None:
    outcomes = set()

    @bounded(examples)
    @given(mutated(files()[name]))
    def reads(content: bytes) -> None:
        pixels, record = read_or_explain(One(content), name, READING, READING.channels)
        outcomes.add(pixels is None)
        if pixels is None:
            assert set(record) == {"name", "error"}
            assert len(record["error"]) > 3
            assert "\n" not in record["error"]
            assert "0x7" not in record["error"]  # no address in memory
        else:
            assert (pixels.dtype, pixels.shape) == (np.uint8, READING.shape)
            assert record["facts"]["width"] * record["facts"]["height"] <= 90_000_000

    reads()
    assert outcomes == {False, True}  # or the mutations would be too weak, or too strong


@bounded(100)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(content: bytes) -> None:
    pixels, record = read_or_explain(One(content), "a.png", READING, 3)
    assert pixels is None
    assert record["error"]
