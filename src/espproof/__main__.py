"""The command line: `espproof`, or `python -m espproof`."""

from espproof.conformance.cli import app


def main() -> None:
    app()


if __name__ == "__main__":
    main()
