"""What made an image: written into its PNG file, and read from anybody's.

It is a claim that anybody can write into any file. What proves it is that the claimed run draws the
same pixels (`verify.py`), or a signature (`credentials.py`), for whoever trusts who signed.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from darkroom import images, runs
from darkroom.checkpoint import SavedRun, digest

Picture = UInt8[Tensor, "channels height width"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEYWORD = "darkroom"
LARGEST = 1 << 28  # bytes of a file that is read
LONGEST = 1 << 14  # bytes of a claim
NUMBERS = {
    "images_seen": range(1 << 63),
    "seed": range(-(1 << 63), 1 << 63),
    "label": range(1 << 31),
    "batch_size": range(1, 1 << 14),
}
OPTIONAL = ("seed", "label")
"""Which values are numbers, how large they may be, and which of them may be missing."""

GENERATED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
REAL = ""  # an image of the data: not made by a model, and of what kind it is nobody knows here
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""What the IPTC calls images that a trained model made, wholly or in part."""

GRID = "grid"
SAMPLES = "darkroom.sampling.Samples"
PLACES = ("latents",)
"""Options of drawings that say where something lies: they tell a stranger about its owner."""

XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmp:CreatorTool="{tool}" Iptc4xmpExt:DigitalSourceType="{source}"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


@dataclass(frozen=True)
class Origin:
    """What made an image, in plain values.

    Attributes:
        run: The name of the run's folder; empty while it trains, as the same run may lie anywhere.
        identity: What the run was asked to be, as a hash; empty where no manifest tells it.
        checkpoint: SHA-256 of the checkpoint's file; empty while the run trains.
        images_seen: How long it had trained.
        draw: The drawing's config, as JSON.
        image: Which image of the drawing; `grid` for all of them together.
        seed: The seed, where the image has one of its own.
        label: The number of its class, where it was told of one.
        prior: Where a VAE's latents came from: learned or standard.
        given: What the user gave to the drawing, and is not in the file: `images`, `latents`.
        source: What the IPTC calls it; empty for a real image beside its reconstruction.
        batch_size: Images computed at once.
        device: The kind of device.
        torch: Torch's version.
        version: darkroom's version.
    """

    run: str
    identity: str
    checkpoint: str
    images_seen: int
    draw: str
    image: str = GRID
    seed: int | None = None
    label: int | None = None
    prior: str = "learned"
    given: tuple[str, ...] = ()
    source: str = GENERATED
    batch_size: int = 64
    device: str = "cpu"
    torch: str = version("torch")
    version: str = version("darkroom")

    @classmethod
    def of(
        cls,
        saved: SavedRun,
        draw: Mapping[str, Any],
        prior: str = "learned",
        given: tuple[str, ...] = (),
        batch_size: int = 64,
    ) -> "Origin":
        """The origin of the grid of a drawing of a saved run.

        It hashes the checkpoint's file, so ask once, soon after it was loaded: a run that goes on
        overwrites it.

        Args:
            saved: The run, its system where it computes.
            draw: The drawing's config, with its `_target_`.
            prior: Where a VAE's latents come from: learned or standard.
            given: What the user gives to it: `images` in the place of the run's own.
            batch_size: Images computed at once.
        """
        folder = saved.path.absolute().parents[1]
        config = dict(draw)
        places = tuple(name for name in PLACES if config.pop(name, None) is not None)
        return cls(
            run=folder.name,
            identity=runs.identity_of(folder),
            checkpoint=digest(saved.path),
            images_seen=saved.images_seen,
            draw=json.dumps(config),
            prior=prior,
            given=given + places,
            batch_size=batch_size,
            device=next(saved.system.parameters()).device.type,
        )

    @classmethod
    def training(
        cls, folder: Path, images_seen: int, draw: Mapping[str, Any], device: str
    ) -> "Origin":
        """The origin of what a run draws while it trains.

        It is the same for an interrupted run as for one that was not: it has no name, nor a
        checkpoint, as both depend on where the run lies and when it was saved.

        Args:
            folder: The run's.
            images_seen: How long it has trained.
            draw: The drawing's config, with its `_target_`.
            device: The kind of device.
        """
        return cls("", runs.identity_of(folder), "", images_seen, json.dumps(draw), device=device)

    def of_all(self, names: Sequence[str]) -> "Origin":
        """The origin of the grid of a drawing whose images have these names."""
        return replace(self, image=GRID, source=source_of(*names))

    def named(self, image: str) -> "Origin":
        """The origin of one image of the drawing, by its name."""
        return replace(self, image=image, source=source_of(image))

    def sampled(
        self, seed: int, label: int | None = None, truncation: float | None = None
    ) -> "Origin":
        """The origin of the image of one seed, which depends on nothing else that was drawn.

        Args:
            seed: The seed.
            label: The number of its class, for a model that knows any.
            truncation: As for `Samples`.
        """
        draw: dict[str, Any] = {"_target_": SAMPLES, "n": 1, "first_seed": seed, "label": label}
        if truncation is not None:
            draw["truncation"] = truncation
        drawn = replace(self, draw=json.dumps(draw), seed=seed, label=label)
        return drawn.named(f"seed-{seed:06d}")

    def __str__(self) -> str:
        seed = f" from seed {self.seed}" if self.seed is not None else f" {self.image!r}"
        label = f" of class {self.label}" if self.label is not None else ""
        of = f" of run {self.run!r}" if self.run else ""
        return f"image{seed}{label}{of} after {self.images_seen:,} images"


