"""A set of images that is drawn in parts: which there are, and which are still to be drawn."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom import files

NOTES = "edition.json"


@dataclass(frozen=True)
class Part:
    """Images of consecutive seeds, which are written together or not at all.

    Attributes:
        seeds: The seeds.
        path: The file or folder that holds them.
    """

    seeds: range
    path: Path


@dataclass(frozen=True)
class Edition:
    """Images of the seeds first_seed, first_seed + 1, ... in a folder, in parts of one size.

    Args:
        folder: It holds the parts, and a note of what they are parts of.
        first_seed: The first seed.
        n: How many images.
        size: Images in a part; the last one has what is left.
        ending: What the names of parts end with.
        facts: What the images depend on. A folder with parts of anything else is left alone.
    """

    folder: Path
    first_seed: int
    n: int
    size: int
    ending: str
    facts: Mapping[str, Any]

    @property
    def parts(self) -> list[Part]:
        """All parts, in the order of their seeds."""
        end = self.first_seed + self.n
        starts = range(self.first_seed, end, self.size)
        return [self._part(range(start, min(start + self.size, end))) for start in starts]

    def missing(self) -> list[Part]:
        """The parts that are not there yet."""
        return [part for part in self.parts if not part.path.exists()]

    def open(self) -> None:
        """Begins the edition in its folder, or finds that it is begun there.

        Raises:
            ValueError: If the folder holds something else.
        """
        path = self.folder / NOTES
        notes = {"first_seed": self.first_seed, "n": self.n, "part": self.size, **self.facts}
        text = json.dumps(notes, indent=2) + "\n"
        if path.exists():
            self._compare(json.loads(text), path)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise ValueError(
                f"folder={self.folder} holds other files. Type folder=<a new one>; to go on with "
                "what was begun, name the folder that it was begun in."
            )
        else:
            with files.whole(path) as file:
                file.write(text.encode())
        files.sweep(self.folder)

    def _compare(self, notes: Mapping[str, Any], path: Path) -> None:
        try:
            former = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} cannot be read: {error}. Type folder=<a new one>.") from error
        differing = [name for name in {**former, **notes} if former.get(name) != notes.get(name)]
        if differing:
            name = differing[0]
            raise ValueError(
                f"folder={self.folder} holds images with {name} {former.get(name)}, and now it is "
                f"{notes.get(name)}. Type folder=<a new one>, or the same options as then."
            )

    def _part(self, seeds: range) -> Part:
        name = f"seeds-{seeds[0]:09d}-{seeds[-1]:09d}{self.ending}"
        return Part(seeds, self.folder / name)
