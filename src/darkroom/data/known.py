"""Published data sets by name."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torchvision import datasets as torchvision_datasets

from darkroom import randomness
from darkroom.data import datasets
from darkroom.data.datamodule import ImageData
from darkroom.data.datasets import ArraySet
from darkroom.data.division import divide
from darkroom.data.own import Packed
from darkroom.images import Labels, Pixels, sides
from darkroom.intake.labelling import Labelling
from darkroom.intake.sources import Directory, Source


class InMemory(ImageData):
    """A small set that is read as one array."""

    @abstractmethod
    def load(self) -> ArraySet:
        """All images, as published."""

    def read(self) -> ArraySet:
        images = self.load()
        images = images.subset(datasets.spread(len(images), self.limit))
        return images.formed(sides(self.resolution), self.channels)


class Digits(InMemory):
    """scikit-learn's handwritten digits, embedded: no download."""

    published = (
        "a copy of the test set of UCI's Optical Recognition of Handwritten Digits (E. Alpaydin), "
        "which scikit-learn distributes; its licence is UCI's to say"
    )

    def load(self) -> ArraySet:
        return datasets.digits()


class Known(InMemory):
    """A published data set, found below a folder or downloaded by torchvision.

    Args:
        root: The folder that holds it, in torchvision's layout.
        download: Fetch it into the folder if it is not there.
        options: As for ImageData.
    """

    def __init__(self, root: str = "data", download: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.root, self.download = Path(root).expanduser(), download


def missing(name: str, root: Path, looked: Iterable[Path]) -> ValueError:
    """What to do about a data set that is not there."""
    ways = [f"put its files into {path}" for path in looked]
    ways.append("type data.download=true to fetch it once (needs the internet)")
    listed = "".join(f"\n  - {way}" for way in ways)
    return ValueError(f"data.root={root}: {name} is not there. Either{listed}")


class MNIST(Known):
    """70,000 handwritten digits of 28x28 grey pixels; the 60,000 for training are used."""

    folder = "MNIST"
    class_names: tuple[str, ...] = tuple("0123456789")
    elsewhere: tuple[Path, ...] = ()
    source = torchvision_datasets.MNIST

    def prepare_data(self) -> None:
        if self.download:
            self.source(str(self.root), download=True)

    def load(self) -> ArraySet:
        looked = (self.root / self.folder / "raw", *self.elsewhere)
        for place in looked:
            for ending in ("", ".gz"):
                images = place / f"train-images-idx3-ubyte{ending}"
                labels = place / f"train-labels-idx1-ubyte{ending}"
                if images.exists() and labels.exists():
                    return datasets.idx(images, labels, self.class_names)
        raise missing(type(self).__name__, self.root, looked)


class FashionMNIST(MNIST):
    """60,000 pieces of clothing of 28x28 grey pixels; also found in Debian's dataset-fashion-mnist.

    Source: Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747.
    """

    published = "MIT, copyright 2017 Zalando SE"
    folder = "FashionMNIST"
    class_names = tuple(torchvision_datasets.FashionMNIST.classes)
    elsewhere = (Path("/usr/share/datasets/fashion-mnist"),)
    source = torchvision_datasets.FashionMNIST


@dataclass(frozen=True)
class Parted(ArraySet):
    """Images in memory whose parts are known."""

    splits: Sequence[str | None] = ()


class StackedDigits(ImageData):
    """Three digits as the red, green and blue of an image: 1,000 modes that can be counted.

    Class 100a + 10b + c is the red digit a, the green b and the blue c. The digits are divided
    first, so a held-out image holds none that is in a training image. Which digits meet is a
    function of the split's seed and of the number of the image.

    Args:
        source: Where the digits are from: digits (scikit-learn's, embedded) or mnist.
        root: For mnist: the folder that holds it, in torchvision's layout.
        download: For mnist: fetch it into the folder if it is not there.
        number: How many images, those held out included.
        channels: 3.
        options: As for ImageData.

    Attributes:
        taught: The single digits of the training images, after `setup`.

    Source: Metz et al. 2017 (Unrolled GAN), arXiv 1611.02163, appendix D.1.
    """

    class_names = tuple(f"{k:03d}" for k in range(1000))
    per_channel = True

    def __init__(
        self,
        source: Literal["digits", "mnist"] = "digits",
        root: str = "data",
        download: bool = False,
        number: int = 25_600,
        channels: int = 3,
        **options: Any,
    ) -> None:
        super().__init__(channels=channels, **options)
        if channels != 3:
            raise ValueError(
                f"data.channels={channels}: three digits are stacked as RGB. Type data.channels=3."
            )
        if number < 2:
            raise ValueError(f"data.number={number}: type a number of images, such as 25600.")
        self.number = number
        self.singles: InMemory = Digits(self.resolution, 1)
        if source == "mnist":
            self.singles = MNIST(root, download, resolution=self.resolution, channels=1)
        self.licence = self.licence or self.singles.licence

    def prepare_data(self) -> None:
        self.singles.prepare_data()

    def read(self) -> Parted:
        digits = self.singles.read()
        division = divide(len(digits), self.validation, self.split_seed, groups=digits.hashes())
        self.taught = digits.subset(division.training)
        number = self.number if self.limit is None else min(self.limit, self.number)
        held_out = min(max(1, round(self.validation * number)), number - 1)
        stacks = [
            self._stacked(self.taught, torch.arange(number - held_out)),
            self._stacked(
                digits.subset(division.held_out), torch.arange(number - held_out, number)
            ),
        ]
        pixels, labels = (torch.cat(parts) for parts in zip(*stacks, strict=True))
        splits = ["train"] * (number - held_out) + ["validation"] * held_out
        return Parted(pixels, labels, self.class_names, splits)

    def labelled(self, most: int = 50_000) -> ArraySet:
        """The single grey digits of the training images, with their ten classes."""
        return self.taught.subset(datasets.spread(len(self.taught), most))

    def _stacked(self, singles: ArraySet, numbers: Labels) -> tuple[Pixels, Labels]:
        """The images of some numbers, and their classes."""
        purpose = randomness.key(self.split_seed, "stacked digits")
        u = randomness.uniform(purpose, numbers[:, None], torch.arange(3))
        drawn = (u.double() * len(singles)).long()  # [number, 3]
        pixels = singles.pixels[drawn.flatten()].reshape(-1, 3, *singles.shape[1:])
        return pixels, (singles.labels[drawn] * torch.tensor([100, 10, 1])).sum(1)


class CIFAR10(Known):
    """50,000 colour photographs of 32x32 pixels."""

    def prepare_data(self) -> None:
        if self.download:
            torchvision_datasets.CIFAR10(str(self.root), download=True)

    def load(self) -> ArraySet:
        try:
            found = torchvision_datasets.CIFAR10(str(self.root))
        except RuntimeError as error:
            looked = [self.root / torchvision_datasets.CIFAR10.base_folder]
            raise missing(type(self).__name__, self.root, looked) from error
        pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
        return ArraySet(pixels, torch.tensor(found.targets), tuple(found.classes))


class CelebA(Packed):
    """202,599 photographs of faces, 178x218 pixels, in the split of its authors.

    Args:
        root: The folder that holds it, in torchvision's layout: celeba/img_align_celeba/*.jpg and
            celeba/list_eval_partition.txt.
        download: Fetch it into the folder if it is not there; its host often refuses.
        options: As for Packed and ImageData.

    Source: Liu et al. 2015, arXiv 1411.7766. For non-commercial research only.
    """

    published = "non-commercial research only (the agreement of CelebA, MMLAB of CUHK)"

    def __init__(self, root: str = "data", download: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.root, self.download = Path(root).expanduser(), download

    @property
    def origin(self) -> str:
        return f"data.root={self.root / 'celeba'}"

    def prepare_data(self) -> None:
        if self.download:
            torchvision_datasets.CelebA(str(self.root), download=True)

    def source(self) -> Source:
        images, parts = self.root / "celeba/img_align_celeba", self._partition
        if not (images.is_dir() and parts.exists()):
            raise missing(type(self).__name__, self.root, [images, parts])
        return Directory(images.absolute())

    def described(self, names: Sequence[str]) -> Labelling:
        lines = self._partition.read_text().splitlines()
        part = dict(line.split() for line in lines if line.strip())
        known = [name for name in names if name in part]
        splits = [("train", "validation", "test")[int(part[name])] for name in known]
        return Labelling(known, np.zeros(len(known), np.int64), (), splits, [None] * len(known))

    @property
    def _partition(self) -> Path:
        return self.root / "celeba/list_eval_partition.txt"
