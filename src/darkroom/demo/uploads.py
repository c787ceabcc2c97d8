"""A picture that somebody brings, read as the images that a run was trained on."""

from collections.abc import Mapping
from typing import Any

import torch

from darkroom.images import Pixels
from darkroom.intake import fitting
from darkroom.intake.pack import Reading, read_image

LARGEST = 16 << 20  # bytes of a file


def reading(shape: tuple[int, int, int], data: Mapping[str, Any]) -> Reading:
    """How a picture becomes an image like those that a model draws.

    Args:
        shape: Channels, height and width of what it draws.
        data: The config of the data that it was trained on.
    """
    options = {name: data[name] for name in ("fit", "value_range") if name in data}
    options["background"] = fitting.colour(data.get("background", "white"))
    if data.get("window") is not None:
        options["window"] = tuple(data["window"])
    return Reading(shape[1:], shape[0], **options)


def fitted(content: object, reading: Reading) -> Pixels:
    """The one image in a file's bytes, cut and scaled like a training image.

    Args:
        content: The file.
        reading: How the run's images are read.

    Raises:
        ValueError: If there is no file, or it is too large, no image, damaged or a bomb.
    """
    if not isinstance(content, bytes) or not content:
        raise ValueError("There is no picture yet. Choose a file.")
    if len(content) > LARGEST:
        raise ValueError(
            f"The file has {len(content) / 2**20:.0f} MB. Choose one of at most {LARGEST >> 20} MB."
        )
    try:
        pixels, _ = read_image(content, "upload", reading, reading.channels)
    except Exception as error:  # a stranger's file: Pillow raises whatever its decoders do
        said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise ValueError(f"This file cannot be read: {said}. Choose another picture.") from error
    return torch.from_numpy(pixels.copy())[None]
