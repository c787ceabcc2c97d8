"""Sets of images: uint8 pixels and labels, in memory or in a pack on the disk."""

import gzip
import zlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as transforms

from darkroom.images import Batch, Labels, Pixels
from darkroom.intake.pack import Pack

Key = tuple[Sequence[int] | Tensor, Sequence[int] | Tensor]  # (epochs, indices) of a batch


class ImageSet(Dataset[Batch]):
    """Images that are fetched by the batch, never one by one.

    Attributes:
        class_names: Names of the classes; empty where there are none.
    """

    class_names: tuple[str, ...]

    @abstractmethod
    def __len__(self) -> int:
        """Images of the set."""

    @abstractmethod
    def __getitem__(self, key: Key) -> Batch:
        """A batch, by the epochs and indices of its images, as the stream names them."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""

    @abstractmethod
    def pixels_at(self, index: Int64[Tensor, " batch"]) -> Pixels:
        """The images at some places, in this order."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of every pixel and label: two sets are the same if and only if these are."""

    def first(self, n: int) -> Pixels:
        return self.pixels_at(torch.arange(min(n, len(self))))

    def specimens(self, n: int) -> Batch:
        """At most n images that stand for the whole, the same ones every time, unaugmented.

        Shards are read from their beginning: they were mixed when they were written, and each
        place in them may have to be fetched from far away.
        """
        places = self.standing(n)
        return self[torch.zeros_like(places), places]

    def some(self, n: int) -> Pixels:
        """The pixels of these images."""
        return self.pixels_at(self.standing(n))

    def standing(self, n: int) -> Int64[Tensor, " places"]:
        """Where they are: of a shuffled set the first."""
        return torch.arange(min(n, len(self)))

    def to(self, device: torch.device) -> "ArraySet":
        everything = torch.arange(len(self))
        batch = self[torch.zeros_like(everything), everything]
        return ArraySet(batch.images.to(device), batch.labels.to(device), self.class_names)


class Divisible(ImageSet):
    """Images whose labels are in memory, so that they can be divided into parts.

    Attributes:
        labels: Class of each image; 0 where there are no classes.
        splits: train, validation or test for each image, None where that is open; or empty.
        groups: What must stay on one side of a split, for each image; or empty.
    """

    labels: Labels
    splits: Sequence[str | None] = ()
    groups: Sequence[str | None] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, key: Key) -> Batch:
        epochs, index = (torch.as_tensor(part, device=self.labels.device) for part in key)
        return Batch(self.pixels_at(index), self.labels[index], epochs, index)

    def standing(self, n: int) -> Int64[Tensor, " places"]:
        """All over the set: its classes may lie one behind another."""
        return spread(len(self), n)

    @abstractmethod
    def subset(self, index: Int64[Tensor, " part"]) -> "Divisible":
        """The images at some places as a set of their own."""

    @abstractmethod
    def hashes(self) -> list[str]:
        """A hash of the pixels of each image."""

    def fingerprint(self) -> str:
        digest = sha256(repr((self.shape, self.class_names, self.hashes())).encode())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ArraySet(Divisible):
    """Images in memory.

    Attributes:
        pixels: uint8 [number, channels, height, width].
    """

    pixels: Pixels
    labels: Labels
    class_names: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    def pixels_at(self, index: Int64[Tensor, " batch"]) -> Pixels:
        return self.pixels.index_select(0, index)  # copies rows; [index] goes byte by byte

    def subset(self, index: Int64[Tensor, " part"]) -> "ArraySet":
        return ArraySet(self.pixels[index], self.labels[index], self.class_names)

    def to(self, device: torch.device) -> "ArraySet":  # where it lies already, nothing is copied
        return ArraySet(self.pixels.to(device), self.labels.to(device), self.class_names)

    def hashes(self) -> list[str]:
        images = self.pixels.numpy()
        return [blake2b(image.tobytes(), digest_size=16).hexdigest() for image in images]

    def formed(self, size: tuple[int, int], channels: int) -> "ArraySet":
        """The same images at another size and with another number of channels.

        What another aspect ratio leaves no room for is cut off, evenly at both ends.
        """
        pixels = with_channels(self.pixels, channels)
        if pixels.shape[-2:] != size:
            height, width = pixels.shape[-2:]
            scale = max(size[0] / height, size[1] / width)
            part = [round(size[0] / scale), round(size[1] / scale)]
            pixels = transforms.resize(transforms.center_crop(pixels, part), [*size])
        return ArraySet(pixels, self.labels, self.class_names)


@dataclass(frozen=True)
class PackedSet(Divisible):
    """Images in a pack on the disk; only what is asked for comes into memory.

    Attributes:
        pack: The pack.
        rows: Where in the pack the images are.
        names: The files that they came from.
    """

    pack: Pack
    rows: Int64[Tensor, " number"]
    names: Sequence[str]
    labels: Labels
    class_names: tuple[str, ...] = ()
    splits: Sequence[str | None] = ()
    groups: Sequence[str | None] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.pack.reading.shape

    def pixels_at(self, index: Int64[Tensor, " batch"]) -> Pixels:
        return torch.from_numpy(self.pack.images(self.rows[index].numpy()))

    def subset(self, index: Int64[Tensor, " part"]) -> "PackedSet":
        def chosen(values: Sequence[str | None]) -> list[str | None]:
            return [values[place] for place in index.tolist()] if values else []

        names = [self.names[place] for place in index.tolist()]
        splits, groups = chosen(self.splits), chosen(self.groups)
        rows, labels = self.rows[index], self.labels[index]
        return PackedSet(self.pack, rows, names, labels, self.class_names, splits, groups)

    def hashes(self) -> list[str]:
        return [self.pack.records[row]["pixels"] for row in self.rows.tolist()]


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

    Its file is read without scikit-learn, whose import takes longer than the rest of a small run's
    start.

    Source: Alpaydin and Kaynak 1998, "Optical recognition of handwritten digits", UCI.
    """
    table = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    rows = torch.from_numpy(np.loadtxt(str(table), delimiter=","))  # 64 of 0..16, and the label
    pixels = (rows[:, :-1] * 255 / 16).round().to(torch.uint8).reshape(-1, 1, 8, 8)
    return ArraySet(pixels, rows[:, -1].long(), tuple("0123456789"))


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
