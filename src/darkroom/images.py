"""The vocabulary: what an image is here, and the only two ways between pixels and floats."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

Pixels = UInt8[Tensor, "batch channels height width"]  # as stored, [0, 255]
Images = Float[Tensor, "batch channels height width"]  # as computed with, [-1, 1]
Latents = Float[Tensor, "batch latent_dim"]
Logits = Float[Tensor, " batch"]
PerImage = Float[Tensor, " batch"]  # one number for each image, never reduced
Labels = Int64[Tensor, " batch"]
Counters = Int64[Tensor, " batch"]  # what names an image's randomness
Features = Float[Tensor, "batch features"]


class Batch(NamedTuple):
    """Images on their way to a system, and what names their randomness.

    Attributes:
        images: Pixels as loaded, floats once they are on the device.
        labels: Classes; 0 where the data set has none.
        epochs: How often each image has been drawn before.
        indices: The places of the images in the data set.
    """

    images: Pixels | Images
    labels: Labels
    epochs: Counters
    indices: Counters


def sides(resolution: int | Sequence[int]) -> tuple[int, int]:
    """Height and width in pixels; a single number is the side of a square.

    Raises:
        ValueError: If it is neither one whole number nor two.
    """
    pair = resolution if isinstance(resolution, Sequence) else (resolution, resolution)
    if [type(side) for side in pair] != [int, int]:  # exactly: True is an int too
        raise ValueError(
            f"data.resolution={resolution}: type one side such as 64, or [height,width] such as "
            "[48,64]."
        )
    height, width = pair
    return height, width


def to_float(pixels: Pixels) -> Images:
    """Pixels 0..255 to floats -1..1."""
    return pixels.float().div_(127.5).sub_(1)  # in place: memory costs more than arithmetic


def to_pixels(images: Images) -> Pixels:
    """Floats to pixels, rounded; what lies outside -1..1 is clamped.

    Raises:
        ValueError: If a value is not finite. A black square must never hide a NaN.
    """
    if not torch.isfinite(images).all():
        raise ValueError(
            "The images contain NaN or infinity, so the weights that made them are broken."
        )
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def composited(pixels: Pixels, grey: int = 128) -> UInt8[Tensor, "batch colours height width"]:
    """What one sees: transparency over grey, and images without an alpha channel as they are."""
    if pixels.shape[1] in (1, 3):
        return pixels
    colours, alpha = pixels[:, :-1].float(), pixels[:, -1:].float() / 255
    return (colours * alpha + grey * (1 - alpha)).round().to(torch.uint8)


def tile(pixels: Pixels, columns: int, scale: int = 1) -> UInt8[Tensor, "channels rows columns"]:
    """One picture with the images in rows of `columns`, one black pixel between them.

    Args:
        pixels: The images, in reading order. Missing ones in the last row stay black.
        columns: Images in a row.
        scale: Each pixel becomes a square of this side, so that small images can be looked at.
    """
    count, channels, height, width = pixels.shape
    rows = -(-count // columns)
    cells = pixels.new_zeros(rows * columns, channels, height * scale + 1, width * scale + 1)
    enlarged = pixels.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    cells[:count, :, :-1, :-1] = enlarged
    cells = cells.reshape(rows, columns, *cells.shape[1:])  # [R, K, C, H+1, W+1]
    picture = cells.permute(2, 0, 3, 1, 4).flatten(1, 2).flatten(2, 3)  # [C, R(H+1), K(W+1)]
    return picture[:, :-1, :-1].contiguous()


def visible_scale(height: int) -> int:
    """The enlargement at which an image of this height is comfortable to look at."""
    return max(1, 64 // height)


def pil(picture: UInt8[Tensor, "channels height width"]) -> Image.Image:
    """One picture of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) channels, for Pillow."""
    array = picture.cpu().permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if picture.shape[0] == 1 else array)
