"""What is in a set of images: counted, compared and measured. `findings.py` says it in words."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, stdev

import imagehash
import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from darkroom import randomness
from darkroom.data.datasets import PackedSet
from darkroom.data.division import Division
from darkroom.images import composited, pil
from darkroom.intake.pack import Reading, Record
from darkroom.intake.pixel_art import common_block, lossless
from darkroom.intake.survey import SMALLEST
from darkroom.metrics import kernel_distance, thumbnails

SIMILAR_BITS = 10  # of 64: how far two perceptual hashes of near-duplicates are apart at most
SIMILAR_VALUES = 8.0  # of 255: likewise their thumbnails, root mean square; flat drawings need it
MIRRORED = 50, 2000  # images on each side of the mirror test, at least and at most
CHUNK = 512


@dataclass(frozen=True)
class Mirror:
    """Whether mirrored images can be told from others, by their thumbnails.

    Attributes:
        distance: Kernel distance between one half of the images and the mirrored other half.
        floor: The same without mirroring, which is 0 but for chance.
        spread: Standard deviation of the floor over several halvings.
    """

    distance: float
    floor: float
    spread: float

    @property
    def harmless(self) -> bool:
        return self.distance < self.floor + 3 * self.spread

    def __str__(self) -> str:
        chance = f"{self.floor:.4f} ± {self.spread:.4f}"
        return f"kernel distance {self.distance:.4f}, by chance {chance}"


@dataclass(frozen=True)
class Inspection:
    """Everything that was found. Names are those of files.

    Attributes:
        images: How many can be trained on, held out and tested with.
        shape: Channels, height and width as packed.
        sizes: Height and width of each file, as it is.
        modes: How many files of each format and mode.
        classes: Images of each class.
        splits: Images of each part: training, held out, test.
        given_split: Whether the user, and not chance, held images out.
        broken: Files that cannot be read, and why.
        ignored: Files with endings that no image has, by ending.
        identical: Groups of files with the same pixels.
        similar: Groups of files that are near-duplicates, identical ones included.
        leaks: Those of `similar` that have members in different parts.
        flat: Files of one colour only.
        shallow: Files of more than 8 bits that use 12 or less.
        deep: Files of more than 8 bits.
        animated: Files of which only the first frame is used.
        coloured: Share of the files with colours.
        alpha: Share of the files with transparency.
        lost: Share of the area that cropping cuts off, in the middle one.
        enlarged: Share of the files that are smaller than they are packed.
        block: Side of the squares of one colour that all files consist of: pixel art that was
            enlarged so many times; 1 for everything else.
        mirror: Whether mirroring is harmless; None if the images are too few to tell.
    """

    images: int
    shape: tuple[int, int, int]
    sizes: list[tuple[int, int]]
    modes: dict[str, int]
    classes: dict[str, int]
    splits: dict[str, int]
    given_split: bool
    broken: dict[str, str]
    ignored: dict[str, int]
    identical: list[list[str]]
    similar: list[list[str]]
    leaks: list[list[str]]
    flat: list[str]
    shallow: list[str]
    deep: int
    animated: list[str]
    coloured: float
    alpha: float
    lost: float
    enlarged: float
    block: int
    mirror: Mirror | None

    @property
    def shrunk(self) -> int:
        """How many times smaller pixel art is packed than it came; 1 for everything else."""
        times = self.sizes[0][0] // self.shape[1]
        return times if self._came(times) and times > 1 and self.block % times == 0 else 1

    @property
    def lossless(self) -> int:
        """How many times smaller still it could be without a loss; 1 for everything else."""
        left = self.block // self.shrunk
        return lossless(left, min(self.shape[1:]), SMALLEST) if self._came(self.shrunk) else 1

    def _came(self, times: int) -> bool:
        """Whether all files are so many times as large as they are packed."""
        return set(self.sizes) == {(times * self.shape[1], times * self.shape[2])}


def inspect(
    images: PackedSet, division: Division, broken: Mapping[str, str], ignored: Mapping[str, int]
) -> Inspection:
    """Looks at every image of a set.

    Args:
        images: The set.
        division: Its parts.
        broken: Files that could not be read, and why.
        ignored: Files with other endings, by ending.
    """
    records = [images.pack.records[row] for row in images.rows.tolist()]
    parts = {
        "training": division.training,
        "held out": division.held_out,
        "test": division.test,
    }
    part_of = {place: name for name, places in parts.items() for place in places.tolist()}
    similar = near_duplicates(images)
    identical = _groups_of(r["pixels"] for r in records)
    names = images.names

    def named(groups: Iterable[Sequence[int]]) -> list[list[str]]:
        return [[names[place] for place in group] for group in groups]

    def files(condition: Iterable[bool]) -> list[str]:
        return [name for name, true in zip(names, condition, strict=True) if true]

    facts = [r["facts"] for r in records]
    sizes = [(f["height"], f["width"]) for f in facts]
    reading = images.pack.reading
    return Inspection(
        images=len(images),
        shape=images.shape,
        sizes=sizes,
        modes=dict(Counter(f"{f['format']} {f['mode']}" for f in facts).most_common()),
        classes=_counts(images.class_names, images.labels.tolist()),
        splits={name: len(places) for name, places in parts.items()},
        given_split="validation" in images.splits,
        broken=dict(broken),
        ignored=dict(ignored),
        identical=named(identical),
        similar=named(similar),
        leaks=named(g for g in similar if len({part_of[place] for place in g}) > 1),
        flat=files(r["flat"] for r in records),
        shallow=files(_is_shallow(r) for r in records),
        deep=sum(f["highest"] is not None for f in facts),
        animated=files(f["animated"] for f in facts),
        coloured=_share(r["coloured"] for r in records),
        alpha=_share(r["alpha"] for r in records),
        lost=median(_cropped_share(size, reading.size) for size in sizes),
        enlarged=_share(_is_enlarged(size, reading) for size in sizes),
        block=common_block(r["block"] for r in records),
        mirror=mirror_test(images),
    )


def near_duplicates(images: PackedSet) -> list[list[int]]:
    """Groups of places whose images are near-duplicates of one another.

    Two are, if their perceptual hashes are close, and their thumbnails in colour are too: in flat
    drawings hashes alone take everything of one outline for the same.

    Source: Buchner's imagehash (phash: signs of the lowest frequencies).
    """
    by_pixels: dict[str, list[int]] = {}
    for place, pixel_hash in enumerate(images.hashes()):
        by_pixels.setdefault(pixel_hash, []).append(place)
    clusters = list(by_pixels.values())  # of identical images, each looked at once
    ones = torch.tensor([cluster[0] for cluster in clusters])
    hashes, small = [], []
    for part in tqdm(ones.split(CHUNK), desc="looking for duplicates", mininterval=0.5):
        seen = composited(images.pixels_at(part))  # not what hides beneath transparency
        hashes += [int(str(imagehash.phash(pil(image))), 16) for image in seen]
        small.append((127.5 * thumbnails(seen, 16)).float().numpy())
    pairs = _close_pairs(np.array(hashes, np.uint64), np.concatenate(small))
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(ones), len(ones)))
    alike = connected_components(graph, directed=False)[1]
    component = {p: alike[k] for k, cluster in enumerate(clusters) for p in cluster}
    return _groups_of(component[place] for place in range(len(images)))


def mirror_test(images: PackedSet, halvings: int = 5) -> Mirror | None:
    """Compares one half of the images with the other, mirrored and not, several times."""
    half = min(len(images) // 2, MIRRORED[1])
    if half < MIRRORED[0]:
        return None
    distances, floors = [], []
    for halving in range(halvings):
        order = randomness.permutation(len(images), "mirror", halving)
        a, b = (images.pixels_at(part) for part in (order[:half], order[half : 2 * half]))
        floors.append(kernel_distance(thumbnails(a), thumbnails(b)))
        distances.append(kernel_distance(thumbnails(a), thumbnails(b.flip(3))))
    return Mirror(sum(distances) / halvings, sum(floors) / halvings, stdev(floors))


def _close_pairs(bits: np.ndarray, thumbs: np.ndarray) -> np.ndarray:
    """Pairs of places whose hashes and thumbnails are close, int [pairs, 2]."""
    pairs = [np.zeros((0, 2), np.int64)]
    for place in range(len(bits) - 1):
        behind = bits[place + 1 :]
        others = place + 1 + np.flatnonzero(np.bitwise_count(behind ^ bits[place]) <= SIMILAR_BITS)
        distance = np.sqrt(((thumbs[others] - thumbs[place]) ** 2).mean(axis=1))
        others = others[distance <= SIMILAR_VALUES]
        pairs.append(np.stack([np.full_like(others, place), others], axis=1))
    return np.concatenate(pairs)


def _groups_of(keys: Iterable[object]) -> list[list[int]]:
    """Places with the same key, where there are several; the largest groups first."""
    members: dict[object, list[int]] = {}
    for place, key in enumerate(keys):
        members.setdefault(key, []).append(place)
    return sorted((group for group in members.values() if len(group) > 1), key=len, reverse=True)


def _counts(class_names: Sequence[str], labels: Sequence[int]) -> dict[str, int]:
    counted = Counter(labels)
    return {name: counted[label] for label, name in enumerate(class_names)}


def _share(conditions: Iterable[bool]) -> float:
    values = list(conditions)
    return sum(values) / len(values)


def _is_shallow(record: Record) -> bool:
    facts = record["facts"]
    return str(facts["mode"]).startswith("I;16") and facts["highest"] < 4096


def _is_enlarged(size: tuple[int, int], reading: Reading) -> bool:
    grows = [packed > side for side, packed in zip(size, reading.size, strict=True)]
    return all(grows) if reading.fit == "pad" else any(grows)


def _cropped_share(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    scale = max(wanted[0] / size[0], wanted[1] / size[1])
    return 1 - wanted[0] * wanted[1] / (size[0] * size[1] * scale**2)
