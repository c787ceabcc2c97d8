"""What a loop is told, how long it goes on, and what it says of itself."""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Options:
    """A loop's command line.

    Attributes:
        data: A file of uint8 images, [images, 1, height, width].
        model: gan or vae.
        precision: As for trainer.precision; the article's loop knows none.
        resolution: Of the images.
        width: Of the networks.
        images: To be seen.
        every: Images between two marks.
        checkout: Where somebody else's loop lies.
    """

    data: str
    model: str
    precision: str
    resolution: int
    width: int
    images: int
    every: int
    checkout: str = ""


def typed() -> Options:
    """The options of the command line."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    words = {n: given.pop(n) for n in ("data", "model", "precision", "checkout") if n in given}
    return Options(**words, **{name: int(value) for name, value in given.items()})


def train(
    step: Callable[[Tensor], object], epoch: Callable[[], Iterable[Tensor]], options: Options
) -> None:
    """Epoch after epoch; says after each so many images how many have been seen, and when."""
    seen = 0
    while True:
        for batch in epoch():
            step(batch)
            seen += len(batch)
            if seen % options.every == 0:
                print("mark", seen, time.time(), flush=True)
            if seen >= options.images:
                return
