"""A file's bytes to an upright 8-bit image, whatever the file was."""

import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from darkroom.intake import dicom
from darkroom.intake.sources import DICOM_SUFFIXES

ValueRange = Literal["full", "percentile"]
PERCENTILES = 0.5, 99.5
MAX_PIXELS = 90_000_000  # a larger picture is taken for a decompression bomb
FORMATS = "PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "TGA", "PPM"  # no EPS: it runs code
SPARE = 3  # a JPEG is decoded at this multiple of the target or more: no difference is seen


@dataclass(frozen=True)
class Decoded:
    """An image as its file has it, but for the orientation and 8 bits.

    Attributes:
        image: Of mode L, LA, RGB or RGBA.
        facts: `format`, `mode`, `width`, `height`, `highest` (the largest value of an image of more
            than 8 bits, else None) and `animated`, as the file has them.
    """

    image: Image.Image
    facts: dict[str, Any]


def decode(
    content: bytes,
    name: str,
    value_range: ValueRange = "full",
    window: tuple[float, float] | None = None,
    smallest: int | None = None,
) -> Decoded:
    """Decodes all of an image: what is truncated fails here.

    Of several frames or pages, the first is taken. Orientation tags are obeyed. Images of 16 bits
    keep their range: `full` maps 0..65535 to 0..255, `percentile` maps each image's 0.5th and
    99.5th percentiles to it. Floats within 0..1 are mapped as they are, others from their own
    lowest and highest value, as whole numbers of 32 bits are.

    Args:
        content: The file.
        name: Its name, whose ending tells DICOM.
        value_range: How more than 8 bits become 8.
        window: Centre and width of what a DICOM file shows; None for what it says itself.
        smallest: A JPEG may be decoded at a smaller size, as long as it stays well above this.

    Raises:
        Exception: Many kinds, if the file is damaged. Pillow has no common one.
    """
    if PurePosixPath(name).suffix.lower() in DICOM_SUFFIXES or content[128:132] == b"DICM":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pydicom, about headers that it mends
            values, facts = dicom.read(content, window, MAX_PIXELS)
        done = values.dtype == np.uint8
        return Decoded(Image.fromarray(values if done else _to_bytes(values, value_range)), facts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about metadata that nobody asked for
        with _opened(content) as opened:
            facts = {
                "format": opened.format,
                "mode": opened.mode,
                "width": opened.width,
                "height": opened.height,
                "highest": None,
                "animated": bool(getattr(opened, "is_animated", False)),
            }
            _check_size(opened.width, opened.height)
            opened.seek(0)
            if smallest is not None:
                opened.draft(None, (SPARE * smallest, SPARE * smallest))
            upright = ImageOps.exif_transpose(opened)
    if upright.size != opened.size:  # it was lying on its side
        facts["width"], facts["height"] = facts["height"], facts["width"]
    if upright.mode.startswith(("I", "F")):
        values = np.asarray(upright)
        if facts["format"] == "PPM" and upright.mode == "I":  # Pillow scaled it to 0..65535
            values = values.astype(np.uint16)
        facts["highest"] = values.max().item()
        return Decoded(Image.fromarray(_to_bytes(values, value_range)), facts)
    return Decoded(_plain(upright), facts)


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:  # its text is an address in memory
        raise ValueError(f"it is no whole image of a known kind: {', '.join(FORMATS)}") from error


def _check_size(width: int, height: int) -> None:
    """Refuses what would fill the memory: a few kB of file can hold gigabytes of one colour."""
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"{width}x{height} pixels are taken for a decompression bomb; {MAX_PIXELS:,} are "
            "allowed. Make the image smaller"
        )


def _plain(image: Image.Image) -> Image.Image:
    """To L, LA, RGB or RGBA; nothing of transparency is lost."""
    if image.mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return image.convert("LA" if grey else "RGBA")
    return image.convert("L" if grey else "RGB")


def _to_bytes(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """One channel of numbers to 0..255."""
    numbers = values.astype(np.float64)  # whatever the byte order
    if not np.isfinite(numbers).all():
        raise ValueError("it holds NaN or infinity")
    low, high = numbers.min(), numbers.max()
    if value_range == "percentile":
        low, high = np.percentile(numbers, PERCENTILES)
    elif values.dtype.kind == "u" and values.dtype.itemsize == 2:
        low, high = 0.0, 65535.0
    elif values.dtype.kind == "f" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = (numbers - low) / (high - low) if high > low else np.zeros_like(numbers)
    return (255 * scaled).round().clip(0, 255).astype(np.uint8)
