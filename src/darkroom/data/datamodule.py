"""The LightningDataModule: read, split, and stream images to the device."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, cast, runtime_checkable

import psutil
import torch
from jaxtyping import Float
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from darkroom.augmentation import Augmentation
from darkroom.data.datasets import ArraySet, Divisible, ImageSet, spread
from darkroom.data.division import divide
from darkroom.data.stream import HeldOutLoader, Order, ResidentLoader, Shuffled, Stream
from darkroom.images import Batch, sides, to_float

MEMORY_SHARE = 0.25  # of the free memory may go to resident images


@runtime_checkable
class Chunked(Protocol):
    """A set in chunks that have to be fetched; images lie in them at random.

    Attributes:
        sizes: Images in each chunk.
    """

    sizes: Sequence[int]


class ImageData(LightningDataModule):
    """Images as uint8, divided once, and turned to floats on the device.

    Args:
        resolution: Side of the images in pixels, or height and width.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        batch_size: Images of a step, over all devices.
        seed: Seed of the order and the augmentation.
        validation: Share of the images that is kept from training, within 0..1, unless the data
            set says which.
        validation_limit: While a model trains, at most so many of them are validated each time,
            those that stand for the whole; null for all. For a small VAE 6,000 took a tenth of a
            training's time.
        augmentation: What happens to training images, in order.
        limit: Use only so many images, spread evenly over the data set.
        resident: Keep all training images in the device's memory, or fetch each batch from where
            the set lies; auto keeps them if that leaves most of the memory free. The batches are
            the same.
        num_workers: Processes that fetch batches when not resident.
        num_classes: How many classes the model is told of: 0 for none, auto for all.
        split_seed: Seed of the split. It is not the run's, so that runs of several seeds are judged
            by the same images, which none of them has seen.
        licence: What may be done with the images, and who agreed, in your own words. It is
            noted in run.json and in model cards; of published sets some is known.

    Attributes:
        training: The training set, after `setup`.
        held_out: The validation set, after `setup`.
        test: What the data set keeps for the end, after `setup`; often empty.
        per_channel: The images of `labelled` are one channel each of what is trained on, and the
            class of the whole is written by those of its channels, as digits write a number.
    """

    training: ImageSet
    held_out: ImageSet
    test: ImageSet
    per_channel: bool = False
    published: str = ""  # what is known of a published set's licence
    patience = 120  # seconds without a batch, after which a worker is taken to hang

    def __init__(
        self,
        resolution: int | Sequence[int],
        channels: int,
        batch_size: int = 64,
        seed: int = 0,
        validation: float = 0.1,
        augmentation: Sequence[Augmentation] = (),
        limit: int | None = None,
        resident: bool | Literal["auto"] = "auto",
        num_workers: int = 0,
        split_seed: int = 0,
        num_classes: int | Literal["auto"] = 0,
        licence: str | None = None,
        validation_limit: int | None = 2_000,
    ) -> None:
        super().__init__()
        if not 0 < validation < 1:
            raise ValueError(f"data.validation={validation}: type a share such as 0.1.")
        if batch_size < 1:
            raise ValueError(f"data.batch_size={batch_size}: type at least 1, such as 64.")
        if num_workers < 0:
            raise ValueError(f"data.num_workers={num_workers}: type 0 for none, or how many.")
        if limit is not None and limit < 1:
            raise ValueError(f"data.limit={limit}: type a number of images, or null for all.")
        if validation_limit is not None and validation_limit < 1:
            raise ValueError(
                f"data.validation_limit={validation_limit}: type a number of images, or null for "
                "all."
            )
        if min(sides(resolution)) < 1:
            raise ValueError(f"data.resolution={resolution}: type at least 1, such as 64.")
        if channels not in (1, 2, 3, 4):
            raise ValueError(f"data.channels={channels}: type 1 (grey), 2, 3 (RGB) or 4 (RGBA).")
        self.resolution, self.channels = resolution, channels
        self.batch_size, self.seed = batch_size, seed
        self.validation, self.split_seed = validation, split_seed
        self.validation_limit = validation_limit
        self.augmentation, self.limit = augmentation, limit
        self.resident, self.num_workers = resident, num_workers
        self.num_classes = num_classes
        self.licence = self.published if licence is None else licence

    @abstractmethod
    def read(self) -> Divisible:
        """The images, at most `limit`, in the resolution and the channels asked for."""

    def setup(self, stage: str | None = None) -> None:
        if hasattr(self, "training"):
            return
        images = self.read()
        division = divide(
            len(images), self.validation, self.split_seed, images.splits, images.groups
        )
        if not (len(division.training) and len(division.held_out)):
            raise ValueError(
                f"data.validation={self.validation} of {len(images)} images leaves nothing to "
                "train or to validate on (equal images, and those of a group, stay together). "
                "Bring more images, or raise data.limit."
            )
        self.training = images.subset(division.training)
        self.held_out = images.subset(division.held_out)
        self.test = images.subset(division.test)
        self._settle_classes()

    def labelled(self, most: int = 50_000) -> ArraySet:
        """Training images with their classes, to teach a classifier with, after `setup`.

        They are spread evenly over the set; of one in chunks they are those of the first chunk,
        which is all that is fetched.

        Args:
            most: How many at most.

        Returns:
            The images as they are trained on, without augmentation; class_names is empty where
            there are no classes.
        """
        training = self.training
        places = spread(training.sizes[0] if isinstance(training, Chunked) else len(training), most)
        batch = training[(torch.zeros_like(places), places)]
        return ArraySet(batch.images, batch.labels, training.class_names)

    def class_shares(self) -> Float[Tensor, " classes"]:
        """How often each class occurs among the training images, after `setup`.

        Raises:
            ValueError: If some have none.
        """
        labels = self.labelled().labels
        if labels.min() < 0:
            raise ValueError(
                f"data.num_classes={self.num_classes}: some images have no class. Leave it out, or "
                "give each of them one."
            )
        counts = torch.bincount(labels, minlength=len(self.training.class_names))
        return counts.float() / len(labels)

    def order(self) -> Order:
        """Which training image comes when."""
        return Shuffled(len(self.training), self.seed)

    def train_dataloader(self) -> Iterable[Batch]:
        trainer = self.trainer
        assert trainer is not None, "Lightning asks for loaders while a trainer is attached"
        system = trainer.lightning_module
        stream = Stream(
            self.order(),
            self.batch_size,
            clock=lambda: cast(int, system.images_seen),
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        device = trainer.strategy.root_device
        if self._is_resident(device):
            return ResidentLoader(self.training.to(device), stream)
        return DataLoader(
            self.training,
            sampler=stream,
            batch_size=None,  # the stream names batches, and the set gives them whole
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=device.type == "cuda",
            timeout=self.patience if self.num_workers > 0 else 0,
        )

    def val_dataloader(self) -> Iterable[Batch]:
        trainer = self.trainer
        assert trainer is not None, "Lightning asks for loaders while a trainer is attached"
        return HeldOutLoader(
            self.held_out,
            self.batch_size,
            trainer.global_rank,
            trainer.world_size,
            self.validation_limit,
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

    def _settle_classes(self) -> None:
        there = len(self.training.class_names)
        if self.num_classes == "auto" and there:
            self.num_classes = there
        if self.num_classes not in (0, there):
            remedy = "Type data.num_classes=auto, or 0 for a model that is told of none."
            raise ValueError(
                f"data.num_classes={self.num_classes}: the data have {there or 'no'} classes. "
                f"{remedy if there else 'Sort the images into a folder for each class.'}"
            )

    def _is_resident(self, device: torch.device) -> bool:
        if self.resident != "auto":
            return self.resident
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
        else:
            free = psutil.virtual_memory().available
        return len(self.training) * math.prod(self.training.shape) < free * MEMORY_SHARE
