"""`espproof adapters`: what can be tested on this machine. `espproof check`: is an adapter a correct adapter?"""

from typing import Any

import typer

from espproof.adapters import case as cases
from espproof.adapters import registry
from espproof.conformance import terminal
from espproof.conformance.commands.shell import OUT, JsonOption, errors, print_json


def register(app: typer.Typer) -> None:
    app.command()(adapters)


def adapters(as_json: JsonOption = False) -> None:
    """Which adapters are here, which are missing and how to install them."""
    with errors():
        rows = [_row(known) for known in registry.KNOWN]
        if as_json:
            print_json({"adapters": rows})
        else:
            terminal.adapters(OUT, rows)


def _row(known: registry.Known) -> dict[str, Any]:
    row: dict[str, Any] = {"name": known.name, "what": known.what, "present": registry.present(known)}
    if not row["present"]:
        return {**row, "install": known.install}
    with registry.open_adapter(known.name) as adapter:
        return {**row, "version": adapter.version, "capabilities": cases.to_plain(adapter.capabilities())}
