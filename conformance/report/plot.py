"""A plot with two logarithmic axes, as static SVG: curves with markers, and the last value of each beside its end, or
below it where others go on.

Colours are classes (`k0`, `k1`, …) of whoever shows it; markers differ too. What text is in it is escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

WIDTH, HEIGHT = 304, 184
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 58, 10, 24
_LABEL = 12
"""Least distance between two labels."""
_MARKERS = (
    "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "M-2.8-2.8h5.6v5.6h-5.6z",
    "M0-3.8l3.6 6.4h-7.2z",
    "M0-3.9l3.4 3.9l-3.4 3.9l-3.4-3.9z",
    "M0 3.8l3.6-6.4h-7.2z",
    "M-3-3l6 6m0-6l-6 6",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One or more points with x and y above 0; `style` is the number of its colour. `level`: a dashed line."""

    name: str
    style: int
    points: Sequence[tuple[float, float]]
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """From one power of ten to another, with a label at each that is asked for."""

    first: int
    last: int

    @classmethod
    def around(cls, values: Sequence[float]) -> "Axis":
        """The decades that hold all of these values; at least two."""
        if not values:
            return cls(0, 2)
        first = math.floor(math.log10(min(values)) + 1e-9)
        return cls(first, max(first + 2, math.ceil(math.log10(max(values)) - 1e-9)))

    def part(self, value: float) -> float:
        """0 at the first, 1 at the last."""
        return (math.log10(value) - self.first) / (self.last - self.first)

    @property
    def decades(self) -> range:
        return range(self.first, self.last + 1)


def svg(lines: Sequence[Line], x: Axis, y: Axis, unit: "Unit", title: str) -> str:
    """The whole element."""

    def across(value: float) -> float:
        return _LEFT + x.part(value) * (WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return HEIGHT - _BOTTOM - y.part(value) * (HEIGHT - _TOP - _BOTTOM)

    right = WIDTH - _RIGHT
    parts = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>']
    step = 1 if len(y.decades) < 7 else 2
    for exponent in y.decades:
        at = down(10.0**exponent)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{right}"/>')
        if (exponent - y.first) % step == 0:
            parts.append(
                f'<text class="tick" x="{_LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{unit(10.0**exponent)}</text>'
            )
    for exponent in x.decades:
        at = across(10.0**exponent)
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{_count(exponent)}</text>')
    for line in lines:
        if line.level is not None:
            parts.append(f'<path class="level k{line.style}" d="M{_LEFT} {down(line.level):.1f}H{right}"/>')
    for line in lines:
        places = [(across(a), down(b)) for a, b in line.points]
        route = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        parts.append(f'<g class="k{line.style}"><path class="curve" d="M{route}"/>')
        marker = _MARKERS[line.style % len(_MARKERS)]
        parts += [f'<path class="marker" transform="translate({a:.1f} {b:.1f})" d="{marker}"/>' for a, b in places]
        parts.append("</g>")
    last = max((line.points[-1][0] for line in lines), default=0)
    for end in sorted({line.points[-1][0] for line in lines}):
        ends = [(down(line.points[-1][1]), line) for line in lines if line.points[-1][0] == end]
        aside, below = (7, 3.5) if end == last else (5, 14)
        for at, line in _apart(ends):
            label = unit(line.points[-1][1])
            parts.append(
                f'<text class="end k{line.style}" x="{across(end) + aside:.1f}" y="{at + below:.1f}">{label}</text>'
            )
    return "".join((*parts, "</svg>"))


def _apart(ends: Sequence[tuple[float, Line]]) -> list[tuple[float, Line]]:
    """Labels from the top, each at its height or as far below it as the one before it demands; then from the bottom."""
    told = sorted(ends, key=lambda one: one[0])
    heights = [at for at, _ in told]
    for number in range(1, len(heights)):
        heights[number] = max(heights[number], heights[number - 1] + _LABEL)
    floor = float(HEIGHT - _BOTTOM)
    for number in reversed(range(len(heights))):
        heights[number] = min(heights[number], floor)
        floor = heights[number] - _LABEL
    return [(at, line) for at, (_, line) in zip(heights, told, strict=True)]


def _count(exponent: int) -> str:
    return f"{10**exponent:,}"


class Unit:
    """A value with its unit: three significant figures at most."""

    def __init__(self, *steps: tuple[float, str]) -> None:
        """From the largest to the smallest: how many of the value one of them is, and its name."""
        self._steps = steps

    def __call__(self, value: float) -> str:
        size, name = next((step for step in self._steps if value >= step[0] * 0.9995), self._steps[-1])
        shown = value / size
        return f"{shown:,.0f} {name}" if shown >= 99.95 else f"{shown:.3g} {name}"


NANOSECONDS = Unit((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns"))
OCTETS = Unit((1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def swatch(style: int) -> str:
    """What a curve of that style looks like, for a legend."""
    marker = _MARKERS[style % len(_MARKERS)]
    return (
        f'<svg class="swatch k{style}" viewBox="0 0 28 10" aria-hidden="true"><path class="curve" d="M1 5H27"/>'
        f'<path class="marker" transform="translate(14 5)" d="{marker}"/></svg>'
    )
