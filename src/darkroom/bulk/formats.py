"""What a part of an edition is on the disk."""

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol, runtime_checkable
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from darkroom import files


@dataclass(frozen=True)
class Print:
    """One image, ready to be written.

    Attributes:
        seed: Its seed.
        png: The file, with what made it written into it.
        label: The number of its class; None for a model that knows none.
        class_name: The name of its class; empty likewise.
    """

    seed: int
    png: bytes
    label: int | None = None
    class_name: str = ""

    @property
    def path(self) -> str:
        """A relative path, with its class as the folder: so `data=folder` reads classes."""
        return f"{self.class_name}/{self.name}.png" if self.class_name else f"{self.name}.png"

    @property
    def name(self) -> str:
        """The same name for the same seed, in the order of the seeds."""
        return f"seed-{self.seed:09d}"


@runtime_checkable
class Format(Protocol):
    """Writes a part whole or not at all.

    Attributes:
        images: How many images there are in a part.
        ending: What its name ends with.
    """

    images: int
    ending: str

    def write(self, prints: Iterable[Print], path: Path) -> None: ...


@dataclass(frozen=True)
class _Parts:
    images: int = 10_000

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ValueError(f"to.images={self.images}: type a number from 1 on, such as 10000.")


class Folder(_Parts):
    """A folder of PNG files, in folders of their classes if there are any.

    Args:
        images: Images in a part.
    """

    ending = ""

    def write(self, prints: Iterable[Print], path: Path) -> None:
        with files.whole_folder(path) as folder:
            for each in prints:
                file = folder / each.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(each.png)


class Zip(_Parts):
    """A .zip of the same, which `data=folder data.root=` reads as it is.

    Args:
        images: Images in a part.
    """

    ending = ".zip"

    def write(self, prints: Iterable[Print], path: Path) -> None:
        with files.whole(path) as file, ZipFile(file, "w", ZIP_STORED) as archive:
            for each in prints:
                archive.writestr(ZipInfo(each.path), each.png)  # of 1980: bytes know no clock


class WebDataset(_Parts):
    """A tar file of samples, each a .png and, with classes, a .cls beside it.

    Args:
        images: Images in a part.

    Source: the format of github.com/webdataset/webdataset: files of one sample have one name and
    follow each other.
    """

    ending = ".tar"

    def write(self, prints: Iterable[Print], path: Path) -> None:
        with files.whole(path) as file, tarfile.open(fileobj=file, mode="w") as archive:
            for each in prints:
                _add(archive, f"{each.name}.png", each.png)
                if each.label is not None:
                    _add(archive, f"{each.name}.cls", str(each.label).encode())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, BytesIO(content))
