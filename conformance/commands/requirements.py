"""`espproof requirements`: the catalogue, its coverage, and its audit against the text of an RFC."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
