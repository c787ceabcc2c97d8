"""The model card: what somebody has to know who meets a model without its run."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from darkroom.evaluation.record import Evaluation
from darkroom.evaluation.wording import lasted
from darkroom.exporting.facts import NORMALISATION, Facts
from darkroom.exporting.shipment import Shipment
from darkroom.installation import typed
from darkroom.reports.tables import audited, circumstances, protocol_facts, rows

FILL_IN = "**[FILL IN]**"
PICTURE = "samples.png"


def card(facts: Facts, shipment: Shipment) -> str:
    """The card in Markdown.

    Args:
        facts: Of the run.
        shipment: What lies beside it.
    """
    sections: Mapping[str, Iterator[str]] = {
        "The model": _model(facts),
        "How to use it": iter([shipment.use.strip()]),
        "Files": _files(shipment),
        "Training data": _data(facts),
        "Training": _training(facts),
        "How good it is": _quality(facts),
        "Does it copy its training images?": _originality(facts),
        "Limits": _limits(facts),
        "Intended use": _use(),
        "Licence": _licence(facts),
    }
    begin = f"{shipment.header}# {plain(facts.run)}\n\n{_summary(facts)}\n"
    if PICTURE in shipment.files:
        begin += f"\n![Images of the seeds 0, 1, 2, ..., not chosen]({PICTURE})\n"
    return begin + "".join(
        f"\n## {title}\n\n" + "\n".join(lines) + "\n" for title, lines in sections.items()
    )


def plain(text: object) -> str:
    """Somebody's words within Markdown: on one line, and as they are."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(str(text).split()))


def _summary(facts: Facts) -> str:
    channels, height, width = facts.size
    colours = {1: "grey", 2: "grey with transparency", 3: "RGB", 4: "RGBA"}[channels]
    told = f" It draws {len(facts.class_names)} classes on demand." if facts.class_names else ""
    return (
        f"A {facts.model} that draws {colours} images of {height}x{width} pixels, trained on "
        f"{plain(facts.data)} by darkroom {version('darkroom')}, with its averaged weights.{told}"
    )


def _model(facts: Facts) -> Iterator[str]:
    yield from _table(
        ("", ""),
        [
            *((name, _counted(*part)) for name, part in _parts(facts)),
            ("latents", f"{facts.latent_dim} standard normal numbers for an image"),
            ("images", f"floats [batch, channels, height, width] in -1..1: `{NORMALISATION}`"),
            *(
                [("classes", ", ".join(f"{k}: {plain(n)}" for k, n in _numbered(facts)))]
                if facts.class_names
                else []
            ),
            ("checkpoint", f"after {facts.images_seen:,} images, SHA-256 `{facts.checkpoint}`"),
        ],
    )


def _parts(facts: Facts) -> Iterator[tuple[str, tuple[str, int]]]:
    return ((name, part) for name, part in facts.parts.items() if name != "likelihood")


def _counted(kind: str, parameters: int) -> str:
    return f"{kind}, {parameters:,} parameters" if parameters else f"{kind}, without parameters"


def _numbered(facts: Facts) -> Iterator[tuple[int, str]]:
    return iter(enumerate(facts.class_names))


def _files(shipment: Shipment) -> Iterator[str]:
    hashes = shipment.hashes
    yield from _table(
        ("file", "bytes", "SHA-256"),
        [(name, f"{len(at):,}", f"`{hashes[name]}`") for name, at in shipment.files.items()],
    )
    if shipment.parities:
        yield "\nCompared with PyTorch when they were written:\n"
        yield from (f"- {parity.graph}: {parity}" for parity in shipment.parities)
    if shipment.left_out:
        yield "\nNot here:\n"
        yield from (f"- {reason}" for reason in shipment.left_out)


def _data(facts: Facts) -> Iterator[str]:
    fingerprint = facts.latest("data")
    classes = ", ".join(map(plain, facts.class_names)) or "none that the model was told of"
    yield from _table(
        ("", ""),
        [
            ("images", plain(facts.data)),
            ("fingerprint", f"`{fingerprint}`" if fingerprint else "not recorded"),
            ("classes", classes),
            ("licence and consent", _noted(facts.latest("licence")) or FILL_IN),
        ],
    )


