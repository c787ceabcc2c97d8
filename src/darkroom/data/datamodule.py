"""The LightningDataModule: read, split, and stream images to the device."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader
from torchvision import datasets as torchvision_datasets

from darkroom import randomness
from darkroom.augmentation import Augmentation
from darkroom.data import datasets
from darkroom.data.datasets import ArraySet
from darkroom.data.stream import HeldOutLoader, ResidentLoader, Stream
from darkroom.images import Batch, to_float


class ImageData(LightningDataModule):
    """Images as uint8 in memory, split once, and turned to floats on the device.

    Args:
        resolution: Side of the images in pixels.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        batch_size: Images of a step, over all devices.
        seed: Seed of the split, the order and the augmentation.
        validation: Share of the images that is kept from training, within 0..1.
        augmentation: What happens to training images, in order.
        limit: Use only so many images, spread evenly over the data set.
        resident: Gather batches straight out of memory (and keep the images on the GPU), or load
            image by image in worker processes. Both give the same batches.
        num_workers: Worker processes when not resident.

    Attributes:
        training: The training set, after `setup`.
        held_out: The validation set, after `setup`.
    """

    training: ArraySet
    held_out: ArraySet

    def __init__(
        self,
        resolution: int,
        channels: int,
        batch_size: int = 64,
        seed: int = 0,
        validation: float = 0.1,
        augmentation: Sequence[Augmentation] = (),
        limit: int | None = None,
        resident: bool = True,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < validation < 1:
            raise ValueError(f"data.validation={validation}: type a share such as 0.1.")
        if batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size}: type at least 1, such as 64.")
        if limit is not None and limit < 1:
            raise ValueError(f"data.limit={limit}: type a number of images, or null for all.")
        if channels not in (1, 2, 3, 4):
            raise ValueError(f"data.channels={channels}: type 1 (grey), 2, 3 (RGB) or 4 (RGBA).")
        self.resolution, self.channels = resolution, channels
        self.batch_size, self.seed, self.validation = batch_size, seed, validation
        self.augmentation, self.limit = augmentation, limit
        self.resident, self.num_workers = resident, num_workers

    @abstractmethod
    def read(self) -> ArraySet:
        """All images; `setup` brings them to the resolution and the channels asked for."""

    @property
    def num_classes(self) -> int:
        """Classes of the data set, 0 where there are none."""
        return len(self.training.class_names)

    def setup(self, stage: str | None = None) -> None:
        if hasattr(self, "training"):
            return
        images = self.read()
        images = images.subset(datasets.spread(len(images), self.limit))
        images = images.formed(self.resolution, self.channels)
        held_out = round(self.validation * len(images))
        if not 0 < held_out < len(images):
            raise ValueError(
                f"data.validation={self.validation} of {len(images)} images leaves nothing to "
                "train or to validate on. Bring more images, or raise data.limit."
            )
        order = randomness.permutation(len(images), self.seed, "split")
        self.held_out = images.subset(order[:held_out])
        self.training = images.subset(order[held_out:])

    def train_dataloader(self) -> Iterable[Batch]:
        trainer = self.trainer
        assert trainer is not None, "Lightning asks for loaders while a trainer is attached"
        system = trainer.lightning_module
        stream = Stream(
            len(self.training),
            self.batch_size,
            self.seed,
            clock=lambda: cast(int, system.images_seen),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        if self.resident:
            return ResidentLoader(self.training.to(trainer.strategy.root_device), stream)
        return DataLoader(
            self.training,
            batch_sampler=stream,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=trainer.strategy.root_device.type == "cuda",
            timeout=120 if self.num_workers > 0 else 0,  # a worker that hangs is an error
        )

    def val_dataloader(self) -> Iterable[Batch]:
        trainer = self.trainer
        assert trainer is not None, "Lightning asks for loaders while a trainer is attached"
        return HeldOutLoader(
            self.held_out, self.batch_size, trainer.global_rank, trainer.world_size
        )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        trainer = self.trainer
        assert trainer is not None, "Lightning moves batches while a trainer is attached"
        images = to_float(batch.images)
        if trainer.training:
            for augment in self.augmentation:
                images = augment(images, self.seed, batch.epochs, batch.indices)
        dtype = cast(torch.dtype, trainer.lightning_module.dtype)
        return batch._replace(images=images.to(dtype))


class Digits(ImageData):
    """scikit-learn's handwritten digits, embedded: no download."""

    def read(self) -> ArraySet:
        return datasets.digits()


class Folder(ImageData):
    """Your own images.

    Args:
        root: A folder with images, in folders by class or not.
        options: As for ImageData.
    """

    def __init__(self, root: str, **options: Any) -> None:
        super().__init__(**options)
        self.root = Path(root).expanduser()

    def read(self) -> ArraySet:
        return datasets.folder(self.root, self.resolution, self.channels, self.limit)


class Known(ImageData):
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

    def read(self) -> ArraySet:
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

    def read(self) -> ArraySet:
        try:
            found = torchvision_datasets.CIFAR10(str(self.root))
        except RuntimeError as error:
            raise self.missing([self.root / torchvision_datasets.CIFAR10.base_folder]) from error
        pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
        return ArraySet(pixels, torch.tensor(found.targets), tuple(found.classes))
