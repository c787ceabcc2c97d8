"""What compare.py says of runs: in the terminal, as a page and as JSON."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from markupsafe import Markup

from darkroom.comparison import Comparison, Entry, Ranking, by_protocol, numbers_of, varied
from darkroom.curves import Curve
from darkroom.evaluation.exhibits import Exhibits
from darkroom.evaluation.record import Number, as_json
from darkroom.evaluation.wording import (
    COSTS,
    FAMILIES,
    family_of,
    interval,
    label_of,
    listed,
    percent,
    reading_order,
    rounded,
    shown,
)
from darkroom.reports import chart, page
from darkroom.reports.judgement import SEVERITY
from darkroom.reports.logged import spans_decades
from darkroom.reports.tables import protocol_facts

MANY = 4  # runs from which on grids are small
GRID, COMPACT = (64, 8, 128), (16, 4, 48)  # samples, in a row, pixels of a side
OVERLAID = ("quality/", "validation/")


@dataclass(frozen=True)
class Result:
    """A run in the table of results.

    Attributes:
        name: The run.
        place: Its place; empty where there is no ranking.
        figures: Column and number.
    """

    name: str
    place: str
    figures: list[tuple[str, str]]


@dataclass(frozen=True)
class Measured:
    """One number of all runs.

    Attributes:
        label: What people call it.
        meaning: What it means.
        better: Which way is better, or why it is not ranked.
        rows: Run, value, picture, and whether no other is better.
    """

    label: str
    meaning: str
    better: str
    rows: list[tuple[str, str, Markup, bool]]


@dataclass(frozen=True)
class SideBySide:
    """Everything that compare.py found out.

    Attributes:
        comparison: The logic.
        exhibits: The pictures of each run, by its name; samples of the same seeds.
        curves: What each run has logged, by the run's name and the series'.
    """

    comparison: Comparison
    exhibits: Mapping[str, Exhibits]
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes comparison.html and comparison.json."""
        folder.mkdir(parents=True, exist_ok=True)
        compared = self.comparison
        (folder / "comparison.json").write_text(as_json(self._tree()))
        page.write(
            folder / "comparison.html",
            "side_by_side.html",
            title=self._title,
            ranked=compared.ranked,
            refusals=compared.refusals,
            conclusion=compared.conclusion,
            choices=self._choices(),
            cautions=compared.cautions,
            results=self._results(),
            varied=self._varied(),
            compact=len(compared.entries) >= MANY,
            same_seeds=len({e.evaluation.protocol.first_seed for e in compared.entries}) == 1,
            real=self._real(),
            grids=self._grids(),
            numbers=self._numbers(),
            charts=self._charts(),
            originality=self._originality(),
            findings=self._findings(),
            costs=self._costs(),
            protocols=self._protocols(),
        )

    def text(self) -> str:
        """For the terminal."""
        compared = self.comparison
        lines = [self._title, "", *(f"! {refusal}" for refusal in compared.refusals)]
        lines += [*compared.conclusion, ""]
        lines += [f"If you want {want}, take {runs}." for want, runs in self._choices()]
        results = self._results()
        columns = [column for column, _ in results[0].figures]
        table = [["", "run", *columns]]
        table += [
            [result.place, result.name, *(value for _, value in result.figures)]
            for result in results
        ]
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        lines.append("")
        for row in table:
            cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
            lines.append("  " + "  ".join(cells).rstrip())
        lines += ["", *(f"- {caution}" for caution in compared.cautions)]
        return "\n".join(lines)

    @property
    def _title(self) -> str:
        names = [entry.name for entry in self.comparison.entries]
        return f"{names[0]} beside {names[1]}" if len(names) == 2 else f"{len(names)} runs"

    def _tree(self) -> dict[str, object]:
        compared = self.comparison
        rankings = {**compared.rankings, **compared.costs, "copied": compared.originals}
        return {
            "runs": [asdict(entry) for entry in compared.entries],
            "order": compared.order,
            "ranked": compared.ranked,
            "refusals": [asdict(refusal) for refusal in compared.refusals],
            "judged_by": compared.main,
            "places": {name: ranking.places for name, ranking in rankings.items()},
            "conclusion": compared.conclusion,
            "choices": compared.choices,
            "cautions": compared.cautions,
        }

    def _choices(self) -> list[tuple[str, str]]:
        """What one may want, and what to take then; wants that lead to the same are one."""
        wants: dict[tuple[str, ...], list[str]] = {}
        for want, runs in self.comparison.choices.items():
            wants.setdefault(runs, []).append(want)
        return [(listed(want), " or ".join(_few(runs))) for runs, want in wants.items()]

    def _results(self) -> list[Result]:
        compared = self.comparison
        quality = compared.main.get("quality")
        places = compared.rankings[quality].places if quality else {}
        return [
            Result(
                run,
                str(places.get(run) or ""),
                [
                    (column, value)
                    for column, values in self._columns().items()
                    for value in [values.get(run, "")]
                ],
            )
            for run in compared.order
        ]

    def _columns(self) -> dict[str, dict[str, str]]:
        """What the table of results shows, of every run that has it."""
        compared = self.comparison
        columns = {label_of(name): self._shown(name) for name in compared.main.values()}
        audits = {e.name: e.evaluation.originality for e in compared.entries}
        columns["Copied"] = {
            run: f"{percent(audit.copied)} ({interval(*audit.interval)})"
            for run, audit in audits.items()
            if audit is not None
        }
        for cost in ("training_seconds", "sampling_images_per_second"):
            columns[COSTS[cost].label] = {
                entry.name: COSTS[cost].shown(entry.evaluation.cost[cost])
                for entry in compared.entries
                if cost in entry.evaluation.cost
            }
        columns["Worst finding"] = {
            entry.name: max(found, key=lambda finding: finding.severity).name
            for entry in compared.entries
            if (found := entry.evaluation.findings)
        }
        return {column: values for column, values in columns.items() if values}

    def _varied(self) -> tuple[list[str], list[tuple[str, list[str]]]]:
        """The options that differ and what came of it, as columns; their values for each run."""
        columns = varied(self.comparison.entries)
        if not columns:
            return [], []
        quality = self.comparison.main.get("quality")
        if quality is not None:
            columns[label_of(quality)] = self._shown(quality)
        return list(columns), [
            (run, [values.get(run, "") for values in columns.values()])
            for run in self.comparison.order
        ]

    def _shown(self, name: str) -> dict[str, str]:
        """One number of every run that has it, for people."""
        numbers = numbers_of(self.comparison.entries, name)
        return {run: shown(number) for run, number in numbers.items()}

    def _real(self) -> str:
        exhibits = [self.exhibits[run] for run in self.comparison.order if run in self.exhibits]
        return self._grid(exhibits[0].real) if exhibits else ""

    def _grid(self, pixels: page.Pixels) -> str:
        many = len(self.comparison.entries) >= MANY
        count, columns, largest = COMPACT if many else GRID
        return page.sheet(pixels[:count], columns, largest)

    def _grids(self) -> list[tuple[str, str]]:
        return [
            (run, self._grid(self.exhibits[run].samples))
            for run in self.comparison.order
            if run in self.exhibits
        ]

    def _numbers(self) -> list[Measured]:
        rankings = self.comparison.rankings
        return [self._measured(rankings[name]) for name in sorted(rankings, key=reading_order)]

    def _measured(self, ranking: Ranking) -> Measured:
        numbers = numbers_of(self.comparison.entries, ranking.name)
        finite = [number for number in numbers.values() if math.isfinite(number.value)]
        axis = chart.whisker_axis(finite)
        rows = []
        for run in self.comparison.order:
            number = numbers.get(run)
            if number is None:
                rows.append((run, "not measured", Markup(""), False))
                continue
            leads = ranking.decides and ranking.places[run] == 1
            style = "best" if leads else "rest"
            rows.append((run, shown(number), self._whisker(number, axis, style), leads))
        ways = {"lower": "↓ lower is better", "higher": "↑ higher is better"}
        ways_of = {ways.get(number.better, "") for number in numbers.values()}
        family = FAMILIES.get(family_of(ranking.name))
        return Measured(
            label_of(ranking.name), family.meaning if family else "", " ".join(ways_of), rows
        )

    @staticmethod
    def _whisker(number: Number, axis: chart.Axis, style: str) -> Markup:
        return chart.whisker(number, axis, style) if math.isfinite(number.value) else Markup("")

    def _charts(self) -> list[Markup]:
        """The same series of all runs, over each other; quality first, and large."""
        logged = [name for own in self.curves.values() for name, curve in own.items() if len(curve)]
        shared = [name for name in dict.fromkeys(logged) if logged.count(name) > 1]
        qualities, others = ([n for n in shared if n.startswith(kind)] for kind in OVERLAID)
        return [self._overlaid(name, name in qualities) for name in [*qualities, *others]]

    def _overlaid(self, name: str, large: bool) -> Markup:
        logged = {run: self.curves.get(run, {}).get(name) for run in self.comparison.order}
        curves = {run: curve for run, curve in logged.items() if curve is not None and len(curve)}
        muted = list(curves)[chart.COLOURS :]
        log = spans_decades(curves)
        return chart.lines(curves, name, log=log, muted=muted, large=large)

    def _originality(self) -> list[tuple[str, str, str]]:
        return [
            (run, audit.verdict, interval(*audit.interval))
            for run in self.comparison.order
            if (audit := self.comparison.by_name[run].evaluation.originality) is not None
        ]

    def _findings(self) -> list[tuple[str, list[tuple[str, str, str]]]]:
        """What is wrong with each run; what nothing is wrong with is left out."""
        found = [
            (
                run,
                [
                    (finding.name, SEVERITY.get(finding.severity, ""), finding.evidence)
                    for finding in self.comparison.by_name[run].evaluation.findings
                ],
            )
            for run in self.comparison.order
        ]
        return [(run, findings) for run, findings in found if findings]

    def _costs(self) -> tuple[list[str], list[tuple[str, list[tuple[str, bool]]]]]:
        """Costs as columns; whether a value is the best is told where values differ."""
        rankings = self.comparison.costs
        labels = [COSTS[name].label if name in COSTS else name for name in rankings]
        rows = [
            (run, [self._cost(self.comparison.by_name[run], r) for r in rankings.values()])
            for run in self.comparison.order
        ]
        return labels, rows

    @staticmethod
    def _cost(entry: Entry, ranking: Ranking) -> tuple[str, bool]:
        value = entry.evaluation.cost.get(ranking.name)
        if value is None:
            return "", False
        known = COSTS.get(ranking.name)
        best = ranking.decides and ranking.places[entry.name] == 1
        return (known.shown(value) if known else rounded(value)), best

    def _protocols(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """The protocols, each with the runs that were measured so."""
        return [
            (
                ", ".join(entry.name for entry in group),
                protocol_facts(group[0].evaluation.protocol),
            )
            for group in by_protocol(self.comparison.entries)
        ]


def _few(runs: tuple[str, ...]) -> list[str]:
    return list(runs) if len(runs) <= 4 else [*runs[:3], f"one of {len(runs) - 3} others"]
