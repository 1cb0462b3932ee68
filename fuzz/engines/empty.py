"""What the speed of a target is compared with: atheris targets with no fuzzing in them.

    nothing          libFuzzer calls a Python function that does nothing: the ceiling of any Python target
    plain:<target>   the calls that the target makes, on code that is not instrumented: what atheris itself costs
    peer:<target>    the same calls, instrumented as every atheris target is, and nothing else: no oracle, no records

`peer` gets from libFuzzer the inputs that the target gets. Without coverage libFuzzer would come back to one input for
ever, so `plain` takes a sample of the target's inputs, in their order, and what libFuzzer proposes is not used.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

NOTHING, PLAIN, PEER = "nothing", "plain", "peer"
_LENGTH = struct.Struct("!I")


def nothing(octets: bytes) -> None:
    """The empty target."""


def repeated(inputs: list[bytes], one_input: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """A target that takes these inputs, one after the other and over again, whatever it is given."""
    at, count = -1, len(inputs)

    def next_of_sample(octets: bytes) -> None:
        nonlocal at
        at = (at + 1) % count
        one_input(inputs[at])

    return next_of_sample


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
