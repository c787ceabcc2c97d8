"""export.py: takes a trained model out of the house."""

import json
from pathlib import Path

from omegaconf import DictConfig

from darkroom import checkpoint, config, files
from darkroom.exporting import Format
from darkroom.exporting.card import card
from darkroom.exporting.facts import facts_of

CARD, CONFIG = "README.md", "config.json"


def export(composed: DictConfig, choice: str) -> None:
    """Writes a model in some format, with a card that says what it is.

    Args:
        composed: A checked export config.
        choice: Name of the format's config.

    Raises:
        ValueError: If it cannot be exported so, or is not what the run draws; then nothing is
            written.
    """
    to = config.build(composed.to)
    if not isinstance(to, Format):
        raise ValueError(f"to={choice} is not for export.py. Type to=safetensors.")
    saved = checkpoint.load(composed.run, composed.checkpoint)
    facts = facts_of(saved)
    shipment = to.packed(saved, facts)
    folder = Path(composed.folder or saved.path.parents[1] / "exported" / choice).expanduser()
    for name, content in shipment.files.items():
        _write(folder / name, content)
    known = {**facts.metadata, "files": shipment.hashes}
    _write(folder / CONFIG, f"{json.dumps(known, indent=2)}\n".encode())
    _write(folder / CARD, card(facts, shipment).encode())
    print(f"{saved.path} in {folder}:")
    for name, content in shipment.files.items():
        print(f"  {name}  {len(content):,} bytes")
    for parity in shipment.parities:
        print(f"  {parity.graph}: {parity}")
    for reason in shipment.left_out:
        print(f"  left out: {reason}")
    print(f"  {CONFIG}, and {CARD}: what it is; fill in what is marked before you publish it")


def _write(path: Path, content: bytes) -> None:
    with files.whole(path) as file:
        file.write(content)
