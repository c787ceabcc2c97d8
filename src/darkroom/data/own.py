"""Your own images: any files, decoded once into a pack."""

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only

from darkroom.data.datamodule import ImageData
from darkroom.data.datasets import PackedSet, spread
from darkroom.images import sides
from darkroom.intake import fitting, labelling
from darkroom.intake.labelling import Labelling
from darkroom.intake.pack import Pack, Reading, packed
from darkroom.intake.sources import SUFFIXES, Entry, Listing, Source, source_of
from darkroom.intake.survey import survey

COLUMNS = {"file": "file", "label": "label", "split": "split", "group": "group"}


class Packed(ImageData):
    """Images out of encoded files, whatever these are.

    They are decoded once, by all cores, into a pack that later runs find. What cannot be read is
    left out, counted and listed.

    Args:
        resolution: Side in pixels, or height and width; auto takes what suits the images.
        channels: 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGBA); auto takes what the images have.
        fit: How another aspect ratio is dealt with: crop to the centre, pad, or stretch.
        background: Colour of added borders and beneath transparency, such as white or '#ff8800'.
        value_range: How more than 8 bits become 8: full keeps the range of the type, percentile
            spreads what lies between each image's 0.5th and 99.5th percentiles.
        window: Centre and width of what DICOM files show; null for what each says itself.
        on_error: skip or raise, when a file cannot be read.
        max_broken: The largest share of broken files that is skipped.
        packs: Folder for packs.
        workers: Processes that decode; null for one on each core.
        options: As for ImageData.

    Attributes:
        pack: The pack, after `setup`.
        listing: What the source holds, after `setup`.
        known: Classes, splits and groups of all files that count, after `setup`.
        takes_table: Whether there is an option `table`.
    """

    pack: Pack
    listing: Listing
    known: Labelling
    takes_table = False

    def __init__(
        self,
        resolution: int | Sequence[int] | Literal["auto"] = "auto",
        channels: int | Literal["auto"] = "auto",
        fit: Literal["crop", "pad", "stretch"] = "crop",
        background: str = "white",
        value_range: Literal["full", "percentile"] = "full",
        window: Sequence[float] | None = None,
        on_error: Literal["skip", "raise"] = "skip",
        max_broken: float = 0.1,
        packs: str = "data/packs",
        workers: int | None = None,
        **options: Any,
    ) -> None:
        self.automatic = {"resolution": resolution == "auto", "channels": channels == "auto"}
        super().__init__(
            64 if resolution == "auto" else resolution,
            3 if channels == "auto" else channels,
            **options,
        )
        if window is not None and (len(window) != 2 or window[1] <= 0):
            raise ValueError(f"data.window={window}: type a centre and a width, such as [40,400].")
        if not 0 <= max_broken <= 1:
            raise ValueError(f"data.max_broken={max_broken}: type a share such as 0.1.")
        self.fit, self.background, self.value_range = fit, fitting.colour(background), value_range
        self.window = None if window is None else (window[0], window[1])
        self.on_error, self.max_broken = on_error, max_broken
        self.packs, self.workers = Path(packs).expanduser(), workers

    @abstractmethod
    def source(self) -> Source:
        """Where the files lie."""

    @abstractmethod
    def described(self, names: Sequence[str]) -> Labelling:
        """Classes, splits and groups of the files."""

    @property
    @abstractmethod
    def origin(self) -> str:
        """What the files come from, as the user named it: the option with its value."""

    @property
    def stem(self) -> str:
        """A short name for folders."""
        return Path(self.origin.partition("=")[2]).stem

    @property
    def is_grouped(self) -> bool:
        """Whether the user has groups, after `read`."""
        return any(self.known.groups)

    def read(self) -> PackedSet:
        source = self.source()
        self.listing = source.listing()
        if not self.listing.entries:
            raise ValueError(self._nothing_found())
        self.known = self.described([entry.name for entry in self.listing.entries])
        entries = self._chosen(self.known)
        self._settle(source, entries)
        reading = self._reading()
        folder = self._folder(reading, entries)
        self.pack = packed(source, entries, reading, folder, self.workers)
        self._judge_errors()
        return self._set(self.known)

    def _chosen(self, known: Labelling) -> list[Entry]:
        """The files that count, at most `limit`, spread evenly over the sorted names."""
        by_name = {entry.name: entry for entry in self.listing.entries}
        places = spread(len(known.names), self.limit).tolist()
        return [by_name[known.names[place]] for place in places]

    def _settle(self, source: Source, entries: Sequence[Entry]) -> None:
        """Finds out what was left to the data, and says so."""
        if not any(self.automatic.values()):
            return
        found = survey(source, entries, self._reading(), self.packs)
        if found is None:
            return  # the pack will say what is wrong with them
        if self.automatic["channels"]:
            self.channels, why = found.channels()
            _say(f"data.channels=auto: {self.channels} ({why})")
        if self.automatic["resolution"]:
            (height, width), why = found.resolution()
            self.resolution = height if height == width else [height, width]
            _say(f"data.resolution=auto: {self.resolution} ({why})")

    def _reading(self) -> Reading:
        return Reading(
            sides(self.resolution),
            self.channels,
            self.fit,
            self.background,
            self.value_range,
            self.window,
        )

    def _folder(self, reading: Reading, entries: Sequence[Entry]) -> Path:
        """One for each origin, choice of files and way of reading: changed files replace a pack."""
        all_of_them = len(entries) == len(self.listing.entries)
        chosen = "all" if all_of_them else [entry.name for entry in entries]
        _, _, place = self.origin.partition("=")
        identity = repr((str(Path(place).absolute()), reading, chosen)).encode("utf-8", "replace")
        return self.packs / f"{self.stem}-{blake2b(identity, digest_size=6).hexdigest()}"

    @property
    def left_out(self) -> dict[str, str]:
        """Why which files are left out, after `read`."""
        return self.listing.refused | self.pack.errors

    def _judge_errors(self) -> None:
        broken = self.left_out
        report = self.pack.folder / "left-out.txt"
        if not broken:
            report.unlink(missing_ok=True)  # of a time when something was
            return
        report.write_text(
            "".join(f"{name}: {why}\n" for name, why in sorted(broken.items())), "utf-8", "replace"
        )
        total = len(self.pack.records) + len(self.listing.refused)
        shown = "".join(f"\n  {name}: {why}" for name, why in list(broken.items())[:10])
        summary = f"{len(broken)} of {total} files cannot be read (all in {report}):{shown}"
        if self.on_error == "raise":
            raise ValueError(f"{self.origin}: {summary}\nMend them, or type data.on_error=skip.")
        if len(broken) == total:
            raise ValueError(f"{self.origin}: {summary}\nNothing is left.")
        if len(broken) > self.max_broken * total:
            raise ValueError(
                f"{self.origin}: {summary}\nThat is more than data.max_broken={self.max_broken} "
                "of them. Mend them, or raise it."
            )
        _say(f"{self.origin}: {summary}\nThey are left out.")

    def _set(self, known: Labelling) -> PackedSet:
        """The images that could be read. Equal ones are a group, unless they are in another."""
        place_of = {name: place for place, name in enumerate(known.names)}
        good = [(row, r) for row, r in enumerate(self.pack.records) if "error" not in r]
        places = [place_of[record["name"]] for _, record in good]
        return PackedSet(
            self.pack,
            torch.tensor([row for row, _ in good]),
            [record["name"] for _, record in good],
            torch.from_numpy(known.labels[places]),
            known.class_names,
            [known.splits[place] for place in places],
            [
                known.groups[place] or r["pixels"]
                for place, (_, r) in zip(places, good, strict=True)
            ],
        )

    def _nothing_found(self) -> str:
        others = Counter(dict(self.listing.ignored.most_common(5)))
        there = ", ".join(
            f"{count} {suffix or 'without ending'}" for suffix, count in others.items()
        )
        refused = "".join(f"\n  {name}: {why}" for name, why in self.listing.refused.items())
        return (
            f"{self.origin} holds no image. Known endings: {', '.join(sorted(SUFFIXES))}, .dcm."
            + (f" Found: {there}." if there else "")
            + refused
        )


