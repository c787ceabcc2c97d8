"""Data sets of the Hugging Face Hub, through `datasets`, which the extra `hf` installs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from darkroom.data.own import Packed
from darkroom.intake.labelling import SPLITS, Labelling
from darkroom.intake.sources import MAX_BYTES, Entry, Listing, Source

CLASSES = "string", "large_string", "int", "uint", "bool"  # types of a column that may hold classes


@dataclass(frozen=True)
class Rows:
    """A `datasets.Dataset` whose images are still files: a source of entries by row number."""

    table: Any
    column: str

    def listing(self) -> Listing:
        stamp = int(self.table._fingerprint, 16)
        return Listing([Entry(f"{row:09d}", 0, stamp) for row in range(len(self.table))])

    def read(self, name: str) -> bytes:
        cell = self.table[int(name)][self.column]
        if cell is None:
            raise ValueError("its row has no image")
        if cell["bytes"]:
            return bytes(cell["bytes"])
        path = Path(cell["path"])
        if not path.is_file() or path.stat().st_size > MAX_BYTES:  # it may name a device, or a pipe
            raise ValueError("its row names no file of a picture's size")
        return path.read_bytes()


class HuggingFace(Packed):
    """A data set of the Hugging Face Hub, or one saved on the disk by `save_to_disk`.

    Its own splits and classes are used. No code of the data set runs.

    Args:
        name: Name on the Hub, such as huggan/smithsonian_butterflies_subset; or a folder.
        subset: The data set's configuration, if it has several.
        revision: Commit or tag on the Hub, to get the same data again.
        image: The column of the images; null for the first that holds some.
        label: The column of the classes; null for the first that holds some.
        options: As for Packed and ImageData.
    """

    def __init__(
        self,
        name: str,
        subset: str | None = None,
        revision: str | None = None,
        image: str | None = None,
        label: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.repository, self.subset, self.revision = name, subset, revision
        self.image, self.label = image, label

    @property
    def origin(self) -> str:
        return f"data.name={self.repository}"

    def prepare_data(self) -> None:
        self._load()

    def source(self) -> Source:
        from datasets import ClassLabel, Image, concatenate_datasets

        parts = self._load()
        table = concatenate_datasets(list(parts.values()))
        self.splits = [SPLITS.get(name) for name, part in parts.items() for _ in range(len(part))]
        image = self._column("image", self.image, Image, table.features)
        if image is None:
            raise ValueError(
                f"{self.origin} has no column of images. It has {', '.join(table.features)}. Type "
                "data.image=<one of them> if one holds files."
            )
        self.labels = self._column("label", self.label, ClassLabel, table.features)
        try:
            self.rows = Rows(table.cast_column(image, Image(decode=False)), image)
        except (TypeError, NotImplementedError) as error:
            raise ValueError(
                f"data.image={image}: {self.origin} has no images there: {error}. Type another "
                "column."
            ) from error
        return self.rows

    def described(self, names: Sequence[str]) -> Labelling:
        labels, class_names = self._classes()
        if len(class_names) < 2 or labels.min() < 0:
            # some publish the images of a test and not their classes
            labels, class_names = np.zeros_like(labels), ()
        return Labelling(list(names), labels, class_names, self.splits, [None] * len(names))

    def _classes(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """The class of each row, -1 where it has none, and the names of the classes."""
        table = self.rows.table
        if self.labels is None:
            return np.zeros(len(table), np.int64), ()
        feature = table.features[self.labels]
        names = getattr(feature, "names", None)  # of a ClassLabel, whose values are numbers
        if names is None and not str(getattr(feature, "dtype", "")).startswith(CLASSES):
            raise ValueError(
                f"data.label={self.labels}: {self.origin} has no classes there, which are texts or "
                "whole numbers. Type another column."
            )
        values = list(table[self.labels])
        keys = range(len(names)) if names else sorted({*values} - {None})
        number = {key: place for place, key in enumerate(keys)}
        labels = [number.get(value, -1) for value in values]
        return np.array(labels, np.int64), tuple(map(str, names or keys))

    def _column(self, option: str, chosen: str | None, kind: type, features: Any) -> str | None:
        if chosen is not None and chosen not in features:
            raise ValueError(
                f"data.{option}={chosen}: {self.origin} has no such column. It has "
                f"{', '.join(features)}."
            )
        found = [str(key) for key, feature in features.items() if isinstance(feature, kind)]
        return chosen or (found[0] if found else None)

    def _load(self) -> dict[str, Any]:
        """The parts of the data set by name."""
        try:
            import datasets
        except ImportError as error:
            raise ValueError("data=hf needs `pip install -e '.[hf]'`.") from error
        try:
            if Path(self.repository).expanduser().is_dir():
                loaded = datasets.load_from_disk(str(Path(self.repository).expanduser()))
            else:
                loaded = datasets.load_dataset(self.repository, self.subset, revision=self.revision)
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise ValueError(
                f"{self.origin} cannot be loaded: {error}. Type the name of a data set of the Hub, "
                "or a folder that save_to_disk wrote."
            ) from error
        return dict(loaded) if isinstance(loaded, dict) else {"all": loaded}
