"""What a sweep came to, as a table."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from darkroom import files
from darkroom.sweeps.outcome import RECORD, Outcome

NAME = "sweep.csv"


@dataclass(frozen=True)
class Table:
    """What a sweep came to.

    Attributes:
        outcomes: What became of each job, by the name of its folder.
    """

    outcomes: Mapping[str, Outcome]

    @classmethod
    def of(cls, sweep: Path) -> "Table":
        """The jobs in a sweep's folder that came to an end, in the order of their numbers."""
        names = sorted((path.parent.name for path in sweep.glob(f"*/{RECORD}")), key=_by_number)
        read = {name: Outcome.read(sweep / name) for name in names}
        return cls({name: outcome for name, outcome in read.items() if outcome is not None})

    @property
    def failures(self) -> int:
        return sum(outcome.is_failure for outcome in self.outcomes.values())

    @property
    def differing(self) -> list[str]:
        """The options that are not the same for all jobs."""
        told = [_options(outcome) for outcome in self.outcomes.values()]
        names = dict.fromkeys(name for options in told for name in options)
        return [name for name in names if len({options.get(name) for options in told}) > 1]

    def text(self) -> str:
        rows = [["job", *self.differing, "outcome"]]
        rows += [
            [name, *self._values(outcome), str(outcome)] for name, outcome in self.outcomes.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def write(self, sweep: Path) -> Path:
        """Writes the table into the sweep's folder."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["job", *self.differing, "metric", "objective", "exit_code", "error"])
        for name, each in self.outcomes.items():
            end = [each.metric, each.objective, each.exit_code, each.error]
            writer.writerow([name, *self._values(each), *end])
        with files.whole(sweep / NAME) as file:
            file.write(table.getvalue().encode())
        return sweep / NAME

    def _values(self, outcome: Outcome) -> list[str]:
        return [_options(outcome).get(name, "") for name in self.differing]


def _options(outcome: Outcome) -> dict[str, str]:
    """What a job was told, by option; `~name` stands for itself."""
    parts = [override.partition("=") for override in outcome.overrides]
    return {name: value for name, _, value in parts}


def _by_number(name: str) -> list[str | int]:
    return [int(part) if k % 2 else part for k, part in enumerate(re.split(r"(\d+)", name))]