def _noted(licence: Any) -> str:
    """What the manifest says of the data's licence, in whatever form."""
    if isinstance(licence, Mapping):
        return "; ".join(f"{plain(name)}: {_noted(value)}" for name, value in licence.items())
    if isinstance(licence, Sequence) and not isinstance(licence, str):
        return "; ".join(map(_noted, licence))
    return plain(licence) if licence else ""


def _training(facts: Facts) -> Iterator[str]:
    hardware, code = facts.latest("hardware") or {}, facts.latest("code") or {}
    versions = facts.latest("versions") or {}
    machine = ", ".join(
        [
            f"{hardware.get('cores', '?')} cores of {plain(hardware.get('processor', '?'))}",
            *map(plain, hardware.get("gpus") or ["no GPU"]),
        ]
    )
    seconds = facts.seconds
    starts = len(facts.manifest)
    yield from _table(
        ("", ""),
        [
            ("budget", f"{facts.images_seen:,} images"),
            (
                "time of the run",
                "not recorded"
                if seconds is None
                else f"{lasted(seconds)} in {starts} start{'s' * (starts > 1)}",
            ),
            ("hardware", machine if hardware else "not recorded"),
            ("seed", plain(facts.latest("seed"))),
            ("commit", plain(code.get("commit") or "not recorded")),
            (
                "versions",
                ", ".join(f"{n} {plain(v)}" for n, v in versions.items()) or "not recorded",
            ),
        ],
    )
    yield "\nThe whole config is in `config.json`."


def _quality(facts: Facts) -> Iterator[str]:
    if not facts.evaluations:
        yield f"Not measured. `{typed('evaluate')} run=<folder of the run>` does it."
    for evaluation in facts.evaluations:
        yield from _measured(evaluation)
    if facts.evaluations:
        yield (
            "Numbers of different protocols cannot be ranked. The floor is what real images that "
            "were never trained on get in the samples' place."
        )
    if facts.passed_over:
        yield f"\n{len(facts.passed_over)} evaluations of other checkpoints were left out."


def _measured(evaluation: Evaluation) -> Iterator[str]:
    yield f"{circumstances(evaluation)}\n"
    numbers = {**evaluation.numbers, **evaluation.latents}
    yield from _table(
        ("", "value", "floor", ""),
        [(row.label, row.value, row.floor, row.better) for row in rows(numbers)],
    )
    yield "\n<details><summary>Protocol</summary>\n"
    yield from (f"- {name}: {plain(value)}" for name, value in protocol_facts(evaluation.protocol))
    yield from (f"- {plain(note)}" for note in evaluation.notes)
    yield "\n</details>\n"


def _originality(facts: Facts) -> Iterator[str]:
    audits = [each for each in facts.evaluations if each.originality is not None]
    if not audits:
        yield f"Not audited. Before its images are published, `{typed('evaluate')}` should look."
    for evaluation in audits:
        assert evaluation.originality is not None, "selected above"
        yield f"**{plain(evaluation.originality.verdict)}**\n"
        yield from _table(("", ""), [(name, plain(text)) for name, text in audited(evaluation)])
        yield ""


def _limits(facts: Facts) -> Iterator[str]:
    _, height, width = facts.size
    yield f"- It draws {height}x{width} pixels, and nothing unlike its training images."
    yield "- What is rare or missing among these is rare or missing among its images."
    yield "- Its images are made up. They are no record of anything, and no evidence."
    if facts.images_seen < 100_000:
        yield f"- It was trained briefly: {facts.images_seen:,} images."
    for finding in _found(facts):
        yield f"- Diagnosis: {finding}"


def _found(facts: Facts) -> list[str]:
    """What the diagnosis found, once each."""
    every = [finding for each in facts.evaluations for finding in each.findings]
    said = [f"{plain(finding.name)}. {plain(finding.evidence)}" for finding in every]
    return list(dict.fromkeys(said))


def _use() -> Iterator[str]:
    yield f"{FILL_IN} what it is for, and what it must not be used for."
    yield ""
    yield (
        "Research, teaching and art come to mind. Decisions about people do not: nobody has "
        "examined it for them."
    )


def _licence(facts: Facts) -> Iterator[str]:
    yield f"- of these weights: {FILL_IN}"
    yield f"- of the training images: {_noted(facts.latest('licence')) or FILL_IN}"
    yield "- of darkroom: Apache-2.0"


def _table(head: tuple[str, ...], cells: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in cells)


def finite(value: float) -> float | None:
    """A number that YAML and JSON have; None if it is none."""
    return value if math.isfinite(value) else None
