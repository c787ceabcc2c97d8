"""What of an inspection one should know before training, and what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from darkroom.inspection import Inspection
from darkroom.intake.pack import Reading

CLIPPED = 0.2  # a cropped share above this is worth a word
UNEVEN = 5  # so many times the smallest class
FEW = 1000  # images


@dataclass(frozen=True)
class Finding:
    """Something worth knowing.

    Attributes:
        what: The fact, with its number.
        remedy: What to do about it.
        files: Some of the files, in groups that belong together.
    """

    what: str
    remedy: str
    files: Sequence[Sequence[str]] = field(default_factory=list)


def findings(found: Inspection, reading: Reading, remedy: str) -> Iterator[Finding]:
    """What is worth a word, the most serious first.

    Args:
        found: The inspection.
        reading: How the images were packed.
        remedy: What to do about near-duplicates on both sides of a random split.
    """
    if found.broken:
        yield Finding(
            f"{_count(found.broken, 'file')} cannot be read",
            "They are left out. Mend or remove them.",
            [[name] for name in found.broken],
        )
    yield from _copies(found, remedy)
    if found.flat:
        yield Finding(
            f"{_count(found.flat, 'image')} of one colour",
            "Remove them if they are no pictures.",
            [found.flat],
        )
    yield from _values(found, reading)
    yield from _shapes(found, reading)
    smallest, largest = (
        min(found.classes.values(), default=0),
        max(found.classes.values(), default=0),
    )
    if largest >= UNEVEN * max(smallest, 1):
        yield Finding(
            f"the largest class has {largest} images, the smallest {smallest}",
            "Samples will show the classes in these shares.",
        )
    if found.images < FEW:
        yield Finding(
            f"{found.images} images are few",
            "evaluate.py tells whether a model draws copies of them. Bring more if you can.",
        )


def _copies(found: Inspection, remedy: str) -> Iterator[Finding]:
    if found.leaks:
        if found.given_split:
            remedy = "The split came with the images: move or remove some."
        elif found.splits["test"]:
            remedy += " What came as test stays so: move or remove that."
        yield Finding(
            f"{_count(found.leaks, 'group')} of near-duplicates on both sides of the split",
            f"Held-out numbers would be too good. {remedy}",
            found.leaks,
        )
    if found.identical:
        files = sum(map(len, found.identical))
        yield Finding(
            f"{files} files share their pixels with another ({_count(found.identical, 'group')})",
            "A generator will draw these more often. Remove rows of images.csv to drop some; equal "
            "images are never on both sides of a random split.",
            found.identical,
        )
    alike = [group for group in found.similar if group not in found.identical]
    if alike:
        yield Finding(
            f"{sum(map(len, alike))} files look like another ({_count(alike, 'group')})",
            "Frames of one animation, or one picture saved twice? Drop rows of images.csv if so.",
            [group for group in alike if group not in found.leaks],
        )


def _values(found: Inspection, reading: Reading) -> Iterator[Finding]:
    if found.shallow and reading.value_range == "full":
        yield Finding(
            f"{len(found.shallow)} of {found.deep} files of more than 8 bits use at most 12 of "
            "them, so they are nearly black",
            "Type data.value_range=percentile.",
            [found.shallow],
        )
    if 0 < found.deep < found.images:
        yield Finding(
            f"{found.deep} of {found.images} files have more than 8 bits",
            "Were the others converted in the same way?",
        )
    if found.coloured and reading.channels <= 2:
        yield Finding(
            f"{found.coloured:.0%} of the images have colours that are lost in grey",
            "Type data.channels=3 to keep them.",
        )
    if found.alpha and reading.channels in (1, 3):
        yield Finding(
            f"{found.alpha:.0%} of the images have transparency, put on the background",
            "Choose it with data.background=<colour>, or type data.channels=4 to draw images with "
            "transparency.",
        )


def _shapes(found: Inspection, reading: Reading) -> Iterator[Finding]:
    if found.animated:
        yield Finding(
            f"{_count(found.animated, 'file')} with several frames or pages",
            "The first of each is used.",
            [found.animated],
        )
    if reading.fit == "crop" and found.lost > CLIPPED:
        yield Finding(
            f"cropping cuts off {found.lost:.0%} of the middle image",
            "Type data.fit=pad to keep all, or data.resolution=[height,width].",
        )
    if found.enlarged > 0.5:
        yield Finding(
            f"{found.enlarged:.0%} of the images are smaller than "
            f"{found.shape[2]}x{found.shape[1]}",
            "They are enlarged, which adds nothing. Type a smaller data.resolution.",
        )
    if found.lossless > 1:
        height, width = (side // found.lossless for side in found.shape[1:])
        smaller = height if height == width else f"[{height},{width}]"
        yield Finding(
            f"all images are pixel art that was enlarged {found.block} times",
            f"Type data.resolution={smaller}: nothing is lost, steps are cheaper, and samples have "
            "whole pixels.",
        )


def _count(things: Sequence[object] | dict[str, str], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
