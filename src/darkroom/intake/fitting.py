"""An image to the size and the channels of the training set."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image, ImageColor, ImageOps

Fit = Literal["crop", "pad", "stretch"]
Colour = tuple[int, int, int]
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # Pillow's names, by number of channels
MIXED = Image.Resampling.BICUBIC  # antialiased: Pillow widens the filter where it shrinks
PICKED = Image.Resampling.NEAREST


def fitted(
    image: Image.Image,
    size: tuple[int, int],
    fit: Fit,
    background: Colour,
    channels: int | None,
    block: int = 1,
) -> Image.Image:
    """The image at its final size, with colours and alpha if it has them or shall have them.

    Pixel art that was enlarged becomes small again without a loss, where no square of one colour is
    cut. Else pixels are mixed, colours weighed with their opacity, so no hidden colour bleeds into
    an edge. What is fully transparent gets the background's colour beneath it.

    Args:
        image: Of mode L, LA, RGB or RGBA.
        size: Height and width.
        fit: `crop` cuts out the centre, `pad` adds borders (transparent ones if there is alpha),
            `stretch` changes the aspect ratio.
        background: RGB, for borders and beneath what is transparent.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGBA); None for the image's own.
        block: Side of the squares of one colour that it consists of, by `pixel_art.block`.
    """
    mode = MODES[channels] if channels else image.mode
    colourful = "RGB" in (mode[:3], image.mode[:3])  # or a coloured background would turn grey
    transparent = "A" in mode + image.mode
    working = MODES[1 + 2 * colourful + transparent]
    image = image if image.mode == working else image.convert(working)  # which would copy
    resampling = PICKED if _is_exact(image, size, block) else MIXED
    sized = _FITS[fit](image, (size[1], size[0]), background, resampling)
    if not transparent:
        return sized
    alpha = sized.getchannel("A")
    under = Image.new(sized.mode, sized.size, _colour(sized.mode, background, alpha=0))
    return Image.composite(sized, under, alpha.point(lambda value: 255 * (value > 0)))


def pixels_of(image: Image.Image, background: Colour, channels: int | None) -> np.ndarray:
    """A fitted image as uint8 [channels, height, width]; alpha that is not wanted is composited."""
    mode = MODES[channels] if channels else image.mode
    if "A" in image.mode and "A" not in mode:
        under = Image.new(image.mode, image.size, _colour(image.mode, background, alpha=255))
        image = Image.composite(image, under, image.getchannel("A"))
    array = np.asarray(image.convert(mode))
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def _is_exact(image: Image.Image, size: tuple[int, int], block: int) -> bool:
    """Whether no square of one colour is cut where the image shrinks to this height and width."""
    shrink = image.height // size[0]
    is_whole = (shrink * size[0], shrink * size[1]) == (image.height, image.width)
    return is_whole and block % shrink == 0


def _crop(
    image: Image.Image, size: tuple[int, int], background: Colour, resampling: Image.Resampling
) -> Image.Image:
    return ImageOps.fit(image, size, resampling)


def _stretch(
    image: Image.Image, size: tuple[int, int], background: Colour, resampling: Image.Resampling
) -> Image.Image:
    return image.resize(size, resampling)


def _pad(
    image: Image.Image, size: tuple[int, int], background: Colour, resampling: Image.Resampling
) -> Image.Image:
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    inner = (min(inner[0], size[0]), min(inner[1], size[1]))
    if inner == size:
        return image.resize(size, resampling)
    canvas = Image.new(image.mode, size, _colour(image.mode, background, alpha=0))
    place = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
    canvas.paste(image.resize(inner, resampling), place)
    return canvas


_FITS: dict[
    str, Callable[[Image.Image, tuple[int, int], Colour, Image.Resampling], Image.Image]
] = {
    "crop": _crop,
    "pad": _pad,
    "stretch": _stretch,
}


def _colour(mode: str, background: Colour, alpha: int) -> int | tuple[int, ...]:
    grey = ImageColor.getcolor("#{:02x}{:02x}{:02x}".format(*background), "L")
    assert isinstance(grey, int), "grey is one number"
    opaque = background if "RGB" in mode else (grey,)
    values = (*opaque, alpha) if "A" in mode else opaque
    return values if len(values) > 1 else grey


def colour(name: str) -> Colour:
    """RGB of a colour such as white, #ff8800 or rgb(255, 136, 0).

    Raises:
        ValueError: If it is none.
    """
    try:
        return ImageColor.getrgb(name)[:3]
    except ValueError as error:
        raise ValueError(
            f"data.background={name} is no colour. Type a name such as white or black, or "
            "'#ff8800'."
        ) from error
