"""A look at some of the files, to settle what the user left to the data."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from statistics import median

from darkroom.intake.pack import VERSION, Reading, Record, read_or_explain, write_whole
from darkroom.intake.pixel_art import common_block, lossless
from darkroom.intake.sources import Entry, Source

LOOKED_AT = 256
RESOLUTIONS = 64, 32, 16
SMALLEST = 16  # no network here takes less


@dataclass(frozen=True)
class Survey:
    """What was found in a spread of the files.

    Attributes:
        sizes: Height and width of each.
        coloured: Share with colours.
        alpha: Share with transparency.
        block: Side of the squares of one colour that all of them consist of.
    """

    sizes: list[tuple[int, int]]
    coloured: float
    alpha: float
    block: int = 1

    def channels(self) -> tuple[int, str]:
        """How many channels suit these images, and why.

        Transparency is modelled where at least half of the images have some: a sheet of sprites,
        and not a photograph that somebody cut out.
        """
        alpha = self.alpha >= 0.5
        colour = "colours" if self.coloured else "only grey"
        opacity = f"{self.alpha:.0%} have transparency" if self.alpha else "all are opaque"
        return 1 + 2 * (self.coloured > 0) + alpha, f"{colour}, {opacity}"

    def resolution(self) -> tuple[tuple[int, int], str]:
        """Which height and width suit these images, and why.

        Images of one size keep it if it is small. Others get the largest of 64, 32 and 16 that
        does not enlarge most of them. Pixel art that was enlarged counts as large as it was before.
        """
        shrink = lossless(self.block, min(map(min, self.sizes)), SMALLEST)
        sizes = [(height // shrink, width // shrink) for height, width in self.sizes]
        before = f" before they were enlarged {shrink} times" if shrink > 1 else ""
        distinct = set(sizes)
        if len(distinct) == 1:
            (size,) = distinct
            if min(size) >= SMALLEST and max(size) <= RESOLUTIONS[0]:
                verb = "were" if before else "are"
                return size, f"all {verb} {size[1]}x{size[0]}{before}"
        middle = median(min(size) for size in sizes)
        side = next((side for side in RESOLUTIONS if side <= middle), RESOLUTIONS[-1])
        return (side, side), f"the middle one's shorter side is {middle:.0f}{before}"


def survey(
    source: Source, entries: Sequence[Entry], reading: Reading, cache: Path
) -> Survey | None:
    """Looks at a spread of the files, once: the answer is kept in a folder.

    Returns:
        None if none of them can be read.

    Raises:
        ValueError: If the answer cannot be kept.
    """
    places = {k * len(entries) // LOOKED_AT for k in range(LOOKED_AT)} if entries else set()
    chosen = [entries[place] for place in sorted(places)]
    question = [VERSION, repr(reading), [[e.name, e.size, e.stamp] for e in chosen]]
    key = blake2b(json.dumps(question).encode(), digest_size=8).hexdigest()
    kept = cache / f"survey-{key}.json"
    records: list[Record]
    try:
        records = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        records = [read_or_explain(source, entry.name, reading, None)[1] for entry in chosen]
        _keep(kept, records)
    good = [record for record in records if "error" not in record]
    if not good:
        return None
    return Survey(
        sizes=[(r["facts"]["height"], r["facts"]["width"]) for r in good],
        coloured=sum(r["coloured"] for r in good) / len(good),
        alpha=sum(r["alpha"] for r in good) / len(good),
        block=common_block(r["block"] for r in good),
    )


def _keep(path: Path, records: list[Record]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f"{path.stem}-{os.getpid()}.json")  # others may survey the same
        write_whole(own, json.dumps(records))
        own.replace(path)
    except OSError as error:
        raise ValueError(
            f"data.packs={path.parent}: {error.strerror or error}. Make room or type "
            "data.packs=<another folder>."
        ) from error
