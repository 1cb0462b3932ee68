"""The command line: `espproof`, or `python -m espproof`."""

import typer

from espproof.conformance.cli import build
from espproof.fuzz.commands import app as fuzz


def application() -> typer.Typer:
    """All commands of all layers."""
    app = build()
    app.add_typer(fuzz, name="fuzz")
    return app


def main() -> None:
    application()()


if __name__ == "__main__":
    main()
