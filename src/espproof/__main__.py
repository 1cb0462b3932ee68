"""The command line: `espproof`, or `python -m espproof`."""

from espproof.conformance.cli import build


def main() -> None:
    build()()


if __name__ == "__main__":
    main()
