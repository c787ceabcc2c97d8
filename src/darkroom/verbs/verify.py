"""verify.py: what made an image, who signed it, and how far that is proved."""

import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from darkroom.installation import typed
from darkroom.provenance import certificates, credentials, origin
from darkroom.provenance.credentials import State
from darkroom.provenance.origin import Origin, Picture
from darkroom.verbs.redrawing import AbsentError, Redrawer, Redrawn

AnyPicture = UInt8[Tensor, "_ _ _"]  # two of them need not have one shape
MAX_PIXELS = 90_000_000  # a larger picture is taken for a decompression bomb
MODES = ("L", "LA", "RGB", "RGBA")


class Verdict(IntEnum):
    """What is to be thought of an image, the worst last; the status that the process ends with.

    1 and 2 are left out: a process ends so that failed, or that was typed wrongly.
    """

    PROVED = 0
    CLAIMED = 3
    EXPIRED = 4
    UNKNOWN = 5
    DIFFERENT = 6
    CHANGED = 7


WRITTEN = {b"IHDR", b"IDAT", b"IEND", b"tEXt", b"iTXt", credentials.CHUNK}
STRIPPED = (
    "That does not mean that no model made it: a program that saves an image anew leaves out both "
    "label and signature."
)
WORDS = {
    Verdict.PROVED: "proved",
    Verdict.CLAIMED: "only claimed",
    Verdict.EXPIRED: "signed with a certificate that is out of date",
    Verdict.UNKNOWN: "of unknown origin",
    Verdict.DIFFERENT: "not what the run draws",
    Verdict.CHANGED: "changed",
}


@dataclass(frozen=True)
class Report:
    """What was found out of one file.

    Attributes:
        verdict: What is to be thought of it.
        lines: Titles, and what is said under each.
    """

    verdict: Verdict
    lines: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "\n".join(f"  {title:<9}{_printable(text)}" for title, text in self.lines)


def verify(composed: DictConfig) -> None:
    """Says of each image where it is from, and how far that is proved.

    Args:
        composed: A checked verify config.

    Raises:
        ValueError: If there is nothing to verify, or something typed is not there.
        SystemExit: With the worst verdict, if not all is proved.
    """
    if composed.certificate is not None:
        _make_certificate(Path(composed.certificate).expanduser())
        return
    paths = _files(composed.images)
    anchors = None if composed.trust is None else _anchors(composed.trust)
    redrawer = Redrawer(composed.run, composed.given, composed.device)
    verdicts = Counter[Verdict]()
    for path in paths:
        report = verified(path, redrawer, anchors)
        verdicts[report.verdict] += 1
        print(f"{_printable(str(path))}\n{report}", flush=True)
    if len(paths) > 1:
        counts = (f"{verdicts[verdict]:,} {WORDS[verdict]}" for verdict in sorted(verdicts))
        print(f"{len(paths):,} files: {', '.join(counts)}")
    if worst := max(verdicts):
        sys.exit(worst)


def verified(path: Path, redrawer: Redrawer, anchors: str | None) -> Report:
    """What can be found out of one file.

    Args:
        path: The file; a stranger may have made it.
        redrawer: What draws images again.
        anchors: Certificates in PEM of those whose word on signers is taken.

    Raises:
        OSError: If it cannot be read.
    """
    try:
        content = origin.content_of(path)
    except ValueError as error:
        return Report(Verdict.UNKNOWN, (("so", str(error)),))
    if not content.startswith(origin.SIGNATURE):
        return Report(Verdict.UNKNOWN, (("so", f"it is no PNG file. {STRIPPED}"),))
    signature = credentials.check(content, anchors)
    lines = [("signed", str(signature))]
    try:
        claim = origin.claimed(content)
        picture = None if claim is None else _pixels(content)
    except ValueError as error:
        return Report(Verdict.CHANGED, (*lines, ("so", f"{error} Nothing that it says counts.")))
    comparison = NOTHING
    if claim is None or picture is None:
        lines.insert(0, ("claims", "nothing"))
    else:
        comparison = _compared(claim, picture, redrawer)
        lines.insert(0, ("claims", f"{claim}; darkroom {claim.version}"))
        lines.append(("drawn", comparison.text))
    if claim is None and signature.state is State.NONE:
        return Report(Verdict.UNKNOWN, (*lines, ("so", f"nothing says what made it. {STRIPPED}")))
    verdict = _verdict(signature.state, comparison.is_equal)
    return Report(verdict, (*lines, ("so", _so(verdict, comparison.is_equal))))


@dataclass(frozen=True)
class Comparison:
    """An image beside what its run draws.

    Attributes:
        is_equal: Whether they are equal; None if that cannot be told.
        text: The same in words.
    """

    is_equal: bool | None
    text: str = ""


NOTHING = Comparison(None)


def _compared(claim: Origin, picture: Picture, redrawer: Redrawer) -> Comparison:
    """An image beside what the run draws that it claims to be from."""
    try:
        redrawn = redrawer(claim)
    except AbsentError as error:
        return Comparison(None, f"not again: {error}.")
    by = f"by {redrawn.by}"
    if not redrawn.is_claimed:
        by += f", as it is after {claim.images_seen:,} images"
    if torch.equal(redrawn.picture, picture):
        return Comparison(True, f"again, {by}: bit for bit the same.")
    text = f"again, {by}: {_difference(picture, redrawn.picture)}{_elsewhere(claim, redrawn)}."
    if claim.checkpoint and not redrawn.is_claimed:
        return Comparison(None, f"{text} That is another file than the one that it names")
    return Comparison(False, text)


