"""Data sets of the Hugging Face Hub, through `datasets`, which the extra `hf` installs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from darkroom.data.own import Packed
from darkroom.intake.labelling import SPLITS, Labelling
from darkroom.intake.sources import Entry, Listing, Source


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
        return cell["bytes"] or Path(cell["path"]).read_bytes()


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
        self.rows = Rows(table.cast_column(image, Image(decode=False)), image)
        return self.rows

    def described(self, names: Sequence[str]) -> Labelling:
        labels = np.zeros(len(names), np.int64)
        class_names: tuple[str, ...] = ()
        if self.labels is not None:
            values = self.rows.table[self.labels]
            feature = self.rows.table.features[self.labels]
            class_names = tuple(getattr(feature, "names", None) or sorted(set(values)))
            place = {name: number for number, name in enumerate(class_names)}
            labels = np.array([place.get(value, value) for value in values], np.int64)
        if labels.min(initial=0) < 0:  # some publish the images of a test and not their classes
            labels, class_names = np.zeros_like(labels), ()
        return Labelling(list(names), labels, class_names, self.splits, [None] * len(names))

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
            raise ValueError("data=hf needs `pip install 'darkroom[hf]'`.") from error
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