Seal = Callable[[bytes, Origin], bytes]
"""Signs a PNG file; what it leaves unsigned comes back as it was."""


def source_of(*names: str) -> str:
    """What the IPTC calls the images of a drawing that have these names, taken together."""
    real = [name.endswith("-real") for name in names]
    return REAL if all(real) else COMPOSITE if any(real) else GENERATED


def png(picture: Picture, origin: Origin, seal: Seal | None = None) -> bytes:
    """A PNG file of one picture that says what made it; the same for the same picture and origin.

    Args:
        picture: The pixels.
        origin: What made them.
        seal: What signs the file, such as `credentials.Signer`.
    """
    tool = f"darkroom {origin.version}"
    said = PngInfo()
    said.add_text("Software", tool)
    said.add_text(KEYWORD, json.dumps(vars(origin)))
    if origin.source != REAL:
        label = XMP.format(tool=tool, source=VOCABULARY + origin.source)
        said.add_itxt("XML:com.adobe.xmp", label)
    file = BytesIO()
    images.pil(picture).save(file, "PNG", pnginfo=said)
    return file.getvalue() if seal is None else seal(file.getvalue(), origin)


def save(picture: Picture, path: Path, origin: Origin, seal: Seal | None = None) -> None:
    """Writes such a file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(picture, origin, seal))


def read(path: Path) -> Origin | None:
    """What a PNG file says of its origin, whoever wrote it. Nothing is believed or decoded.

    Returns:
        The claim; None if the file makes none, as every file does that another program saved.

    Raises:
        ValueError: If it is no whole PNG file, or its claim is none that darkroom writes.
        OSError: If it cannot be read.
    """
    content = content_of(path)
    try:
        return claimed(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def content_of(path: Path) -> bytes:
    """A file's content, if it is no larger than any image here.

    Raises:
        ValueError: If it is.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST >> 20} MiB, and no image here has.")
    return content


def claimed(content: bytes) -> Origin | None:
    """The same of a file's content."""
    claims = [body for kind, body in chunks(content) if _is_claim(kind, body)]
    if not claims:
        return None
    if len(claims) > 1:
        raise ValueError(f"It makes {len(claims)} claims of its origin, and darkroom writes one.")
    try:
        return _parsed(claims[0])
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"What it says of its origin cannot be read: {error}") from error


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG file, their kinds and bodies, up to its end.

    Raises:
        ValueError: If it is none, one of them is damaged, or the end is missing.
    """
    if not content.startswith(SIGNATURE):
        raise ValueError("It is no PNG file.")
    place = len(SIGNATURE)
    while place + 12 <= len(content):
        kind = content[place + 4 : place + 8]
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        body = content[place + 8 : end]
        if content[end : end + 4] != zlib.crc32(kind + body).to_bytes(4, "big"):
            raise ValueError(f"It is damaged: its part {kind!r} at byte {place:,} is not whole.")
        yield kind, body
        place = end + 4
        if kind == b"IEND" and place == len(content):
            return
    raise ValueError("It is damaged: it does not end where it should.")


def _is_claim(kind: bytes, body: bytes) -> bool:
    return kind == b"tEXt" and body.startswith(KEYWORD.encode() + b"\0")


def _parsed(body: bytes) -> Origin:
    """A claim out of its text.

    Raises:
        ValueError: If a value is missing, unknown, of another type or out of its range.
    """
    if len(body) > LONGEST:
        raise ValueError(f"it has {len(body):,} characters, and at most {LONGEST:,} are read.")
    said = json.loads(body.partition(b"\0")[2])
    known = {field.name: field.type for field in fields(Origin)}
    if not isinstance(said, dict) or said.keys() != known.keys():
        raise ValueError(f"it has to say {', '.join(known)}, and nothing else.")
    for name, value in said.items():
        if not _fits(value, name):
            raise ValueError(f"{name} cannot be {str(value)[:60]!r}.")
    return Origin(**said | {"given": tuple(said["given"])})


def _fits(value: Any, name: str) -> bool:
    """Whether a stranger's value has the type of its field, and can be computed with."""
    if name == "given":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name in NUMBERS:
        is_missing = value is None and name in OPTIONAL
        return is_missing or (type(value) is int and value in NUMBERS[name])
    if name == "source":
        return value in (GENERATED, COMPOSITE, REAL)
    if name == "draw":
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    return isinstance(value, str)
