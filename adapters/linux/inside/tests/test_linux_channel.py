"""Messages between who asks and the agent: cut up, put together, refused."""

import contextlib
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.linux.inside import channel


@settings(deadline=None)
@given(st.lists(st.text(max_size=5)), st.lists(st.binary(max_size=30)))
def test_a_message_is_read_as_it_was_written(values: list[str], packets: list[bytes]) -> None:
    assert channel.unpack(channel.pack(values, packets)) == (values, packets)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_octets_are_a_message_or_garbled(octets: bytes) -> None:
    with contextlib.suppress(channel.Garbled):
        channel.unpack(octets)


@pytest.mark.parametrize("size", [0, 1, channel.MAX_FRAME - 8, channel.MAX_FRAME - 7, 200_000])
def test_a_long_message_travels_in_frames_that_are_asked_for_one_by_one(size: int) -> None:
    """No frame is longer than the card takes, and none is sent before the one before it was taken."""
    there: deque[bytes] = deque()
    message = bytes(size)
    got = bytearray()

    def put(content: bytes) -> None:
        assert len(content) <= channel.MAX_FRAME
        assert not there
        there.append(content)

    def answer() -> bytes:
        """The other side: takes a piece, and asks for the next one."""
        got.extend(there.popleft()[8:])
        return bytes([2]) + bytes(7)

    channel.send(message, put, answer)
    got.extend(there.popleft()[8:])
    assert bytes(got) == message


def test_a_piece_that_is_neither_last_nor_followed_is_garbled() -> None:
    with pytest.raises(channel.Garbled):
        channel.receive(lambda content: None, lambda: bytes([2]) + bytes(7))
