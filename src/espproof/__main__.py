"""The command line: `espproof`, or `python -m espproof`."""

import signal

import typer

from espproof.conformance.cli import build
from espproof.conformance.commands.shell import errors
from espproof.fuzz.commands import app as fuzz


def application() -> typer.Typer:
    """All commands of all layers."""
    app = build()
    app.add_typer(fuzz, name="fuzz")
    return app


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with SIGINT ignored
    try:
        with errors():  # a full disk under `--help`; commands have their own
            application()()
    except typer.Exit as end:
        raise SystemExit(end.exit_code) from None


if __name__ == "__main__":
    main()
