"""What a run has logged, as curves over the images seen."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True)
class Curve:
    """One logged series.

    Attributes:
        images: Images seen at each point, ascending.
        values: The numbers.
    """

    images: Int64[np.ndarray, " points"]
    values: Float64[np.ndarray, " points"]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def finite(self) -> "Curve":
        """The points that are numbers."""
        kept = np.isfinite(self.values)
        return Curve(self.images[kept], self.values[kept])

    def head(self, share: float) -> "Curve":
        """The first share of the points, at least one."""
        kept = max(1, round(len(self) * share))
        return Curve(self.images[:kept], self.values[:kept])

    def tail(self, share: float) -> "Curve":
        """The last share of the points, at least one."""
        kept = max(1, round(len(self) * share))
        return Curve(self.images[-kept:], self.values[-kept:])

    def level(self) -> float:
        """The median, which a few spikes do not move."""
        return float(np.median(self.values))

    def noise(self) -> float:
        """Standard deviation of one point around a smooth course; 0 for fewer than four points.

        A straight course has no second differences, so what they are is noise: of variance
        6 sigma^2. The median makes it 1.48 times a standard deviation's share, whatever jumps.
        """
        if len(self) < 4:
            return 0.0
        second_differences = np.abs(np.diff(self.values, 2))
        return float(1.4826 * np.median(second_differences) / np.sqrt(6))


def read(table: Path) -> Mapping[str, Curve]:
    """The curves of a run's metrics.csv, by name; none if there is no such file.

    A row that a kill has torn, which is one without a line's end, is left out.

    Raises:
        ValueError: If the file is another kind of table, or none.
    """
    if not table.exists():
        return {}
    try:
        return _curves(table.read_text().splitlines(keepends=True))
    except (csv.Error, LookupError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"{table} is no table of a run's numbers ({error}). Move it away."
        ) from error


def _curves(lines: list[str]) -> Mapping[str, Curve]:
    points: dict[str, list[tuple[int, float]]] = {}
    for row in csv.DictReader(line for line in lines if line.endswith("\n")):
        points.setdefault(row["name"], []).append((int(row["images_seen"]), float(row["value"])))
    return {
        name: Curve(
            np.array([images for images, _ in series], np.int64),
            np.array([value for _, value in series], np.float64),
        )
        for name, series in points.items()
    }
