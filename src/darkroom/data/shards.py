"""Sets of images in chunks, here or far away, written and fetched by LitData.

The files are LitData's, and its tools work on them. Its reader is not used: access by index is
"more for debugging than anything else" (LitData issue 388), and crashes or hangs where chunks have
to be evicted; in sequence it has an order and a state of its own. Here the stream tells the order,
so that a reader has only to map the chunks it is asked for, and a cache to keep those in play.
"""

import json
import math
import mmap
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Int64
from torch import Tensor
from tqdm import tqdm

from darkroom import randomness
from darkroom.data.datasets import ImageSet, Key
from darkroom.images import Batch, Labels, Pixels

VERSION = 1  # of what stands in an index beside LitData's own
REMOTE = ("s3://", "gs://", "azure://", "local:")
PAUSES = (1, 4, 0)  # seconds after each try to fetch a file; 0 for the last
BLOCK_BYTES = 16 << 20


def write(folder: Path, parts: Mapping[str, ImageSet], chunk_bytes: int = 32 << 20) -> None:
    """Writes sets of images as shards. The folder appears whole or not at all.

    Images lie in them at random, because a stream mixes only a few chunks at a time.

    Args:
        folder: It will hold a folder for each part.
        parts: The sets, called train, validation and test. Empty ones are left out.
        chunk_bytes: How large a chunk is, at most and about.

    Raises:
        ValueError: If the folder is there already, or the disk is full.
    """
    partial = folder.with_name(f"{folder.name}.part")
    refuse_existing(folder)
    refuse_existing(partial)
    full = {name: images for name, images in parts.items() if len(images)}
    try:
        for name, images in full.items():
            about = {"version": VERSION, "parts": list(full), "fingerprint": images.fingerprint()}
            _write_part(partial / name, images, chunk_bytes, about)
        partial.rename(folder)
    except OSError as error:
        needed = sum(len(images) * math.prod(images.shape) for images in full.values())
        raise ValueError(
            f"{folder}: {error.strerror or error}. The shards need {needed / 2**20:,.0f} MiB there."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_existing(folder: Path) -> None:
    """What is there is never mixed with something new.

    Raises:
        ValueError: If the folder is there.
    """
    if folder.exists():
        raise ValueError(f"shards={folder} is there already. Remove it, or type another folder.")


def _write_part(folder: Path, images: ImageSet, chunk_bytes: int, about: dict[str, Any]) -> None:
    try:
        from litdata.streaming.writer import BinaryWriter  # takes a second
    except ImportError as error:
        raise ValueError("to=streaming needs `pip install -e '.[streaming]'`.") from error

    folder.mkdir(parents=True)  # LitData would mix its files with what is there
    writer, written = BinaryWriter(str(folder), chunk_bytes=chunk_bytes), 0
    order = randomness.permutation(len(images), "shards")
    with tqdm(desc=f"writing {folder}", total=len(images), unit=" images", mininterval=0.5) as bar:
        for index in order.split(max(1, BLOCK_BYTES // math.prod(images.shape))):
            batch = images[torch.zeros_like(index), index]
            for pixels, label in zip(batch.images.numpy(), batch.labels.tolist(), strict=True):
                writer.add_item(written, (pixels.tobytes(), label))
                written += 1
            bar.update(len(index))
    writer.done()
    (listing,) = folder.glob("*.index.json")  # LitData's merge() would wait for other ranks
    about |= {"shape": images.shape, "class_names": images.class_names}
    content = json.loads(listing.read_text()) | {"updated_at": str(time.time()), "darkroom": about}
    (folder / "index.json").write_text(json.dumps(content, sort_keys=True))
    listing.unlink()


class InPlace:
    """A folder with the chunks of a part, and their index, on this machine.

    Args:
        root: The folder.
    """

    def __init__(self, root: str) -> None:
        self.root, self.folder = root, Path(root).expanduser()
        try:
            self.index = (self.folder / "index.json").read_bytes()
        except OSError as error:
            raise ValueError(f"data.root: no shards in {root} ({error.strerror}).") from error

    def mapped(self, name: str, size: int) -> np.ndarray:
        """The bytes of a file, not yet in memory."""
        content = _mapped(self.folder / name, size)
        if content is None:
            raise ValueError(
                f"{self.folder / name} is missing, or has not the {size} bytes that index.json "
                "tells. Copy the shards again, or write them anew with prepare.py."
            )
        return content

    def bring(self, name: str, size: int) -> None:
        """Sees to it that a file is on this machine."""


class Cached(InPlace):
    """The same from elsewhere, kept on this machine as far as there is room.

    All processes of the machine share the files, half-fetched ones included. The one that nobody
    has read for the longest time goes first; who is reading it still can.

    Args:
        root: An address that begins as one of `REMOTE`.
        cache: Folder for files, which has one for each content.
        keep: How many files are kept.
        options: LitData's storage_options, or anonymous for an S3 bucket that is open to all.
    """

    def __init__(self, root: str, cache: Path, keep: int, options: Mapping[str, Any]) -> None:
        self.root, self.keep, self.options = root, keep, options
        index = BytesIO()
        self._fetch("index.json", index)
        self.index = index.getvalue()
        self.folder = cache / blake2b(root.encode() + self.index, digest_size=8).hexdigest()
        (self.folder / "locks").mkdir(parents=True, exist_ok=True)

    def mapped(self, name: str, size: int) -> np.ndarray:
        path = self.folder / name
        while (content := _mapped(path, size)) is None:  # a short while ago it may have been there
            self.bring(name, size)
        with suppress(FileNotFoundError):
            os.utime(path)  # when it was last read
        return content

    def bring(self, name: str, size: int) -> None:
        path, part = self.folder / name, self.folder / f"{name}.part"
        with self._locked(name):  # one process fetches, the others wait
            if _mapped(path, size) is not None:
                return
            with self._locked("room"):
                files = sorted(self.folder.glob("chunk-*"), key=lambda file: file.stat().st_mtime)
                for oldest in files[::-1][self.keep - 1 :]:
                    oldest.unlink()
                part.touch()
            with part.open("wb") as file:
                self._fetch(name, file, size)
            with self._locked("room"), suppress(FileNotFoundError):  # gone for want of room
                part.replace(path)

    def _locked(self, name: str) -> FileLock:
        return FileLock(self.folder / "locks" / name)

    def _fetch(self, name: str, file: BufferedIOBase, size: int | None = None) -> None:
        for pause in PAUSES:
            try:
                file.seek(0)
                file.truncate()
                _download(self.root, name, file, self.options)
                if size not in (None, file.tell()):
                    raise OSError(f"{file.tell()} of {size} bytes arrived")
                return
            except Exception as error:  # boto's, google's, azure's ...
                passing = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
                if not (passing and pause):
                    raise ValueError(
                        f"{self.root}/{name} cannot be fetched: {error}. Is the address right, and "
                        "open to you? If the file is damaged, copy it there again."
                    ) from error
                time.sleep(pause)


def store_of(root: str, cache: Path, keep: int, options: Mapping[str, Any]) -> InPlace:
    """Where the chunks of a part are: in a folder, or at an address that LitData fetches from."""
    if root.startswith(REMOTE):
        return Cached(root, cache, keep, options)
    if "://" in root:
        raise ValueError(
            f"data.root={root}: shards come from a folder or from {', '.join(REMOTE)}. Copy them "
            "into a folder, and type data.root=<that folder>."
        )
    return InPlace(root)


def _download(root: str, name: str, file: BufferedIOBase, options: Mapping[str, Any]) -> None:
    if root.startswith("local:"):
        with Path(root.removeprefix("local:"), name).open("rb") as source:
            shutil.copyfileobj(source, file)
        return
    try:
        from litdata.streaming.downloader import get_downloader
    except ImportError as error:
        raise ValueError("data=streaming needs `pip install -e '.[streaming]'`.") from error
    settled = _for_boto(**options) if root.startswith("s3://") else dict(options)
    get_downloader(root, "", [], settled).download_fileobj(f"{root}/{name}", file)


def _for_boto(anonymous: bool = False, **options: Any) -> dict[str, Any]:
    """With five tries; LitData would make a thousand, for hours."""
    from botocore import UNSIGNED
    from botocore.config import Config

    retries = {"max_attempts": 5, "mode": "standard"}
    signature = {"signature_version": UNSIGNED} if anonymous else {}
    return {"config": Config(retries=retries, **signature)} | options


def _mapped(path: Path, size: int) -> np.ndarray | None:
    """The bytes of a file; None if it is not there or not whole."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == size:
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    return None


class Shards(ImageSet):
    """Images in chunks. Nothing of them stays in memory, not even labels.

    Args:
        store: Where the chunks are.

    Attributes:
        parts: Names of the parts that were written together.
        sizes: Images in each chunk.

    Raises:
        ValueError: If it was not `write` that wrote them.
    """

    def __init__(self, store: InPlace) -> None:
        self.store = store
        try:
            index = json.loads(store.index)
            about, settings, self.files = index["darkroom"], index["config"], index["chunks"]
            self.parts, self._fingerprint = about["parts"], about["fingerprint"]
            self.class_names, self._shape = tuple(about["class_names"]), tuple(about["shape"])
            self.sizes = [file["chunk_size"] for file in self.files]
            # an item of LitData's: the sizes of its fields, and then the fields
            self.record = np.dtype(
                [("sizes", "<u4", 2), ("pixels", "u1", self._shape), ("label", "<i8")]
            )
            each = self.record.itemsize + 4  # before the items stands where each begins
            known = (
                about["version"] == VERSION
                and settings["data_format"] == ["bytes", "int"]  # others can run code
                and not (settings["compression"] or settings["encryption"])
                and all(re.fullmatch(r"chunk-\d+-\d+\.bin", f["filename"]) for f in self.files)
                and [f["chunk_bytes"] for f in self.files] == [8 + n * each for n in self.sizes]
            )
        except (LookupError, TypeError, ValueError):
            known = False
        if not known:
            raise ValueError(f"{store.root} holds no shards of images as prepare.py writes them.")
        self.begins = np.cumsum([0, *self.sizes])

    def __len__(self) -> int:
        return int(self.begins[-1])

    def __getitem__(self, key: Key) -> Batch:
        epochs, index = (torch.as_tensor(part) for part in key)
        return Batch(*self._read(index), epochs, index)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    def pixels_at(self, index: Int64[Tensor, " batch"]) -> Pixels:
        return self._read(index)[0]

    def fingerprint(self) -> str:
        """That of the set that was written."""
        return self._fingerprint

    def bring(self, chunk: int) -> None:
        """Sees to it that a chunk is on this machine."""
        self.store.bring(self.files[chunk]["filename"], self.files[chunk]["chunk_bytes"])

    def _read(self, index: Int64[Tensor, " batch"]) -> tuple[Pixels, Labels]:
        places = index.numpy()
        chunks = np.searchsorted(self.begins, places, "right") - 1
        pixels = np.empty((len(places), *self.shape), np.uint8)
        labels = np.empty(len(places), np.int64)
        for chunk in np.unique(chunks).tolist():
            here, size = chunks == chunk, self.sizes[chunk]
            content = self.store.mapped(
                self.files[chunk]["filename"], self.files[chunk]["chunk_bytes"]
            )
            records = content[-size * self.record.itemsize :].view(self.record)
            rows = places[here] - self.begins[chunk]
            pixels[here], labels[here] = records["pixels"][rows], records["label"][rows]
        return torch.from_numpy(pixels), torch.from_numpy(labels)
