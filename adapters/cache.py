"""What is built once and used again, outside the repository: programs of adapters, a kernel."""

import os
from pathlib import Path

VARIABLE = "ESPPROOF_CACHE"


def folder(*parts: str) -> Path:
    """A folder below `ESPPROOF_CACHE`, by default the user's cache (`XDG_CACHE_HOME`, `~/.cache`); made if need be."""
    root = os.environ.get(VARIABLE)
    home = Path(root) if root else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "espproof"
    path = home.joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path
