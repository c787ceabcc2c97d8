"""Charts as inline SVG: no script, no picture file, and colours that follow the page.

Positions are percentages, and lines are drawn in a stretched inner frame without stretching their
width, so that a chart fills any column while its text keeps the size of the page's.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64
from markupsafe import Markup

from darkroom.curves import Curve
from darkroom.evaluation.record import Number
from darkroom.evaluation.wording import counted, rounded, shown

COLOURS = 8  # that page.css has, `.s0` to `.s7`
TICKS = 6  # on an axis, or one more
POINTS = 400  # of a line; a chart is hardly wider in pixels
MARGIN = 0.05  # of an axis, free above and below

Span = tuple[float, float]


class Axis:
    """Numbers to places between 0 and 100, and the few round ones that are written beside it.

    Args:
        values: What has to fit on it. What is not finite is left out.
        log: Equal steps are equal factors; only for numbers above 0, otherwise it is linear.
        margin: Share of the axis that stays free at both ends.
    """

    def __init__(self, values: Iterable[float], log: bool = False, margin: float = MARGIN) -> None:
        finite = [float(value) for value in values if math.isfinite(value)] or [0.0, 1.0]
        self.log = log and min(finite) > 0
        low, high = self._scaled(min(finite)), self._scaled(max(finite))
        if low == high:  # one number is in the middle of its surroundings
            around = 0.5 if self.log else abs(low) / 2 or 1.0
            low, high = low - around, high + around
        free = (high - low) * margin
        self.low, self.high = low - free, high + free

    def place(self, value: float) -> float:
        """Where a number is, in percent of the axis."""
        return 100 * (self._scaled(value) - self.low) / (self.high - self.low)

    def ticks(self, most: int = TICKS) -> list[float]:
        """Round numbers within the axis, so many or one more at most."""
        if not self.log:
            return self._round(self.low, self.high, most)
        first, last = max(-307, math.ceil(self.low)), min(307, math.floor(self.high))  # of floats
        if last - first < 1:  # within a decade, round numbers are read more easily than powers
            low, high = 10**self.low, 10**self.high
            return [tick for tick in self._round(low, high, most) if low <= tick <= high and tick]
        step = math.ceil((last - first + 1) / most)
        return [10.0**power for power in range(first, last + 1, step)]

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value

    @staticmethod
    def _round(low: float, high: float, most: int) -> list[float]:
        least = (high - low) / most
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
        first, last = math.ceil(low / step), math.floor(high / step)
        return [number * step for number in range(first, last + 1)]


def lines(
    curves: Mapping[str, Curve],
    title: str,
    *,
    log: bool = False,
    errors: Mapping[str, Float64[np.ndarray, " points"]] | None = None,
    muted: Sequence[str] = (),
    large: bool = False,
) -> Markup:
    """Series over the images seen.

    Args:
        curves: The series by name, in the order of the legend.
        title: What the chart shows.
        log: A logarithmic axis, where all numbers are above 0.
        errors: Standard errors of some series, drawn as bands of one to either side.
        muted: Series that are only a background to the others, and share one place in the legend.
        large: A higher chart, for what a page is about.
    """
    errors = errors or {}
    ends = [e for name, curve in curves.items() for e in _ends(curve, errors.get(name))]
    x = Axis([float(i) for c in curves.values() if len(c) for i in c.images[[0, -1]]], margin=0.0)
    y = Axis(ends, log)
    loud = [name for name in curves if name not in muted]
    styles = {name: f"s{loud.index(name) % COLOURS}" for name in loud} | dict.fromkeys(muted, "sx")
    back_to_front = [*muted, *reversed(loud)]
    drawn = Markup("").join(
        _series(thinned(curves[name]), x, y, styles[name]) for name in back_to_front
    )
    bands = Markup("").join(
        _band(curves[name], errors[name], x, y, styles[name]) for name in loud if name in errors
    )
    points = Markup("").join(_points(curves[name], x, y, styles[name]) for name in back_to_front)
    svg = Markup(
        '<svg role="img" aria-label="{title}"><title>{title}</title><desc>{description}</desc>'
        '{axes}<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        "{bands}{drawn}</svg>{points}</svg>"
    ).format(
        title=title,
        description=" ".join(_description(name, curve) for name, curve in curves.items()),
        axes=_axes(x, y),
        bands=bands,
        drawn=drawn,
        points=points,
    )
    scale = " · logarithmic" if y.log else ""
    return Markup(
        '<figure class="chart{}"><p class="name">{}<span class="soft">{}</span></p>{}{}</figure>'
    ).format(" large" if large else "", title, scale, svg, _legend(loud, styles, len(muted)))


def whisker(number: Number, axis: Axis, style: str = "s0") -> Markup:
    """A number as a dot with two standard errors to either side, and its floor as a stroke."""
    title = shown(number)
    parts = []
    if number.floor is not None and math.isfinite(number.floor):
        title += f"; unseen real images get {rounded(number.floor)}"
        place = axis.place(number.floor)
        parts.append(
            Markup('<line class="floor" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="100%"/>').format(
                place
            )
        )
    if math.isfinite(number.value):
        if number.error is not None and math.isfinite(number.error):
            ends = _reach(number)
            left, right = (min(100.0, max(0.0, axis.place(end))) for end in ends)
            parts.append(
                Markup('<line x1="{:.2f}%" x2="{:.2f}%" y1="50%" y2="50%"/>').format(left, right)
            )
        parts.append(
            Markup('<circle cx="{:.2f}%" cy="50%" r="4.5"/>').format(axis.place(number.value))
        )
    return Markup(
        '<svg class="whisker {}" role="img" aria-label="{}"><title>{}</title>'
        '<line class="rail" x1="0" x2="100%" y1="50%" y2="50%"/>{}</svg>'
    ).format(style, title, title, Markup("").join(parts))


def whisker_axis(numbers: Iterable[Number]) -> Axis:
    """An axis on which these numbers, their errors and their floors can be compared."""
    given = list(numbers)
    floors = [number.floor for number in given if number.floor is not None]
    return Axis([end for number in given for end in _reach(number)] + floors, margin=0.06)


def thinned(curve: Curve, points: int = POINTS) -> Curve:
    """So many points at most that look the same: of neighbours the lowest and the highest stay.

    So does one of those that are no numbers, or a gap would close.
    """
    if len(curve) <= points:
        return curve
    kept = {0, len(curve) - 1}
    for places in np.array_split(np.arange(len(curve)), max(1, points // 3)):
        values = curve.values[places]
        broken = ~np.isfinite(values)
        if broken.any():
            kept.add(int(places[broken.argmax()]))
        if not broken.all():
            kept.add(int(places[np.where(broken, np.inf, values).argmin()]))
            kept.add(int(places[np.where(broken, -np.inf, values).argmax()]))
    chosen: Int64[np.ndarray, " points"] = np.array(sorted(kept))
    return Curve(curve.images[chosen], curve.values[chosen])


def _reach(number: Number) -> Span:
    error = number.error if number.error is not None and math.isfinite(number.error) else 0.0
    return number.value - 2 * error, number.value + 2 * error


def _ends(curve: Curve, errors: Float64[np.ndarray, " points"] | None) -> list[float]:
    widths = np.zeros_like(curve.values) if errors is None else np.nan_to_num(errors)
    finite = np.isfinite(curve.values)
    if not finite.any():
        return []
    values, widths = curve.values[finite], widths[finite]
    return [float((values - widths).min()), float((values + widths).max())]


def _stretches(curve: Curve) -> list[Curve]:
    """The parts between what is not finite."""
    finite = np.isfinite(curve.values)
    borders = np.flatnonzero(np.diff(finite.astype(np.int8))) + 1
    parts = np.split(np.arange(len(curve)), borders)
    return [
        Curve(curve.images[part], curve.values[part])
        for part in parts
        if len(part) and finite[part[0]]
    ]


def _path(xs: Iterable[float], ys: Iterable[float]) -> str:
    return " ".join(f"{a:.2f},{100 - b:.2f}" for a, b in zip(xs, ys, strict=True))


def _places(curve: Curve, x: Axis, y: Axis) -> tuple[list[float], list[float]]:
    return [x.place(float(i)) for i in curve.images], [y.place(float(v)) for v in curve.values]


def _series(curve: Curve, x: Axis, y: Axis, style: str) -> Markup:
    return Markup("").join(
        Markup('<polyline class="{}" points="{}"/>').format(style, _path(*_places(part, x, y)))
        for part in _stretches(curve)
        if len(part) > 1
    )


def _band(
    curve: Curve, errors: Float64[np.ndarray, " points"], x: Axis, y: Axis, style: str
) -> Markup:
    widths = np.where(np.isfinite(errors), errors, 0.0)
    low, high = (Curve(curve.images, curve.values + sign * widths) for sign in (-1, 1))
    bands = []
    for below, above in zip(_stretches(low), _stretches(high), strict=True):
        floor = 10**y.low if y.log else y.low  # a band may reach below what a log axis can show
        below = Curve(below.images, np.maximum(below.values, floor))
        (xs, lower), (_, upper) = _places(below, x, y), _places(above, x, y)
        path = _path([*xs, *reversed(xs)], [*lower, *reversed(upper)])
        bands.append(Markup('<polygon class="{}" points="{}"/>').format(style, path))
    return Markup("").join(bands)


def _points(curve: Curve, x: Axis, y: Axis, style: str) -> Markup:
    """Dots where a line would not be seen; crosses below where there was no number."""
    dots = [part for part in _stretches(thinned(curve)) if len(part) == 1]
    marks = [
        Markup('<circle class="{}" cx="{:.2f}%" cy="{:.2f}%" r="3.5"/>').format(
            style, x.place(float(dot.images[0])), 100 - y.place(float(dot.values[0]))
        )
        for dot in dots
    ]
    broken = thinned(curve).images[~np.isfinite(thinned(curve).values)]
    marks += [
        Markup('<text class="broken" x="{:.2f}%" y="100%" dy="-3">×</text>').format(  # noqa: RUF001
            x.place(float(images))
        )
        for images in broken[:: max(1, len(broken) // 20)]
    ]
    return Markup("").join(marks)


def _axes(x: Axis, y: Axis) -> Markup:
    across = [
        Markup(
            '<line class="grid" x1="0" x2="100%" y1="{0:.2f}%" y2="{0:.2f}%"/>'
            '<text class="y" x="-7" y="{0:.2f}%" dy="4">{1}</text>'
        ).format(100 - y.place(tick), _tick(tick))
        for tick in y.ticks()
    ]
    below = [
        Markup('<text class="x" x="{:.2f}%" y="100%" dy="17">{}</text>').format(
            x.place(tick), counted(tick)
        )
        for tick in x.ticks()
    ]
    frame = Markup('<line class="axis" x1="0" x2="100%" y1="100%" y2="100%"/>')
    return Markup("").join([*across, frame, *below])


def _tick(value: float) -> str:
    value = float(f"{value:.6g}")  # 0.30000000000000004 is 0.3
    return counted(value) if abs(value) >= 10_000 else rounded(value)


def _legend(loud: Sequence[str], styles: Mapping[str, str], muted: int) -> Markup:
    if len(loud) + muted < 2:
        return Markup("")
    keys = [Markup('<span><i class="{}"></i>{}</span>').format(styles[n], n) for n in loud]
    if muted:
        keys.append(Markup('<span><i class="sx"></i>{} others</span>').format(muted))
    return Markup('<figcaption class="legend">{}</figcaption>').format(Markup("").join(keys))


def _description(name: str, curve: Curve) -> str:
    finite = curve.values[np.isfinite(curve.values)]
    if not len(finite):
        return f"{name}: no numbers."
    missing = len(curve) - len(finite)
    text = f"{name}: from {rounded(finite[0])} to {rounded(finite[-1])}"
    text += f", between {rounded(finite.min())} and {rounded(finite.max())}"
    return text + (f"; {missing} points are no numbers." if missing else ".")
