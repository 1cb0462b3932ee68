"""The command line: `espproof`, or `python -m espproof`."""

import signal
import sys

import typer

from espproof.conformance.commands.cli import build
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
            try:
                application()()
            finally:
                sys.stdout.flush()  # here, where it can be told as one line, and not by the interpreter at its end
    except typer.Exit as end:
        raise SystemExit(end.exit_code) from None


if __name__ == "__main__":
    main()
