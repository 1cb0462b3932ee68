"""A folder of `espproof interop`: the result, the cases of each finding, and a page with the matrix."""

from importlib.resources import files
from pathlib import Path

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from espproof.adapters import atomic
from espproof.adapters.case import to_json, to_plain
from espproof.conformance.interop.result import Incompatibility, Interop
from espproof.conformance.results.record import file_name

PAGE = "interop.html"


def case_files(found: Incompatibility) -> dict[str, bytes]:
    """Paths below the folder, and what is in them: what the sender was given, what arrived at the receiver."""
    pair = f"{file_name(found.sender)}-{file_name(found.receiver)}"
    stem = f"interop/{pair}/{file_name(found.kind.replace(':', '').replace(' ', '-').replace(',', ''))}"
    content = {f"{stem}-sender.json": to_json(found.sender_case, indent=1)}
    if found.receiver_case is not None:
        content[f"{stem}-receiver.json"] = to_json(found.receiver_case, indent=1)
    return content


def render(result: Interop) -> bytes:
    """The page, as UTF-8. It runs no script and loads nothing."""
    templates = files("espproof.conformance.report") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((templates / "interop.html").read_text(encoding="utf-8"))
    findings = [
        (pair, number == 0, found, list(case_files(found)))
        for pair, cell in enumerate(result.cells)
        for number, found in enumerate(cell.findings)
    ]
    text = template.render(
        style=Markup((templates / "report.css").read_text(encoding="utf-8")),  # noqa: S704 -- our own file
        result=result,
        cells={(cell.sender, cell.receiver): cell for cell in result.cells},
        findings=findings,
    )
    return text.encode()


def write(result: Interop, folder: Path) -> Path:
    """Write everything; the path of the page. `OSError` names the file that could not be written."""
    atomic.write(folder / "interop.json", msgspec.json.format(msgspec.json.encode(to_plain(result)), indent=1))
    for cell in result.cells:
        for found in cell.findings:
            for name, content in case_files(found).items():
                atomic.write(folder / name, content)
    atomic.write(folder / PAGE, render(result))
    return folder / PAGE
