"""What the speed of a target is compared with: atheris targets of the same Python cost class with no fuzzing in them.

`peer:nothing` is libFuzzer calling a Python function that does nothing: the ceiling of any Python target, whatever it
tests. `peer:parser` makes the calls that the parser target makes, and `peer:esp-input` those of `esp-input` (its
mutator included), on code that is not instrumented, and with nobody who looks at the results: the same Python cost.
"""

from collections.abc import Callable
from typing import Any

PREFIX = "peer:"


def peer(name: str, change: Callable[[bytes, int], bytes]) -> tuple[Callable[[bytes], None], Any]:
    """The peer of that target, or of `nothing`: its function, and its mutator or None. `Misuse` if there is none."""
    if name == PREFIX + "nothing":
        return _nothing, None
    from espproof.adapters.reference import ReferenceAdapter
    from espproof.fuzz.targets import by_name

    target = by_name(name.removeprefix(PREFIX))(ReferenceAdapter())
    mutate = (lambda octets, size, seed: target.mutate(bytes(octets), size, seed, change)) if target.mutates else None
    return target.unchecked(), mutate


def _nothing(octets: bytes) -> None:
    pass
