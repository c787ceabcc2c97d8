"""What is exported: files by name, and what a card has to say of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol, runtime_checkable

from darkroom.checkpoint import SavedRun
from darkroom.exporting.facts import Facts
from darkroom.exporting.parity import Parity


@dataclass(frozen=True)
class Shipment:
    """Everything but the card and `config.json`, in memory, so that nothing is written in vain.

    Attributes:
        files: Their content by name.
        use: How they are used, in Markdown.
        parities: What was compared with the model.
        left_out: What is not there, and why; one sentence each.
        header: What the card begins with.
    """

    files: Mapping[str, bytes]
    use: str
    parities: tuple[Parity, ...] = ()
    left_out: tuple[str, ...] = ()
    header: str = ""

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {name: sha256(content).hexdigest() for name, content in self.files.items()}


@runtime_checkable
class Format(Protocol):
    """A way out of the house."""

    def packed(self, saved: SavedRun, facts: Facts) -> Shipment:
        """What is to be written.

        Raises:
            ValueError: If the model cannot leave the house this way.
        """
