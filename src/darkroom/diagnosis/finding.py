"""What a diagnosis says, and what it looks at."""

from collections.abc import Callable, Mapping
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

    def curve(self, name: str, points: int = 1) -> Curve | None:
        """The finite points of a series; None if they are fewer than `points`."""
        curve = self.curves.get(name)
        if curve is None or len(curve.finite) < points:
            return None
        return curve.finite

    def logged(self, *names: str) -> tuple[str, ...]:
        """Those of the series that there are."""
        return tuple(name for name in names if name in self.curves)

    def level(self, name: str, points: int = 1) -> float | None:
        """Where a series has been over its last third; None if it has fewer than `points`."""
        curve = self.curve(name, points)
        return None if curve is None else curve.tail(1 / 3).level()

    def number(self, option: str) -> float | None:
        """An option that is a number; None if it is none, or not in the config."""
        value = self.options.get(option)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value)


def dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by their dotted names, for `Case.options`; lists stay lists."""
    options: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            options |= dotted(value, f"{prefix}{key}.")
        else:
            options[f"{prefix}{key}"] = value
    return options


Rule = Callable[[Case], Finding | None]
"""One illness: a finding if the case has it."""
