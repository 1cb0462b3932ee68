"""The page of `espproof bench --only scale`: one row of plots for each crowd, the storm, and every figure as text."""

from collections.abc import Callable, Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import espproof
from espproof.conformance.bench.scale import MOST_GROWTH, REFERENCE, Curve, Scale, Size
from espproof.conformance.bench.storm import Storm
from espproof.conformance.report import plot

_Value = Callable[[Size], float | None]
_PLOTS: tuple[tuple[str, _Value, plot.Unit], ...] = (
    ("search", lambda size: size.lookup, plot.NANOSECONDS),
    ("insertion", lambda size: size.insert, plot.NANOSECONDS),
    ("deletion", lambda size: size.delete, plot.NANOSECONDS),
    ("memory of one", lambda size: size.octets, plot.OCTETS),
)


def render(scale: Scale, storms: Sequence[Storm]) -> bytes:
    """The page, as UTF-8. It runs no script and loads nothing."""
    templates = files("espproof.conformance.report") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((templates / "scale.html").read_text(encoding="utf-8"))
    who = list(dict.fromkeys(curve.who for curve in scale.curves))
    text = template.render(
        version=espproof.__version__,
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),  # noqa: S704 -- our own file
        scale=scale,
        storms=storms,
        who=who,
        reference=REFERENCE,
        aim=MOST_GROWTH,
        plots=[name for name, _, _ in _PLOTS],
        rows=_rows(scale, who),
        time=lambda value: "–" if value is None else plot.NANOSECONDS(value),
        octets=lambda value: "–" if value is None else plot.OCTETS(value),
        swatch=lambda style: Markup(plot.swatch(style)),  # noqa: S704 -- our own numbers
    )
    return text.encode()


def _rows(scale: Scale, who: Sequence[str]) -> list[dict[str, object]]:
    crowds: dict[str, list[Curve]] = {}
    for curve in scale.curves:
        crowds.setdefault(curve.crowd, []).append(curve)
    counts = [float(size.count) for curve in scale.curves for size in curve.sizes]
    x = plot.Axis.around(counts)
    heights = [plot.Axis.around(_values(scale.curves, value)) for _, value, _ in _PLOTS]
    return [
        {
            "what": curves[0].what,
            "curves": curves,
            "plots": [
                Markup(  # noqa: S704 -- escaped where it is made
                    plot.svg(_lines(curves, who, name, value), x, y, unit, f"{curves[0].what}: {name}")
                )
                for (name, value, unit), y in zip(_PLOTS, heights, strict=True)
            ],
        }
        for curves in crowds.values()
    ]


def _values(curves: Sequence[Curve], value: _Value) -> list[float]:
    """Of all sizes; a difference of memory that is no more than noise is none."""
    return [told for curve in curves for size in curve.sizes if (told := value(size)) is not None and told > 0]


def _lines(curves: Sequence[Curve], who: Sequence[str], name: str, value: _Value) -> list[plot.Line]:
    lines = []
    for curve in curves:
        points = [(float(size.count), told) for size in curve.sizes if (told := value(size)) is not None and told > 0]
        if points:
            level = curve.alone if name == "search" else None
            lines.append(plot.Line(curve.who, who.index(curve.who), points, level))
    return lines
