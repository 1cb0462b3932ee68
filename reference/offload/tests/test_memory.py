"""What the host has lent, and nothing else."""

import pytest

from espproof.reference.errors import Misuse
from espproof.reference.offload.memory import Arena, Fault


def test_parts_are_zeroed_apart_and_bounded() -> None:
    """A part holds what is written; one octet behind it is nobody's."""
    arena = Arena(1024)
    one, two = arena.take(100), arena.take(100)
    arena.write(one, b"x" * 128)
    assert arena.read(two, 128) == bytes(128)
    assert (one % 128, two - one) == (0, 128)
    for address, length in ((two, 129), (two + 128, 1), (one - 1, 1), (two - 1, 2)):
        with pytest.raises(Fault):
            arena.read(address, length)
        with pytest.raises(Fault):
            arena.write(address, bytes(length))


def test_what_was_given_back_is_gone() -> None:
    """It is overwritten, nobody's, and the next to be taken."""
    arena = Arena(256)
    one = arena.take(10)
    arena.write(one, b"secret")
    arena.give_back(one)
    assert b"secret" not in arena.octets
    with pytest.raises(Fault):
        arena.read(one, 1)
    with pytest.raises(Misuse):
        arena.give_back(one)
    assert arena.take(10) == one
    arena.take(10)
    with pytest.raises(Misuse, match="no room"):
        arena.take(10)
    assert arena.taken == 2
