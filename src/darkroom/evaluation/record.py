"""What an evaluation leaves behind: numbers, and the protocol that they were made under."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from darkroom import files
from darkroom.diagnosis.finding import Finding
from darkroom.metrics.features.contracts import Instrument
from darkroom.metrics.originality import Originality


@dataclass(frozen=True)
class Number:
    """A measured number.

    Attributes:
        value: The number.
        better: Which way is better: lower, higher, or neither where it only describes.
        error: Its standard error; None where it has none that is known.
        floor: What real images that were never trained on get in the samples' place: as good as it
            can be. None where that makes no sense.
    """

    value: float
    better: str
    error: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Protocol:
    """How numbers were made. Numbers of different protocols are not ranked.

    Attributes:
        instrument: The features.
        samples: How many samples were judged.
        first_seed: Their first seed; None where a folder was judged.
        split: The part of the data that they were compared with: training, held_out or test.
        reference: How many real images of that part.
        held_out: How many images stood in for the samples, for the floors.
        searched: Among how many training images copies were looked for.
        data: Fingerprint of the reference images.
        versions: Of the libraries that the numbers depend on.
    """

    instrument: Instrument
    samples: int
    first_seed: int | None
    split: str
    reference: int
    held_out: int
    searched: int
    data: str
    versions: Mapping[str, str]

    @property
    def digest(self) -> str:
        """A few letters that differ where protocols do, for names of folders."""
        return hashlib.sha256(as_json(asdict(self)).encode()).hexdigest()[:6]

    def differences(self, other: "Protocol") -> list[str]:
        """In what the two differ, in words; empty if their numbers can be compared."""
        mine, theirs = (_flat(asdict(protocol)) for protocol in (self, other))
        return [
            f"{name}: {mine.get(name)} and {theirs.get(name)}"
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name) != theirs.get(name)
        ]


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured of a generator, or of a folder of images.

    Attributes:
        subject: The run or the folder.
        images_seen: How long the model had trained; None for a folder.
        checkpoint: Hash of the checkpoint; empty for a folder.
        protocol: How the numbers were made.
        numbers: By name: `fd_<features>`, `kid_<features>`, `precision_<features>`, ...
        latents: Numbers of a latent model, by name; empty for others.
        notes: What the likelihood behind them is, and the like; one sentence each.
        classes: Numbers for each class, by its name; empty where there are no classes.
        originality: Whether it copies; None where there is nothing to compare with.
        findings: The diagnosis, the most serious first; empty for a folder.
        cost: Measured cost: seconds and images of training, parameters, FLOPs, images per second.
    """

    subject: str
    images_seen: int | None
    checkpoint: str
    protocol: Protocol
    numbers: Mapping[str, Number]
    latents: Mapping[str, Number] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    classes: Mapping[str, Mapping[str, Number]] = field(default_factory=dict)
    originality: Originality | None = None
    findings: tuple[Finding, ...] = ()
    cost: Mapping[str, float] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all."""
        with files.whole(path) as file:
            file.write(as_json(asdict(self)).encode())


def read(path: Path) -> Evaluation:
    """An evaluation as `Evaluation.write` left it.

    Raises:
        ValueError: If the file is none.
    """
    try:
        tree = json.loads(path.read_text())
        protocol = tree["protocol"] | {"instrument": Instrument(**tree["protocol"]["instrument"])}
        return Evaluation(
            subject=tree["subject"],
            images_seen=tree["images_seen"],
            checkpoint=tree["checkpoint"],
            protocol=Protocol(**protocol),
            numbers=_numbers(tree["numbers"]),
            latents=_numbers(tree["latents"]),
            notes=tuple(tree["notes"]),
            classes={name: _numbers(below) for name, below in tree["classes"].items()},
            originality=_originality(tree["originality"]),
            findings=tuple(
                Finding(**finding | {"curves": tuple(finding["curves"])})
                for finding in tree["findings"]
            ),
            cost={name: _float(value) for name, value in tree["cost"].items()},
        )
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no evaluation of this version ({error}). Delete it."
        ) from error


def as_json(tree: Any) -> str:
    """JSON as every reader takes it: what is no finite number becomes null."""
    return json.dumps(_finite(tree), indent=2, allow_nan=False) + "\n"


def _finite(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {name: _finite(below) for name, below in tree.items()}
    if isinstance(tree, list | tuple):
        return [_finite(below) for below in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _numbers(tree: Mapping[str, Any]) -> dict[str, Number]:
    return {
        name: Number(**number | {"value": _float(number["value"])}) for name, number in tree.items()
    }


def _originality(tree: Mapping[str, Any] | None) -> Originality | None:
    """None of its numbers may be absent, so a null was no number."""
    if not tree:
        return None
    lost = {name: math.nan for name, value in tree.items() if value is None}
    pairs = [(sample, image, _float(distance)) for sample, image, distance in tree["pairs"]]
    interval = tuple(map(_float, tree["interval"]))
    return Originality(**{**tree, **lost, "interval": interval, "pairs": pairs})


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        below = _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else None
        flat |= {f"{prefix}{name}": value} if below is None else below
    return flat
