"""`espproof vectors`: list, run, build and lint the corpus of vectors."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
