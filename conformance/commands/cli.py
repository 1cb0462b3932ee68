"""The command line, put together from `commands`. `espproof fuzz` is added above this layer, in `__main__`."""

from typing import Annotated

import typer

import espproof
from espproof.conformance.commands import (
    adapters,
    bench,
    cases,
    cover,
    device,
    diff,
    interop,
    report,
    requirements,
    run,
    score,
    vectors,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"espproof {espproof.__version__}")
        raise typer.Exit


def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    """Proves an ESP (RFC 4303) implementation right or wrong, requirement by requirement.

    Exit status: 0 as expected, 1 a new failure, 2 usage, 3 an adapter could not run or answered nonsense, 4 a known
    deviation is gone, 5 not whole, or fewer cases than before, 6 a capability is gone, 7 something is newly inapplicable,
    8 something that must be supported is newly lacking.
    """


def build() -> typer.Typer:
    """The application with all commands of this layer."""
    app = typer.Typer(
        name="espproof",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        callback=_main,
    )
    for module in (run, interop, adapters, requirements, cases, vectors, score, cover, device, bench, report, diff):
        module.register(app)
    return app
