"""What all commands share: exit statuses, the two consoles, JSON on standard output, errors as one line.

Results go to standard output (with `--json`, one JSON document), progress and errors to standard error.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from espproof.adapters.base import AdapterError, AdapterFailure
from espproof.adapters.printable import printable
from espproof.reference.errors import Misuse

EXPECTED, NEWS, USAGE, CANNOT_RUN = 0, 1, 2, 3
"""Exit statuses: as expected; something fails or is not whole that was not expected; usage; an adapter could not run."""

OUT = Console()
ERR = Console(stderr=True)


class ProfileName(StrEnum):
    """The three amounts of work."""

    quick = "quick"
    default = "default"
    thorough = "thorough"


ProfileOption = Annotated[ProfileName, typer.Option(help="How many examples each check draws.")]
ChecksOption = Annotated[
    str, typer.Option("--only", help="Comma-separated patterns of check, family or requirement ids, or xfrm.")
]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same cases.")]
WorkersOption = Annotated[int, typer.Option("-n", min=1, help="Processes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@contextmanager
def errors() -> Iterator[None]:
    """Turn what a user can cause into one line and the documented exit status."""
    try:
        yield
    except Misuse as error:
        _complain(str(error))
        raise typer.Exit(USAGE) from error
    except AdapterError as error:
        _complain(f"the adapter could not run: {error}")
        raise typer.Exit(CANNOT_RUN) from error
    except AdapterFailure as error:
        _complain(f"{type(error).__name__.lower()}: {error}")
        raise typer.Exit(CANNOT_RUN) from error
    except BrokenPipeError as error:  # `| head`: nobody listens any more, which is no error
        _give_up_output()
        raise typer.Exit(EXPECTED) from error
    except OSError as error:
        _complain(": ".join(str(part) for part in (error.filename, error.strerror) if part) or str(error))
        try:
            sys.stdout.flush()
        except OSError:
            _give_up_output()
        raise typer.Exit(CANNOT_RUN) from error


def _give_up_output() -> None:
    """What could not be written is not tried again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str) -> None:
    ERR.print(f"[red]espproof:[/] {escape(printable(message))}", highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document, and nothing else, on standard output."""
    sys.stdout.write(json.dumps(value, indent=1) + "\n")
    sys.stdout.flush()
