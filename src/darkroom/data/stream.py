"""The endless stream of training images, a function of (seed, images seen) alone."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Sampler

from darkroom import randomness
from darkroom.data.datasets import ImageSet
from darkroom.images import Batch


class Stream(Sampler[tuple[list[int], list[int]]]):
    """Which images come when: epoch after epoch, each in an order of its own, none left out.

    Place p of the stream is image `permutation(seed, epoch)[p mod length]` of epoch `p div length`.
    A batch is the next `batch_size` places, and each device takes its share of it. So two devices
    see what one would see, and a resumed run goes on where the clock stands: there is no state.

    Args:
        length: Images in the training set.
        batch_size: Images of a batch, over all devices.
        seed: The run's seed.
        clock: Tells the images seen so far. It is asked whenever an iteration begins.
        rank: This device's number.
        world_size: How many devices share a batch.

    Raises:
        ValueError: If there are fewer images than a batch takes, or devices cannot share evenly.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        clock: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if length < batch_size:
            raise ValueError(
                f"data.batch_size={batch_size} is larger than the training set of {length} images. "
                f"Type data.batch_size={max(1, length // 2)}, or bring more images."
            )
        if batch_size % world_size:
            raise ValueError(
                f"data.batch_size={batch_size} cannot be shared evenly by {world_size} devices. "
                f"Type data.batch_size={-(-batch_size // world_size) * world_size}."
            )
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.clock, self.rank, self.world_size = clock, rank, world_size
        self.orders: dict[int, Int64[Tensor, " length"]] = {}

    def __len__(self) -> int:
        """Batches of what Lightning calls an epoch: as many as fit into one pass over the data."""
        return self.length // self.batch_size

    def __iter__(self) -> Iterator[tuple[list[int], list[int]]]:
        for epoch, index in self.batches():
            yield epoch.tolist(), index.tolist()  # lists are cheap to send to a worker process

    def batches(self) -> Iterator[tuple[Int64[Tensor, " share"], Int64[Tensor, " share"]]]:
        """Epochs and indices of the coming batches, this device's share of each."""
        place = self.clock()
        for _ in range(len(self)):
            yield self.share(place)
            place += self.batch_size

    def share(self, place: int) -> tuple[Int64[Tensor, " share"], Int64[Tensor, " share"]]:
        """Epochs and indices of this device's share of the batch that begins at a place."""
        rows = self.batch_size // self.world_size
        first = place + self.rank * rows
        places = torch.arange(first, first + rows)
        epoch = places // self.length
        index = torch.empty_like(places)
        for number in range(first // self.length, (first + rows - 1) // self.length + 1):
            within = epoch == number
            index[within] = self.order(number)[places[within] % self.length]
        return epoch, index

    def order(self, epoch: int) -> Int64[Tensor, " length"]:
        if epoch not in self.orders:
            self.orders = {past: self.orders[past] for past in self.orders if past == epoch - 1}
            self.orders[epoch] = randomness.permutation(self.length, self.seed, "order", epoch)
        return self.orders[epoch]


class ResidentLoader:
    """Batches out of memory, or out of the device's memory, without any work for each image.

    Args:
        images: The training set.
        stream: Which images come when.
    """

    def __init__(self, images: ImageSet, stream: Stream) -> None:
        self.images, self.stream = images, stream

    def __len__(self) -> int:
        return len(self.stream)

    def __iter__(self) -> Iterator[Batch]:
        for key in self.stream.batches():
            yield self.images[key]


class HeldOutLoader:
    """The validation images in order, every one exactly once over all devices.

    All devices get the same number of batches, so that none waits for another for ever. Batches
    are nearly equal in size and never empty, because the mean over no image is no number.

    Args:
        images: The validation set.
        batch_size: Images of a batch, over all devices.
        rank: This device's number.
        world_size: How many devices share a batch.

    Raises:
        ValueError: If there are fewer images than devices.
    """

    def __init__(
        self, images: ImageSet, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        if len(images) < world_size:
            raise ValueError(
                f"{len(images)} images for validation cannot be shared by {world_size} devices. "
                "Raise data.validation, or bring more images."
            )
        batches = min(-(-len(images) // batch_size), len(images) // world_size)
        shares = torch.arange(len(images)).tensor_split(batches * world_size)
        self.shares = shares[rank::world_size]
        self.images = images

    def __len__(self) -> int:
        return len(self.shares)

    def __iter__(self) -> Iterator[Batch]:
        for index in self.shares:
            yield self.images[torch.zeros_like(index), index]
