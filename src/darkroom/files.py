"""A file is there whole, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole(path: Path, former: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write, which takes its name when all of it is on the disk.

    It is written beside its place, flushed and renamed. So neither a kill nor a full disk leaves a
    part of a file under the name, or harms the file that had it.

    Args:
        path: Its name. Folders above it are made.
        former: What a file of that name is called from then on; by default it is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if former is not None and path.exists():
            _keep(path, former)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _flush_names(path.parent)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write files into, which takes its name when all of them are on the disk.

    Args:
        path: Its name. Folders above it are made; it must not be there itself.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        yield part
        if hasattr(os, "sync"):
            os.sync()  # at once; file by file would take a hundred times as long
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _flush_names(path.parent)


def sweep(folder: Path) -> None:
    """Removes what a killed process had begun to write in a folder."""
    for part in folder.glob(".*.part"):
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def _keep(path: Path, former: Path) -> None:
    """Gives a file a second name; who reads it under the first one meanwhile notices nothing."""
    second = former.with_name(f".{former.name}.{os.getpid()}.part")
    try:
        os.link(path, second)
        second.replace(former)
    except OSError:  # a file system without links: for a moment the first name is nobody's
        path.replace(former)


def _flush_names(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
