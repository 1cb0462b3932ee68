"""The command line: `espproof`, or `python -m espproof`."""

from espproof.conformance.cli import build
from espproof.fuzz.commands import app as fuzz


def main() -> None:
    app = build()
    app.add_typer(fuzz, name="fuzz")
    app()


if __name__ == "__main__":
    main()
