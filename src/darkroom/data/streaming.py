"""Sets bigger than a machine: shards, read where they lie or through a cache."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any, Literal

import torch

from darkroom.data.datamodule import ImageData
from darkroom.data.datasets import ArraySet
from darkroom.data.shards import Shards, store_of
from darkroom.data.stream import Dealt, Order, Places
from darkroom.images import sides

DOWNLOADS = 4  # at a time


class Streaming(ImageData):
    """Shards that prepare.py wrote, in a folder or far away.

    What is far away comes chunk by chunk while the training goes on. The parts for training,
    validation and test are those that were written.

    Args:
        root: The folder, or its address with s3://, gs:// or azure://; local:<folder> is for a slow
            folder, whose chunks are then copied to this machine.
        window: Chunks that are mixed with each other.
        ahead: Chunks that are fetched before they are needed.
        cache: Folder for fetched chunks.
        cache_chunks: How many chunks of each part are kept there.
        storage_options: Arguments for the storage's client, such as endpoint_url; or anonymous=true
            for an S3 bucket that is open to all. Keys belong in the environment: configs are saved.
        resolution: That of the shards; auto.
        channels: That of the shards; auto.
        options: As for ImageData, without validation, limit, resident and split_seed.
    """

    training: Shards
    patience = 1800  # the first batch waits for a window of chunks

    def __init__(
        self,
        root: str,
        window: int = 16,
        ahead: int = 2,
        cache: str = "data/cache",
        cache_chunks: int = 64,
        storage_options: Mapping[str, Any] | None = None,
        resolution: int | Sequence[int] | Literal["auto"] = "auto",
        channels: int | Literal["auto"] = "auto",
        **options: Any,
    ) -> None:
        for option in ("validation", "limit", "resident", "split_seed"):
            if value := options.pop(option, None):
                raise ValueError(
                    f"data.{option}={value}: shards are streamed as they were written. Leave it "
                    "out here; prepare.py divides and limits what it writes."
                )
        self.automatic = {"resolution": resolution == "auto", "channels": channels == "auto"}
        super().__init__(
            64 if resolution == "auto" else resolution,
            3 if channels == "auto" else channels,
            resident=False,
            **options,
        )
        if window < 1 or ahead < 0:
            raise ValueError(f"data.window={window} data.ahead={ahead}: type at least 1 and 0.")
        if cache_chunks <= window + ahead:
            raise ValueError(
                f"data.cache_chunks={cache_chunks} has no room for data.window={window} chunks and "
                f"data.ahead={ahead} more. Type data.cache_chunks={window + ahead + 1} or more."
            )
        self.root, self.window, self.ahead = root.rstrip("/"), window, ahead
        self.cache, self.cache_chunks = Path(cache).expanduser(), cache_chunks
        self.storage_options = storage_options or {}

    def setup(self, stage: str | None = None) -> None:
        if hasattr(self, "training"):
            return
        training = self.part("train")
        self._settle(*training.shape)
        nothing = ArraySet(
            training.first(0), torch.empty(0, dtype=torch.long), training.class_names
        )
        self.held_out = self.part("validation")
        self.test = self.part("test") if "test" in training.parts else nothing
        self.training = training

    def part(self, name: str) -> Shards:
        root = f"{self.root}/{name}"
        return Shards(store_of(root, self.cache, self.cache_chunks, self.storage_options))

    def order(self) -> Order:
        dealt = Dealt(self.training.sizes, self.window, self.seed)
        return Fetching(dealt, self.ahead, self.training.bring)

    def _settle(self, channels: int, height: int, width: int) -> None:
        if self.automatic["resolution"]:
            self.resolution = height if height == width else [height, width]
        if self.automatic["channels"]:
            self.channels = channels
        if (self.channels, *sides(self.resolution)) != (channels, height, width):
            raise ValueError(
                f"data.resolution={self.resolution} data.channels={self.channels}: the shards in "
                f"{self.root} have {height}x{width} pixels and {channels} channels. Type "
                "data.resolution=auto data.channels=auto, or write others with prepare.py."
            )


class Fetching:
    """The same order, but chunks are fetched before their turn, beside the training.

    Only the process that leads the training picks, so it fetches for its workers, too.

    Args:
        order: The order.
        ahead: How many chunks before their turn.
        bring: Fetches a chunk.
    """

    def __init__(self, order: Dealt, ahead: int, bring: Callable[[int], None]) -> None:
        self.order, self.ahead, self.bring = order, ahead, bring
        self.asked: list[int] = []
        self.few = BoundedSemaphore(DOWNLOADS)

    def __len__(self) -> int:
        return len(self.order)

    def pick(self, places: Places) -> tuple[Places, Places]:
        coming = self.order.coming(int(places[-1]), self.ahead)
        for chunk in coming:
            if chunk not in self.asked:  # a daemon, so that the program can end before it
                Thread(target=self._fetch, args=(chunk,), daemon=True).start()
        self.asked = coming
        return self.order.pick(places)

    def _fetch(self, chunk: int) -> None:
        with self.few, suppress(Exception):  # who reads the chunk meets the error, and tells it
            self.bring(chunk)
