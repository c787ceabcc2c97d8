"""Whether an exported computation gives what the model itself gives."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from darkroom.exporting.graphs import Graph, Values

BATCHES = (1, 2, 7, 64)
TOLERANCE = 1e-4
"""On the scale -1..1 of images, where a grey level is 0.0078; of latents, as a share of the largest
where that is above 1."""

STEPPED = 0.02
"""The share of images that may differ more where numbers are rounded to codes."""


@dataclass(frozen=True)
class Parity:
    """How an exported computation compares with the model.

    Attributes:
        graph: Its name.
        images: How many were compared, in batches of the sizes `BATCHES`.
        largest: The largest difference of any number, of all images but those beyond.
        beyond: Images that differ by more than `TOLERANCE`: by a code.
    """

    graph: str
    images: int
    largest: float
    beyond: int = 0

    def __str__(self) -> str:
        text = (
            f"largest difference {self.largest:.1e} of {TOLERANCE:.0e} allowed, over batches of "
            f"{', '.join(map(str, BATCHES))}"
        )
        return text + (f"; {self.beyond} of {self.images} by a code" if self.beyond else "")


@torch.no_grad()
def compared(graph: Graph, exported: Callable[[Values], Sequence[Tensor]]) -> Parity:
    """The parity of an exported graph with the system.

    Args:
        graph: What was exported.
        exported: Computes the same outputs from the same inputs.

    Raises:
        ValueError: If they are not the same within the tolerance.
    """
    differences = torch.cat([_differences(graph, exported, batch) for batch in BATCHES])
    is_beyond = ~(differences <= TOLERANCE)  # what is no number is beyond too
    beyond, images = int(is_beyond.sum()), len(differences)
    allowed = int(STEPPED * images) if graph.is_stepped else 0
    if beyond > allowed:
        raise ValueError(
            f"The exported {graph.name} is not the model: {beyond} of {images} images differ by "
            f"more than {TOLERANCE:.0e}, at most by {float(differences.max()):.1e}. Nothing was "
            "written."
        )
    within = differences[~is_beyond]
    return Parity(graph.name, images, float(within.max()), beyond)


def _differences(
    graph: Graph, exported: Callable[[Values], Sequence[Tensor]], batch: int
) -> Tensor:
    """The largest difference within each image of a batch."""
    inputs = graph.example(batch)
    expected, got = graph.reference(*inputs), exported(inputs)
    worst = torch.zeros(batch)
    for mine, theirs in zip(expected, got, strict=True):
        if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
            raise ValueError(
                f"The exported {graph.name} gives {theirs.dtype} {list(theirs.shape)} in the place "
                f"of {mine.dtype} {list(mine.shape)}. Nothing was written."
            )
        if mine.dtype == torch.uint8:  # rounding leaves a level's doubt
            difference = (mine.int() - theirs.int()).abs().flatten(1).amax(1).float()
            difference = torch.where(difference <= 1, 0.0, difference)
        else:
            scale = mine.abs().max().clamp(min=1)
            difference = ((mine - theirs).abs() / scale).flatten(1).amax(1)
        worst = torch.maximum(worst, difference)
    return worst
