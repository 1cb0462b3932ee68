"""The page of `espproof trace`: a time line with a column for each who acts, and what the card has at the end."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

import espproof
from espproof.conformance.replay.trace import Ring, Trace
from espproof.reference.offload.niantic.words import LANES

_SOURCES = {
    "driver": "registers that the driver reads and writes",
    "card": "descriptors that the card fetches and writes back",
    "wire": "frames",
}


def render(trace: Trace) -> bytes:
    """The page, as UTF-8. It runs no script and loads nothing."""
    templates = files("espproof.conformance.report") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((templates / "trace.html").read_text(encoding="utf-8"))
    text = template.render(
        version=espproof.__version__,
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),  # noqa: S704 -- our own file
        trace=trace,
        lanes=LANES,
        sources=_SOURCES,
        cells={ring.name: _cells(ring) for ring in trace.rings},
    )
    return text.encode()


def _cells(ring: Ring) -> list[str]:
    """Whose each descriptor is, and where head and tail stand."""
    held = (ring.tail - ring.head) % ring.size
    return [
        " ".join(
            name
            for name, true in (
                ("cards", (n - ring.head) % ring.size < held),
                ("head", n == ring.head),
                ("tail", n == ring.tail),
            )
            if true
        )
        for n in range(ring.size)
    ]
