"""Made-up runs, compared."""

from dataclasses import replace

from darkroom.comparison import Comparison, Entry, compare
from darkroom.evaluation.record import Evaluation
from tests.reports.synthetic import evaluation, numbers


def compared(**runs: Evaluation) -> Comparison:
    return compare(
        Entry(name, replace(own, subject=f"outputs/{name}")) for name, own in runs.items()
    )


def by_kid(**values: float | tuple[float, float | None]) -> Comparison:
    """Runs that differ in nothing but their KID."""
    pairs = {run: v if isinstance(v, tuple) else (v, 0.001) for run, v in values.items()}
    return compared(**{run: evaluation(numbers=numbers(*pair)) for run, pair in pairs.items()})
