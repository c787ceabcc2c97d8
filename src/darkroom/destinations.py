"""What prepare.py prepares images for, and how a train command names the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from darkroom import config
from darkroom.data import Packed
from darkroom.data.datasets import PackedSet
from darkroom.data.division import divide
from darkroom.data.shards import refuse_existing, write
from darkroom.inspection import Inspection

NO_DATA = ("model", "to", "shards", "probe")  # typed at prepare.py, and not for train.py
STREAMED = ("data.batch_size=", "data.augmentation", "data.num_workers=")  # what shards take too


@dataclass(frozen=True)
class Prepared:
    """How a train command names the images.

    Attributes:
        overrides: What of the typed still holds, with what takes the place of the rest.
        table: The table that keeps near-duplicates together, if the command can take it.
        remedy: What to do about near-duplicates on both sides of a random split.
    """

    overrides: list[str]
    table: str | None
    remedy: str


@runtime_checkable
class Destination(Protocol):
    """Where prepared images go."""

    def check(self, data: Packed) -> None:
        """Refuses what cannot work, before hours of decoding."""

    def take(
        self, data: Packed, images: PackedSet, found: Inspection, typed: Sequence[str], table: Path
    ) -> Prepared:
        """Takes the images that were read and inspected."""


class Packs:
    """The pack itself, which is there already."""

    def check(self, data: Packed) -> None:
        """Nothing can be wrong."""

    def take(
        self, data: Packed, images: PackedSet, found: Inspection, typed: Sequence[str], table: Path
    ) -> Prepared:
        kept = [override for override in typed if _name(override) not in NO_DATA]
        if data.is_grouped:
            remedy = "Name each group in the column 'group' of data.table, as images.csv does."
            return Prepared(kept, None, remedy)
        if not data.takes_table:
            return Prepared(kept, None, "Type to=streaming, whose parts keep each group together.")
        remedy = "The recommended command keeps each group together."
        return Prepared(kept, config.spelt(str(table)), remedy)


class Streams:
    """Shards, in parts of which none shares near-duplicates with another.

    Args:
        shards: Their folder; data/shards/<name of the images> if it is not given.
    """

    def __init__(self, shards: str | None = None) -> None:
        self.shards = shards

    def check(self, data: Packed) -> None:
        refuse_existing(self._folder(data))

    def take(
        self, data: Packed, images: PackedSet, found: Inspection, typed: Sequence[str], table: Path
    ) -> Prepared:
        similar = [] if data.is_grouped else found.similar
        alike = {name: f"alike-{k}" for k, group in enumerate(similar) for name in group}
        groups = [alike.get(n, g) for n, g in zip(images.names, images.groups, strict=True)]
        parts = divide(len(images), data.validation, data.split_seed, images.splits, groups)
        places = {"train": parts.training, "validation": parts.held_out, "test": parts.test}
        folder = self._folder(data)
        write(folder, {name: images.subset(part) for name, part in places.items()})
        kept = [o for o in typed if not o.startswith("data") or o.startswith(STREAMED)]
        source = ["data=streaming", f"data.root={config.spelt(str(folder))}"]
        overrides = [*source, *(o for o in kept if _name(o) not in NO_DATA)]
        return Prepared(overrides, None, "The shards keep each group together.")

    def _folder(self, data: Packed) -> Path:
        return Path(self.shards or f"data/shards/{data.stem}").expanduser()


def _name(override: str) -> str:
    return override.partition("=")[0].lstrip("+")
