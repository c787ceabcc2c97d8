"""What a run has logged, as charts."""

from collections.abc import Mapping

from markupsafe import Markup

from darkroom.curves import Curve
from darkroom.reports import chart

DECADES = 2  # that a curve spans before its axis is logarithmic


def charts_of(curves: Mapping[str, Curve]) -> list[Markup]:
    """Curves with one beginning, such as loss/, in one chart; quality and losses first."""
    groups: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        if len(curve):
            group, slash, rest = name.rpartition("/")
            groups.setdefault(group if slash else name, {})[rest if slash else name] = curve
    first = ("quality", "validation", "loss")
    order = sorted(groups, key=lambda g: first.index(g) if g in first else len(first))
    charts = []
    for group in order:
        for part in _alike(groups[group]):
            title = f"{group} / {next(iter(part))}" if len(part) == 1 else group
            named = next(iter(part)) == group
            charts.append(chart.lines(part, group if named else title, log=spans_decades(part)))
    return charts


def spans_decades(curves: Mapping[str, Curve]) -> bool:
    """Whether curves are better seen on a logarithmic axis."""
    parts = [curve.finite.values for curve in curves.values() if len(curve.finite)]
    least = min((float(part.min()) for part in parts), default=0.0)
    return least > 0 and max(float(part.max()) for part in parts) > 10**DECADES * least


def _alike(curves: Mapping[str, Curve]) -> list[dict[str, Curve]]:
    """Series of one size share an axis; others would be flat beside them."""
    parts: list[tuple[float, dict[str, Curve]]] = []
    for name, curve in curves.items():
        size = float(abs(curve.finite.values).max()) if len(curve.finite) else 0.0
        for known, part in parts:
            if known and size and 1 / 20 < size / known < 20 and len(part) < chart.COLOURS:
                part[name] = curve
                break
        else:
            parts.append((size, {name: curve}))
    return [part for _, part in parts]
