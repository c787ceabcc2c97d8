"""How results are taken and kept: paired, as medians with spread, and with the machine's name."""

import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        name: What was measured.
        unit: Of the values.
        value: The median.
        low: The smallest value.
        high: The largest value.
        ratio: To the row that it was paired with: the median of the rounds' ratios; None for that
            row itself.
    """

    name: str
    unit: str
    value: float
    low: float
    high: float
    ratio: float | None = None


@dataclass(frozen=True)
class Matrix:
    """Numbers of several things in several respects.

    Attributes:
        columns: The respects.
        rows: The numbers of each thing, in the order of the columns; None where there is none.
    """

    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]


Table = list[Row] | Matrix


def paired(subjects: Mapping[str, Callable[[], float]], unit: str, rounds: int = 5) -> list[Row]:
    """Measures several things in turn, round after round, so that all meet the same disturbances.

    Args:
        subjects: Functions that return a value; ratios are to the first.
        unit: Of the values.
        rounds: How often.
    """
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, measure in subjects.items():
            taken[name].append(measure())
    first = next(iter(taken.values()))
    rows = []
    for number, (name, values) in enumerate(taken.items()):
        ratios = [value / reference for value, reference in zip(values, first, strict=True)]
        ratio = median(ratios) if number else None
        rows.append(Row(name, unit, median(values), min(values), max(values), ratio))
    return rows


def write(name: str, tables: Mapping[str, Table], remarks: str) -> Path:
    """Writes one result as Markdown and as JSON.

    Args:
        name: Of the benchmark.
        tables: Tables by their titles.
        remarks: What a reader has to know.
    """
    machine, now = hardware(), datetime.now(UTC)
    slug = re.sub(r"[^a-z0-9]+", "-", f"{name} {machine}".lower()).strip("-")
    path = RESULTS / f"{now:%Y-%m-%d}-{slug}.md"
    path.parent.mkdir(exist_ok=True)
    versions = ", ".join(f"{p} {version(p)}" for p in ("torch", "torchvision", "pillow", "numpy"))
    lines = [f"# {name}", "", f"{machine}, {now:%Y-%m-%d}; {versions}. {remarks}", ""]
    for title, table in tables.items():
        lines += [f"## {title}", "", *_markdown(table), ""]
    path.write_text("\n".join(lines))
    content = {
        title: asdict(table) if isinstance(table, Matrix) else [asdict(row) for row in table]
        for title, table in tables.items()
    }
    path.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n")
    return path


def _markdown(table: Table) -> list[str]:
    if isinstance(table, Matrix):
        lines = [f"| | {' | '.join(table.columns)} |", "|---" * (len(table.columns) + 1) + "|"]
        for name, numbers in table.rows.items():
            cells = ["" if number is None else _legible(number) for number in numbers]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return lines
    lines = ["| | median | lowest to highest | ratio |", "|---|---|---|---|"]
    for row in table:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        span = f"{row.low:,.4g} to {row.high:,.4g}"
        lines.append(f"| {row.name} | {row.value:,.4g} {row.unit} | {span} | {ratio} |")
    return lines


def hardware() -> str:
    """The accelerator if there is one, else the cores."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores {platform.machine()}"


def _legible(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
