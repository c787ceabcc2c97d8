"""What a diagnosis says, and what it looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.curves import Curve


@dataclass(frozen=True)
class Finding:
    """Something wrong with a run, by `diagnosis`.

    Attributes:
        name: The illness: "discriminator overfitting".
        evidence: The numbers that show it, in a sentence.
        cause: What brings it about, in a sentence.
        remedies: Overrides to try, each as one types it, with the reason.
        curves: Names of the logged series that show it.
        severity: 1 worth knowing, 2 costs quality, 3 the run is lost.
    """

    name: str
    evidence: str
    cause: str
    remedies: Mapping[str, str]
    curves: tuple[str, ...] = ()
    severity: int = 2


@dataclass(frozen=True)
class Case:
    """A run, as a diagnosis sees it.

    Attributes:
        curves: What it has logged, by name.
        options: Its composed config, by dotted names: `model.objective.beta`.
        training_images: How many images it is trained on.
        parameters: How many numbers it trains.
    """

    curves: Mapping[str, Curve]
    options: Mapping[str, Any]
    training_images: int
    parameters: int
