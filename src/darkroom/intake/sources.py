"""Where files lie: a folder, or a .zip that is read without being unpacked."""

import os
import stat
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}
    | {".tga", ".ppm", ".pgm", ".pbm"}
)
DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
MAX_BYTES = 1 << 30  # a larger file is no picture, or a zip bomb
HEAD_BYTES = 132  # DICOM says so in the last four of them


@dataclass(frozen=True, order=True)
class Entry:
    """A file that may hold an image.

    Attributes:
        name: Its path below the source, with slashes.
        size: In bytes.
        stamp: Changes when the content does: the time of change in ns, or a checksum.
    """

    name: str
    size: int
    stamp: int


@dataclass
class Listing:
    """What a source holds.

    Attributes:
        entries: The files that may hold an image, sorted by name.
        refused: Why a file or folder was not even looked into, by name.
        ignored: How many files had an ending that no image has, by ending.
    """

    entries: list[Entry] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)


@runtime_checkable
class Source(Protocol):
    """Files by name. It travels to worker processes, so it is small and can be pickled."""

    def listing(self) -> Listing:
        """Everything there is."""

    def read(self, name: str) -> bytes:
        """The content of one file.

        Raises:
            OSError: If it has disappeared or cannot be read.
        """


def source_of(root: Path) -> Source:
    """The source that a path names.

    Raises:
        ValueError: If it is neither a folder nor a .zip.
    """
    if root.is_dir():
        return Directory(root.absolute())
    if root.is_file() and zipfile.is_zipfile(root):
        return Archive(root.absolute())
    what = "is neither a folder nor a .zip" if root.exists() else "does not exist"
    raise ValueError(f"data.root={root} {what}. Type data.root=<folder or .zip of images>.")


@dataclass(frozen=True)
class Directory:
    """A folder with everything below it.

    Links are followed, but no folder is entered twice, so a link to a folder above ends nothing.
    Names that begin with a dot are left out.
    """

    root: Path

    def listing(self) -> Listing:
        listing, entered = Listing(), set()

        def walk(folder: Path) -> None:
            try:
                identity = (folder.stat().st_dev, folder.stat().st_ino)
                if identity in entered:
                    return
                entered.add(identity)
                found = sorted(os.scandir(folder), key=lambda item: item.name)
            except OSError as error:
                listing.refused[self._name(folder)] = error.strerror or str(error)
                return
            for item in found:
                path = Path(item.path)
                if item.name.startswith("."):
                    continue
                try:
                    below = item.is_dir()
                except OSError:  # a link to itself
                    below = False
                if below:
                    walk(path)
                else:
                    self._note(path, listing)

        walk(self.root)
        listing.entries.sort()
        return listing

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def _note(self, path: Path, listing: Listing) -> None:
        name = self._name(path)
        try:
            about = path.stat()
            if not stat.S_ISREG(about.st_mode):
                listing.refused[name] = "is a device or a pipe and no file"
            elif not _may_be_image(name, partial(_head, path)):
                listing.ignored[path.suffix.lower()] += 1
            elif about.st_size > MAX_BYTES:
                listing.refused[name] = f"is larger than {MAX_BYTES >> 20} MiB"
            else:
                listing.entries.append(Entry(name, about.st_size, about.st_mtime_ns))
        except OSError as error:  # a link to nowhere, or no permission
            listing.refused[name] = error.strerror or str(error)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


@dataclass(frozen=True)
class Archive:
    """A .zip. Nothing of it is ever written to the disk, so its names lead nowhere."""

    path: Path

    def listing(self) -> Listing:
        listing = Listing()
        for member in self._members():
            name = member.filename
            parts = PurePosixPath(name.replace("\\", "/")).parts
            unseen = not parts or any(part.startswith((".", "__MACOSX")) for part in parts)
            if unseen or member.is_dir():
                if ".." in parts:
                    listing.refused[name] = "leads out of the archive"
            elif parts[0].startswith("/"):
                listing.refused[name] = "leads out of the archive"
            else:
                self._note(member, listing)
        listing.entries.sort()
        return listing

    def read(self, name: str) -> bytes:
        return _member(self.path, name)

    def _note(self, member: zipfile.ZipInfo, listing: Listing) -> None:
        name = member.filename
        try:
            if not _may_be_image(name, partial(_member, self.path, name, HEAD_BYTES)):
                listing.ignored[PurePosixPath(name).suffix.lower()] += 1
            elif member.flag_bits & 1:
                listing.refused[name] = "is encrypted"
            elif member.file_size > MAX_BYTES:
                listing.refused[name] = f"is larger than {MAX_BYTES >> 20} MiB"
            else:
                listing.entries.append(Entry(name, member.file_size, member.CRC))
        except OSError as error:  # no ending, and its first bytes cannot be read
            listing.refused[name] = str(error)

    def _members(self) -> Iterator[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.path) as opened:
                # of two members with one name, reading gives the last
                yield from {member.filename: member for member in opened.infolist()}.values()
        except (zipfile.BadZipFile, OSError) as error:
            raise ValueError(f"data.root={self.path} is no readable .zip: {error}") from error


@lru_cache(maxsize=1)
def _opened(path: Path, stamp: tuple[int, int]) -> zipfile.ZipFile:
    """Open in each process for as long as it works on it: the list of members is read once."""
    return zipfile.ZipFile(path)


def _member(path: Path, name: str, most: int | None = None) -> bytes:
    """The content of a member of a .zip, or its first bytes.

    Raises:
        OSError: If it is damaged, encrypted or missing.
    """
    about = path.stat()
    try:
        opened = _opened(path, (about.st_size, about.st_mtime_ns))
        # never more than it claims to hold: without a number, zipfile unpacks a bomb's GiB first
        with opened.open(name) as file:
            return file.read(opened.getinfo(name).file_size if most is None else most)
    except OSError:
        raise
    except Exception as error:  # of zipfile, zlib, lzma: they have no common one
        raise OSError(str(error) or type(error).__name__) from error


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _may_be_image(name: str, head: Callable[[], bytes]) -> bool:
    """By its ending; DICOM files often have none, and say what they are after 128 bytes."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in SUFFIXES | DICOM_SUFFIXES:
        return True
    return suffix == "" and head()[128:132] == b"DICM"
