"""How a run went: its curves, its config, and what evaluate.py said of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from darkroom import curves
from darkroom.curves import Curve
from darkroom.installation import typed
from darkroom.reports.logged import charts_of

LARGEST = 32 << 20  # bytes of a report that is shown


@dataclass(frozen=True)
class Course:
    """What lies in a run's folder beside its checkpoints.

    Attributes:
        curves: What it has logged, by name.
        config: Its config as YAML.
        report: The newest report of evaluate.py, as HTML; empty if there is none.
    """

    curves: Mapping[str, Curve]
    config: str
    report: str

    @property
    def usual(self) -> dict[str, float]:
        """The last number of each curve."""
        finite = {name: curve.finite for name, curve in self.curves.items()}
        return {name: float(curve.values[-1]) for name, curve in finite.items() if len(curve)}

    def charts(self) -> Markup:
        """The curves as charts."""
        drawn = charts_of(self.curves)
        if not drawn:
            return Markup('<p class="note">This run has logged no curves.</p>')
        return Markup('<div class="report"><div class="charts">{}</div></div>').format(
            Markup("").join(drawn)
        )

    def framed_report(self) -> Markup:
        """The report as a page of its own, in which no script runs and which nothing leaves."""
        if not self.report:
            return Markup(
                '<p class="note">Nobody has judged this run yet: <code>{} run=...</code></p>'
            ).format(typed("evaluate"))
        return Markup(
            '<iframe class="report-page" title="evaluation" sandbox srcdoc="{}"></iframe>'
        ).format(self.report)


def read(folder: Path, config: str) -> Course:
    """The course of the run in a folder.

    Args:
        folder: The run's folder; nothing outside of it is read.
        config: Its config as YAML.
    """
    table = folder / "metrics.csv"
    return Course(curves.read(table) if _is_within(table, folder) else {}, config, _report(folder))


def _report(folder: Path) -> str:
    found = [path for path in folder.glob("evaluation/*/report.html") if _is_within(path, folder)]
    small = [path for path in found if path.stat().st_size <= LARGEST]
    newest = max(small, key=lambda path: path.stat().st_mtime, default=None)
    return "" if newest is None else newest.read_text(encoding="utf-8", errors="replace")


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path leads to a file of the folder; a link may lead elsewhere."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())
