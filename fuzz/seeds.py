"""`python -m espproof.fuzz.seeds`: writes `corpus/seeds/<target>/`, which nobody edits by hand.

Seeds are what the targets say they are, octet for octet the same on every machine; one file each, its name telling what
is in it. In the corpus they are for other fuzzers too; a test says when they are not current.
"""

from importlib.resources import files
from pathlib import Path

from espproof.fuzz.targets import TARGETS, Target

SUFFIX = ".bin"


def folder(target: type[Target]) -> Path:
    """Where a target's seeds are; read-only where the suite is installed."""
    return Path(str(files("espproof.corpus"))) / "seeds" / target.name


def stale(target: type[Target]) -> dict[str, bytes | None]:
    """File names whose content is not what it should be -> what it should be; None for a file that should not be."""
    want = {name + SUFFIX: octets for name, octets in target.seeds().items()}
    place = folder(target)
    have = {path.name: path.read_bytes() for path in place.glob("*")} if place.is_dir() else {}
    return {name: want.get(name) for name in sorted(want.keys() | have.keys()) if want.get(name) != have.get(name)}


def write() -> int:
    """Make the folders current; returns how many files were changed."""
    changed = 0
    for target in TARGETS.values():
        folder(target).mkdir(parents=True, exist_ok=True)
        for name, octets in stale(target).items():
            path = folder(target) / name
            if octets is None:
                path.unlink()
            else:
                path.write_bytes(octets)
            changed += 1
    return changed


if __name__ == "__main__":
    print(f"{write()} seed files written")
