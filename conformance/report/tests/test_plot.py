"""A plot: what is drawn where, labels that do not overlap, text that is escaped."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from espproof.conformance.report import plot
from espproof.conformance.report.plot import NANOSECONDS, OCTETS, Axis, Line


def drawn(*lines: Line) -> ET.Element:
    values = [value for line in lines for _, value in line.points]
    text = plot.svg(lines, Axis(2, 5), Axis.around(values), NANOSECONDS, "a <title>")
    return ET.fromstring(text)


def test_powers_of_ten_are_equally_far_apart() -> None:
    """Markers of 100, 1,000 and 10,000 stand side by side in equal steps, and so do their heights."""
    root = drawn(Line("a", 0, [(100, 10), (1000, 100), (10_000, 1000)]))
    markers = [one.get("transform", "") for one in root.iter("path") if one.get("class") == "marker"]
    places = [tuple(map(float, re.findall(r"[\d.]+", text))) for text in markers]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(places)]
    assert len(steps) == 2
    assert math.isclose(steps[0][0], steps[1][0], abs_tol=0.2)
    assert math.isclose(steps[0][1], steps[1][1], abs_tol=0.2)
    assert steps[0][0] > 0 > steps[0][1]


@pytest.mark.parametrize("last", [(5, 5, 5, 5), (1, 1.1, 900, 901), (1, 1, 1, 1000)])
def test_labels_do_not_overlap(last: tuple[float, ...]) -> None:
    """Those of curves that end at one height stand one below the other, inside the picture."""
    root = drawn(*(Line(str(number), number, [(100, 1), (1000, value)]) for number, value in enumerate(last)))
    heights = sorted(float(one.get("y", "")) for one in root.iter("text") if "end" in one.get("class", ""))
    assert len(heights) == len(last)
    assert all(after - before >= plot._LABEL - 0.2 for before, after in pairwise(heights))
    assert 0 < heights[0] < heights[-1] < plot.HEIGHT


def test_a_curve_that_ends_early_has_its_label_below() -> None:
    """Beside its end another curve goes on."""
    root = drawn(Line("a", 0, [(100, 10), (1000, 10)]), Line("b", 1, [(100, 10), (10_000, 10)]))
    early, late = (float(one.get("y", "")) for one in root.iter("text") if "end" in one.get("class", ""))
    assert early > late + 8


def test_title_is_escaped() -> None:
    """It is text, whatever is in it."""
    title = drawn(Line("a", 0, [(100, 1)])).find("title")
    assert title is not None
    assert title.text == "a <title>"


def test_a_level_is_dashed() -> None:
    """What is drawn beside the curve."""
    root = drawn(Line("a", 0, [(100, 10), (1000, 100)], level=20))
    assert [one.get("class") for one in root.iter("path")].count("level k0") == 1


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (1, NANOSECONDS, "1 ns"), (999.9, NANOSECONDS, "1 µs"), (1234, NANOSECONDS, "1.23 µs"),
        (123_456, NANOSECONDS, "123 µs"),
        (2.5e9, NANOSECONDS, "2.5 s"), (6420, OCTETS, "6.42 kB"), (80, OCTETS, "80 B"), (0.5, OCTETS, "0.5 B"),
    ],
)  # fmt: skip
def test_units(value: float, unit: plot.Unit, told: str) -> None:
    """Three significant figures, in the unit that fits."""
    assert unit(value) == told


def test_axes() -> None:
    """Whole decades around all values, at least two; without values, any."""
    assert list(Axis.around([100, 100_000]).decades) == [2, 3, 4, 5]
    assert list(Axis.around([3]).decades) == [0, 1, 2]
    assert list(Axis.around([]).decades) == [0, 1, 2]