def _difference(picture: AnyPicture, redrawn: AnyPicture) -> str:
    """How far an image is from what is drawn, in words."""
    if picture.shape != redrawn.shape:
        has, draws = (
            f"{each.shape[2]}x{each.shape[1]} pixels of {each.shape[0]} channels"
            for each in (picture, redrawn)
        )
        return f"it has {has}, and the run draws {draws}"
    apart = (picture.int() - redrawn.int()).abs().amax(dim=0)
    share = float((apart > 0).float().mean())
    return f"{share:.2%} of the pixels differ, by up to {int(apart.max())} of 255"


def _elsewhere(claim: Origin, redrawn: Redrawn) -> str:
    """In what the machine that drew it was another one, which may round otherwise."""
    then, now = (claim.device, claim.torch), (redrawn.device, torch.__version__)
    if then == (now[0], now[1].partition("+")[0]):
        return ""
    return f" (then on {then[0]} with torch {then[1]}, now on {now[0]} with torch {now[1]})"


def _verdict(state: State, is_equal: bool | None) -> Verdict:
    """What is to be thought of an image.

    Args:
        state: What its signature is worth.
        is_equal: Whether its run draws the same pixels; None if that is unknown.
    """
    if state is State.CHANGED:
        return Verdict.CHANGED
    if is_equal is False:
        return Verdict.DIFFERENT
    if state is State.EXPIRED:
        return Verdict.EXPIRED
    return Verdict.PROVED if is_equal or state is State.TRUSTED else Verdict.CLAIMED


def _so(verdict: Verdict, is_equal: bool | None) -> str:
    """The verdict in words."""
    drawn = "proved: these weights draw exactly these pixels"
    return {
        Verdict.PROVED: f"{drawn}."
        if is_equal
        else "vouched for: nothing was changed since it was signed, and that it is true is the "
        "signer's word.",
        Verdict.CLAIMED: "only claimed: anybody can write such a label. What proves it is the run "
        "(run=<folder>), or a signature by somebody whom you trust (trust=<PEM file>).",
        Verdict.EXPIRED: (f"{drawn}, but the" if is_equal else "the")
        + " signature proves nothing any more: it may be as old as it seems, or not.",
        Verdict.DIFFERENT: "not what its run draws. Either the label is false, or the image was "
        "changed, or another machine rounds otherwise, and then they hardly differ.",
        Verdict.CHANGED: "changed after it was signed. Nothing that it says counts.",
    }[verdict]


def _pixels(content: bytes) -> Picture:
    """The pixels of a PNG file as darkroom writes it.

    Raises:
        ValueError: If it is none: other parts of a file can change what one sees.
    """
    strange = {kind for kind, _ in origin.chunks(content)} - WRITTEN
    if strange:
        named = ", ".join(sorted(kind.decode("latin-1") for kind in strange))
        raise ValueError(f"It has parts ({named}) that darkroom writes into no file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about a size that is refused below
            with Image.open(BytesIO(content), formats=["PNG"]) as image:
                if image.width * image.height > MAX_PIXELS or image.mode not in MODES:
                    raise ValueError(f"it is of {image.size} pixels in mode {image.mode}")
                values = np.array(image)
    except Exception as error:  # Pillow raises many kinds
        raise ValueError(f"Its pixels cannot be read: {error}.") from error
    return torch.from_numpy(values.reshape(*values.shape[:2], -1)).permute(2, 0, 1)


def _files(places: Sequence[str]) -> list[Path]:
    """The files that are named, and all PNG files in the folders.

    Raises:
        ValueError: If there are none.
    """
    if not places:
        raise ValueError(f"Type the images: {typed('verify')} <PNG file or folder> ...")
    found = []
    for place in places:
        path = Path(place).expanduser()
        if not path.exists():
            raise ValueError(f"{place}: there is no such file or folder.")
        inside = sorted(path.rglob("*.png")) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"{place}: there are no PNG files in it.")
        found += inside
    return found


def _anchors(place: str) -> str:
    try:
        text = Path(place).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"trust={place} cannot be read: {error}") from error
    if "BEGIN CERTIFICATE" not in text:
        raise ValueError(f"trust={place} holds no certificate in PEM.")
    return text


def _make_certificate(folder: Path) -> None:
    """Makes a certificate to try signing with, and says how.

    Raises:
        ValueError: If it cannot be made.
    """
    try:
        certificates.make_test_chain(folder)
    except ModuleNotFoundError as error:
        raise ValueError(
            "certificate: this needs the extra `origin`: pip install -e '.[origin]'."
        ) from error
    names = (certificates.CERTIFICATE, certificates.KEY, certificates.ROOT)
    certificate, key, root = (folder / name for name in names)
    print(
        f"{folder} holds a TEST certificate, which nobody vouches for, and its key, which nobody "
        "else should have.\n"
        f"sign    {typed('sample')} run=<folder> provenance.certificate={certificate} "
        f"provenance.key={key}\n"
        f"verify  {typed('verify')} <images> trust={root}"
    )


def _printable(text: str) -> str:
    """A stranger's text without what would move the cursor of a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)
