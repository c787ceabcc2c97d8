"""Sources that note or misbehave, and a build in a process of its own. Workers import this."""

import multiprocessing
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from darkroom.intake import pack
from darkroom.intake.pack import Reading
from darkroom.intake.sources import Directory, Listing

READING = Reading((4, 6), 3)
BLOCK_BYTES = 4 * 6 * 3 * 5  # five images


@dataclass(frozen=True)
class Noting:
    """A folder that notes each file that is read, in a file, since processes share no memory."""

    root: Path
    notes: Path
    seconds: float = 0.0

    def listing(self) -> Listing:
        return Directory(self.root).listing()

    def read(self, name: str) -> bytes:
        time.sleep(self.seconds)
        with self.notes.open("ab") as file:
            file.write(os.fsencode(name) + b"\0")
        return Directory(self.root).read(name)

    def noted(self) -> list[str]:
        """The names of the files that were read, as often as they were."""
        notes = self.notes.read_bytes() if self.notes.exists() else b""
        return sorted(os.fsdecode(name) for name in notes.split(b"\0")[:-1])


@dataclass(frozen=True)
class Deadly:
    """A folder with a file whose decoder takes the whole process down, once blocks are done."""

    root: Path
    poison: str
    index: Path | None = None
    blocks: int = 0

    def listing(self) -> Listing:
        return Directory(self.root).listing()

    def read(self, name: str) -> bytes:
        if name == self.poison:
            assert multiprocessing.parent_process(), "only a worker may die"
            while self.index and len(self.index.read_text().splitlines()) <= self.blocks:
                time.sleep(0.01)  # a header comes before the blocks
            os._exit(1)
        return Directory(self.root).read(name)


def main(root: str, notes: str, folder: str, seconds: str, workers: str) -> None:
    pack.BLOCK_BYTES = BLOCK_BYTES
    source = Noting(Path(root), Path(notes), float(seconds))
    pack.packed(source, source.listing().entries, READING, Path(folder), int(workers))


if __name__ == "__main__":
    main(*sys.argv[1:])
