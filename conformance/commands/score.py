"""`espproof score`: the suite against the catalogue of seeded defects."""

import typer


def register(app: typer.Typer) -> None:
    """Nothing yet."""
