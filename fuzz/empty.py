"""What the speed of a target is compared with: atheris targets of the same Python cost class with no fuzzing in them.

`peer:nothing` is libFuzzer calling a Python function that does nothing: the ceiling of any Python target, whatever it
tests. `peer:<target>` makes the calls that the target makes on the inputs that the target was given (a sample of them,
in their order), on code that is not instrumented, and with nobody who looks at the results. What libFuzzer proposes is
not used: without coverage it would come back to one input for ever, and a packet of no octets is quickly parsed.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

PREFIX = "peer:"
_LENGTH = struct.Struct("!I")


def peer(name: str, sample: str, change: Callable[[bytes, int], bytes]) -> Callable[[bytes], object]:
    """The peer of that target, or of `nothing`, with the inputs in the file `sample`. `Misuse` if there is none."""
    if name == PREFIX + "nothing":
        return _nothing
    from espproof.adapters.reference import ReferenceAdapter
    from espproof.fuzz.targets import by_name

    target = by_name(name.removeprefix(PREFIX))(ReferenceAdapter())
    calls, inputs, at = target.unchecked(), read_sample(Path(sample)), -1
    mutates, count = target.mutates, len(inputs)

    def one_input(octets: bytes) -> None:
        nonlocal at
        at = (at + 1) % count
        it = inputs[at]
        if mutates:
            target.mutate(it, 2048, at, change)
        calls(it)

    return one_input


def _nothing(octets: bytes) -> None:
    pass


def sampled(one_input: Callable[[bytes], None], out: BinaryIO) -> Callable[[bytes], None]:
    """The same target, which writes down what it is given."""

    def write_and_run(octets: bytes) -> None:
        out.write(_LENGTH.pack(len(octets)) + octets)
        one_input(octets)

    return write_and_run


def read_sample(path: Path) -> list[bytes]:
    """The inputs of a sample; the last one may be cut off."""
    octets, inputs, at = path.read_bytes(), [], 0
    while at + _LENGTH.size <= len(octets):
        (size,) = _LENGTH.unpack_from(octets, at)
        at += _LENGTH.size
        inputs.append(octets[at : at + size])
        at += size
    return inputs[:-1]
