"""How the images of an edition are drawn, as files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import UInt8
from torch import Tensor

from darkroom.bulk.formats import Print
from darkroom.provenance.credentials import Signer
from darkroom.provenance.origin import Origin, png
from darkroom.sampling import Generator, drawn, labels_of

HARMLESS = re.compile(r"\w[\w +.-]{0,80}")
"""Names of classes that may be names of folders: a run, and so they, can come from a stranger."""


@dataclass(frozen=True)
class Drawing:
    """How the images of seeds are drawn.

    Attributes:
        generator: What draws them, where it computes.
        origin: What made them: their common part.
        label: The class of all; by default each seed has its own.
        truncation: The largest size of a latent's coordinates.
        batch_size: Images computed at once.
        class_names: Of the model's classes, if it knows any.
        signer: What signs each file, if anything does.
    """

    generator: Generator
    origin: Origin
    label: int | None
    truncation: float | None
    batch_size: int
    class_names: tuple[str, ...] = ()
    signer: Signer | None = None

    def prints(self, seeds: range) -> Iterator[list[Print]]:
        """The images of seeds as files, a batch at a time."""
        labels = labels_of(seeds, self.generator, self.label)
        classes = [None] * len(seeds) if labels is None else labels.tolist()
        rest = iter(zip(seeds, classes, strict=True))
        for batch in drawn(self.generator, seeds, self.batch_size, self.label, self.truncation):
            yield [self._print(picture, *next(rest)) for picture in batch]

    def _print(
        self, picture: UInt8[Tensor, "channels height width"], seed: int, label: int | None
    ) -> Print:
        origin = self.origin.sampled(seed, label, self.truncation)
        return Print(seed, png(picture, origin, self.signer), label, self._folder(label))

    def _folder(self, label: int | None) -> str:
        if label is None:
            return ""
        name = self.class_names[label] if label < len(self.class_names) else ""
        return name if HARMLESS.fullmatch(name) else f"class-{label:03d}"
