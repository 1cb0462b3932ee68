"""`espproof replay` and `espproof export`: one case, step by step, and in other formats."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