class Folder(Packed):
    """A folder of images, or a .zip of them.

    Folders by class, within folders called train, val and test or not, tell classes and splits;
    or a CSV file does.

    Args:
        root: The folder or .zip.
        classes: Whether folders are classes.
        only: The class, or the classes, that count; images of others are as if they were not there.
            A model of what is normal learns from normal images only.
        group: A regular expression on file names. Files in which it finds the same text (its first
            bracket, if it has one) are trained on together or held out together.
        table: A CSV file with a row for each image. Images that it does not mention do not count.
        columns: Its columns for `file`, `label`, `split` and `group`, if they are called otherwise.
        options: As for Packed and ImageData.
    """

    takes_table = True

    def __init__(
        self,
        root: str,
        classes: bool = True,
        only: str | int | Sequence[str | int] | None = None,
        group: str | None = None,
        table: str | None = None,
        columns: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.root = Path(root).expanduser()
        self.classes, self.group, self.columns = classes, group, COLUMNS | dict(columns or {})
        self.table = None if table is None else Path(table).expanduser()
        listed = [only] if isinstance(only, str | int) else only
        self.only = None if listed is None else [str(name) for name in listed]
        if self.only == []:
            raise ValueError(
                "data.only=[] leaves no image. Type names of classes, or null for all."
            )
        strange = sorted(self.columns.keys() - COLUMNS.keys())
        if strange:
            raise ValueError(
                f"data.columns takes no {strange[0]!r}. It takes {', '.join(COLUMNS)}."
            )

    @property
    def origin(self) -> str:
        return f"data.root={self.root}"

    @property
    def is_grouped(self) -> bool:
        return super().is_grouped or self.table is not None

    def source(self) -> Source:
        return source_of(self.root)

    def described(self, names: Sequence[str]) -> Labelling:
        if self.table is None:
            known = labelling.by_folders(names, self.classes, self.group)
        else:
            known = labelling.by_table(self.table, self.columns, names, self.group)
        return known if self.only is None else _of_classes(known, self.only)


def _of_classes(known: Labelling, only: Sequence[str]) -> Labelling:
    """What is known of the files of some classes; a single class is none.

    Raises:
        ValueError: If there is no such class.
    """
    for name in only:
        if name not in known.class_names:
            there = ", ".join(known.class_names)
            remedy = f"The classes are {there}." if there else "The images have no classes."
            raise ValueError(f"data.only={name}: there is no such class. {remedy}")
    wanted = tuple(name for name in known.class_names if name in only)
    number_of = {known.class_names.index(name): number for number, name in enumerate(wanted)}
    kept = [place for place, label in enumerate(known.labels.tolist()) if label in number_of]
    return Labelling(
        [known.names[place] for place in kept],
        np.array([number_of[int(known.labels[place])] for place in kept], np.int64),
        wanted if len(wanted) > 1 else (),
        [known.splits[place] for place in kept],
        [known.groups[place] for place in kept],
    )


@rank_zero_only
def _say(text: str) -> None:
    print(text)
