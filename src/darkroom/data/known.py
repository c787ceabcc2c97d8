"""Published data sets by name."""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets as torchvision_datasets

from darkroom.data import datasets
from darkroom.data.datamodule import ImageData
from darkroom.data.datasets import ArraySet
from darkroom.images import sides


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

    def missing(self, looked: Iterable[Path]) -> ValueError:
        ways = [f"put its files into {path}" for path in looked]
        ways.append("type data.download=true to fetch it once (needs the internet)")
        listed = "".join(f"\n  - {way}" for way in ways)
        return ValueError(
            f"data.root={self.root}: {type(self).__name__} is not there. Either{listed}"
        )


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
        raise self.missing(looked)


class FashionMNIST(MNIST):
    """60,000 pieces of clothing of 28x28 grey pixels; also found in Debian's dataset-fashion-mnist.

    Source: Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747.
    """

    folder = "FashionMNIST"
    class_names = tuple(torchvision_datasets.FashionMNIST.classes)
    elsewhere = (Path("/usr/share/datasets/fashion-mnist"),)
    source = torchvision_datasets.FashionMNIST


class CIFAR10(Known):
    """50,000 colour photographs of 32x32 pixels."""

    def prepare_data(self) -> None:
        if self.download:
            torchvision_datasets.CIFAR10(str(self.root), download=True)

    def load(self) -> ArraySet:
        try:
            found = torchvision_datasets.CIFAR10(str(self.root))
        except RuntimeError as error:
            raise self.missing([self.root / torchvision_datasets.CIFAR10.base_folder]) from error
        pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
        return ArraySet(pixels, torch.tensor(found.targets), tuple(found.classes))
