"""The endless stream of training images, a function of (seed, images seen) alone."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Sampler

from darkroom import randomness
from darkroom.data.datasets import ImageSet
from darkroom.images import Batch

Places = Int64[Tensor, " share"]


@runtime_checkable
class Order(Protocol):
    """Which image comes at each place of an endless stream: epoch after epoch, none left out."""

    def __len__(self) -> int:
        """Images of an epoch."""

    def pick(self, places: Places) -> tuple[Places, Places]:
        """Epochs and indices of the images at some places."""


class Shuffled:
    """All images in an order of its own for each epoch.

    Place p of the stream is image `permutation(seed, epoch)[p mod length]` of epoch `p div length`.

    Args:
        length: Images in the training set.
        seed: The run's seed.
    """

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed = length, seed
        self.orders: dict[int, Int64[Tensor, " length"]] = {}

    def __len__(self) -> int:
        return self.length

    def pick(self, places: Places) -> tuple[Places, Places]:
        epochs = places // self.length
        indices = torch.empty_like(places)
        for epoch in epochs.unique().tolist():
            within = epochs == epoch
            indices[within] = self.order(epoch)[places[within] % self.length]
        return epochs, indices

    def order(self, epoch: int) -> Int64[Tensor, " length"]:
        if epoch not in self.orders:
            self.orders = {past: self.orders[past] for past in self.orders if past == epoch - 1}
            self.orders[epoch] = randomness.permutation(self.length, self.seed, "order", epoch)
        return self.orders[epoch]


class Dealt:
    """Chunks of images in an order of its own for each epoch, a few of them in play at a time.

    Each chunk is shuffled and dealt out over `window` slots, the one after the other. So slot j
    holds a part of each of the chunks j, j-1 ... j-window+1 (around the end), shuffled again, and
    from slot to slot one chunk goes and one comes. The stream is the slots in their order.

    Args:
        sizes: Images in each chunk.
        window: Chunks in play.
        seed: The run's seed.
    """

    def __init__(self, sizes: Sequence[int], window: int, seed: int) -> None:
        self.sizes, self.window, self.seed = torch.tensor(sizes), min(window, len(sizes)), seed
        self.begins = self.sizes.cumsum(0) - self.sizes
        self.length = sum(sizes)
        self._plan, self._slot = lru_cache(2)(self.plan), lru_cache(2)(self.slot)

    def __len__(self) -> int:
        return self.length

    def pick(self, places: Places) -> tuple[Places, Places]:
        indices = []
        for place in places.tolist():
            number, offset = self.find(place)
            indices.append(self._slot(number)[offset])
        return places // self.length, torch.tensor(indices)

    def find(self, place: int) -> tuple[int, int]:
        """The slot of a place, counted over all epochs, and how far within the slot it is."""
        epoch, within = divmod(place, self.length)
        _, firsts = self._plan(epoch)
        slot = bisect_right(firsts, within) - 1
        return epoch * len(self.sizes) + slot, within - firsts[slot]

    def coming(self, place: int, ahead: int) -> list[int]:
        """The chunks in play at a place, and at most `ahead` that will be next, soonest first."""
        number, _ = self.find(place)
        found = [c for slot in range(number, number + ahead + 1) for c in self.in_play(slot)]
        return list(dict.fromkeys(found))[: self.window + ahead]

    def in_play(self, number: int) -> list[int]:
        """The chunks of a slot, the newest first."""
        epoch, slot = divmod(number, len(self.sizes))
        chunks, _ = self._plan(epoch)
        return [chunks[slot - turn] for turn in range(self.window)]

    def plan(self, epoch: int) -> tuple[list[int], list[int]]:
        """The order of the chunks in an epoch, and where in the epoch each slot begins."""
        chunks = randomness.permutation(len(self.sizes), self.seed, "chunks", epoch)
        cuts = self.sizes[chunks, None] * torch.arange(self.window + 1) // self.window
        parts = cuts.diff(dim=1)  # of each chunk, for each turn
        lengths = torch.stack([parts[:, turn].roll(turn) for turn in range(self.window)]).sum(0)
        return chunks.tolist(), (lengths.cumsum(0) - lengths).tolist()

    def slot(self, number: int) -> list[int]:
        """The images of a slot, in their order."""
        epoch = number // len(self.sizes)
        parts = [self.deal(epoch, c)[turn] for turn, c in enumerate(self.in_play(number))]
        images = torch.cat(parts)
        order = randomness.permutation(len(images), self.seed, "slot", number)
        return images[order].tolist()

    def deal(self, epoch: int, chunk: int) -> tuple[Tensor, ...]:
        """The images of a chunk, shuffled, in a part for each turn."""
        size = int(self.sizes[chunk])
        order = randomness.permutation(size, self.seed, "deal", epoch, chunk)
        cuts = [size * turn // self.window for turn in range(1, self.window)]
        return (self.begins[chunk] + order).tensor_split(cuts)


class Stream(Sampler[tuple[list[int], list[int]]]):
    """The coming batches, a function of the order and of the images seen alone.

    A batch is the next `batch_size` places, and each device takes its share of it. So two devices
    see what one would see, and a resumed run goes on where the clock stands: there is no state.

    Args:
        order: Which image comes at each place.
        batch_size: Images of a batch, over all devices.
        clock: Tells the images seen so far. It is asked whenever an iteration begins.
        rank: This device's number.
        world_size: How many devices share a batch.

    Raises:
        ValueError: If there are fewer images than a batch takes, or devices cannot share evenly.
    """

    def __init__(
        self,
        order: Order,
        batch_size: int,
        clock: Callable[[], int],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        length = len(order)
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
        self.order, self.batch_size = order, batch_size
        self.clock, self.rank, self.world_size = clock, rank, world_size

    def __len__(self) -> int:
        """Batches of what Lightning calls an epoch: as many as fit into one pass over the data."""
        return len(self.order) // self.batch_size

    def __iter__(self) -> Iterator[tuple[list[int], list[int]]]:
        for epochs, indices in self.batches():
            yield epochs.tolist(), indices.tolist()  # lists are cheap to send to a worker process

    def batches(self) -> Iterator[tuple[Places, Places]]:
        """Epochs and indices of the coming batches, this device's share of each."""
        place, rows = self.clock(), self.batch_size // self.world_size
        for _ in range(len(self)):
            first = place + self.rank * rows
            yield self.order.pick(torch.arange(first, first + rows))
            place += self.batch_size


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
    """The validation images in order, each exactly once over all devices, or some of them.

    All devices get the same number of batches, so that none waits for another for ever. Batches
    are nearly equal in size and never empty, because the mean over no image is no number.

    Args:
        images: The validation set.
        batch_size: Images of a batch, over all devices.
        rank: This device's number.
        world_size: How many devices share a batch.
        limit: At most so many images, those that stand for the whole.

    Raises:
        ValueError: If there are fewer images than devices.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        limit: int | None = None,
    ) -> None:
        places = images.standing(len(images) if limit is None else limit)
        if len(places) < world_size:
            raise ValueError(
                f"{len(places)} images for validation cannot be shared by {world_size} devices. "
                "Raise data.validation or data.validation_limit, or bring more images."
            )
        batches = min(-(-len(places) // batch_size), len(places) // world_size)
        shares = places.tensor_split(batches * world_size)
        self.shares = shares[rank::world_size]
        self.images = images

    def __len__(self) -> int:
        return len(self.shares)

    def __iter__(self) -> Iterator[Batch]:
        for index in self.shares:
            yield self.images[torch.zeros_like(index), index]
