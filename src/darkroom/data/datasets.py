"""Sets of images: read from where they lie into uint8 pixels and labels."""

import gzip
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as transforms

from darkroom.images import PIL_MODES, Batch, Labels, Pixels

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


@dataclass(frozen=True)
class ArraySet(Dataset[Batch]):
    """Images in memory.

    Attributes:
        pixels: uint8 [number, channels, height, width].
        labels: Class of each image; 0 where there are no classes.
        class_names: Names of the classes; empty where there are none.
    """

    pixels: Pixels
    labels: Labels
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """One image, by (epoch, index), as the stream names it."""
        epoch, index = key
        place = torch.tensor(index)
        return Batch(self.pixels[index], self.labels[index], torch.tensor(epoch), place)

    def subset(self, index: Tensor) -> "ArraySet":
        return ArraySet(self.pixels[index], self.labels[index], self.class_names)

    def to(self, device: torch.device) -> "ArraySet":
        return ArraySet(self.pixels.to(device), self.labels.to(device), self.class_names)

    def formed(self, resolution: int, channels: int) -> "ArraySet":
        """The same images at another resolution and with another number of channels."""
        pixels = with_channels(self.pixels, channels)
        if pixels.shape[-2:] != (resolution, resolution):
            pixels = transforms.resize(pixels, [resolution, resolution], antialias=True)
        return ArraySet(pixels, self.labels, self.class_names)

    def fingerprint(self) -> str:
        """A hash of every pixel and label: two sets are the same if and only if these are."""
        digest = sha256(repr((tuple(self.pixels.shape), self.class_names)).encode())
        digest.update(self.pixels.numpy().tobytes())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()


def with_channels(pixels: Pixels, channels: int) -> UInt8[Tensor, "batch {channels} height width"]:
    """Grey to colour or colour to grey; an opaque alpha channel is added, a present one dropped."""
    has = pixels.shape[1]
    colours = pixels[:, : 1 if has <= 2 else 3]
    wants_colour = channels >= 3
    if wants_colour and colours.shape[1] == 1:
        colours = colours.expand(-1, 3, -1, -1)
    if not wants_colour and colours.shape[1] == 3:
        colours = transforms.rgb_to_grayscale(colours)
    if channels in (2, 4):
        alpha = pixels[:, -1:] if has in (2, 4) else torch.full_like(colours[:, :1], 255)
        colours = torch.cat([colours, alpha], dim=1)
    return colours.contiguous()


def digits() -> ArraySet:
    """1,797 handwritten digits of 8x8 grey pixels, from scikit-learn's wheel: no download.

    Source: Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits", UCI.
    """
    from sklearn.datasets import load_digits  # a slow import, needed for this set alone

    bunch = load_digits()
    sixteenths = torch.from_numpy(bunch.images)  # 0..16
    pixels = (sixteenths * 255 / 16).round().to(torch.uint8)[:, None]
    return ArraySet(pixels, torch.from_numpy(bunch.target).long(), tuple("0123456789"))


def idx(images: Path, labels: Path, class_names: Sequence[str]) -> ArraySet:
    """Grey images and their labels from a pair of IDX files, gzipped or not."""
    pixels = torch.from_numpy(_read_idx(images, 3))[:, None]
    return ArraySet(pixels, torch.from_numpy(_read_idx(labels, 1)).long(), tuple(class_names))


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An IDX file of bytes: two zeros, type 8, number of dimensions, big-endian sizes, values."""
    header = 4 + 4 * dimensions
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if content[:4] != bytes([0, 0, 8, dimensions]):
            raise ValueError("it begins otherwise")
        shape = np.frombuffer(content[4:header], ">u4").tolist()
        return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()
    except (EOFError, ValueError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is no IDX file of bytes with {dimensions} dimensions, or it is damaged "
            f"({error}). Fetch it again."
        ) from error


def spread(length: int, limit: int | None) -> Int64[Tensor, " places"]:
    """At most `limit` of `length` places, evenly spaced: sorted classes keep their shares."""
    count = length if limit is None else min(limit, length)
    return torch.arange(count) * length // max(count, 1)


def folder(root: Path, resolution: int, channels: int, limit: int | None = None) -> ArraySet:
    """Every image below a folder, cropped to its central square and resized.

    The names of the folders directly below are the classes, if every image lies in one of them.

    Args:
        root: The folder.
        resolution: Side of the images in pixels.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        limit: Take only so many files, spread evenly over the sorted names.

    Raises:
        ValueError: If there is no such folder, no image in it, or an image that cannot be read.
    """
    if not root.is_dir():
        raise ValueError(f"data.root={root} is no folder. Type data.root=<folder of images>.")
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    files = [files[place] for place in spread(len(files), limit).tolist()]
    if not files:
        raise ValueError(
            f"data.root={root} holds no image. Known endings: {', '.join(sorted(SUFFIXES))}."
        )
    with ThreadPoolExecutor() as pool:  # Pillow decodes and resizes without Python's lock
        pixels = list(pool.map(lambda path: _read_image(path, resolution, channels), files))
    tops = [path.relative_to(root).parts[0] for path in files]
    classes = sorted(set(tops)) if all(path.parent != root for path in files) else [""]
    labels = [classes.index(top) if len(classes) > 1 else 0 for top in tops]
    names = tuple(classes) if len(classes) > 1 else ()
    return ArraySet(torch.from_numpy(np.stack(pixels)), torch.tensor(labels), names)


def _read_image(path: Path, resolution: int, channels: int) -> np.ndarray:
    """One image as uint8 [channels, resolution, resolution]."""
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened)
            if upright.mode.startswith("I;16"):  # Pillow would clip these to 255
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            upright = upright.convert(PIL_MODES[channels])
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"data.root: {path} cannot be read: {error}. Mend it or remove it."
        ) from error
    square = ImageOps.fit(upright, (resolution, resolution), Image.Resampling.BICUBIC)
    array = np.asarray(square)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
