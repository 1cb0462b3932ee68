"""`espproof bench`: speed beside the peers and the limits, in one run."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
