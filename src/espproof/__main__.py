"""The command line: `espproof`, or `python -m espproof`."""

import codecs
import io
import os
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


def _prepare_streams() -> None:
    """All three are there, and take every letter.

    The number of one that is closed (`<&-`) would be that of the next pipe to a program. A terminal may not know Unicode.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)  # under the lowest number: the one that is missing
            os.set_inheritable(nothing, True)
            setattr(sys, name, os.fdopen(nothing, "r" if name == "stdin" else "w", encoding="utf-8"))
    codecs.register_error(__name__, _as_well_as_it_can)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=__name__)


def _as_well_as_it_can(error: UnicodeError) -> tuple[str | bytes, int]:
    """Octets of a file's name, of which Python could not make letters, as they are; other letters by their number."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with SIGINT ignored
    _prepare_streams()
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
