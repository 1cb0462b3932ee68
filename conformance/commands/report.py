"""`espproof report`: the HTML matrix from the results of one or more runs."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
