"""Where octets lie changes nothing of what they say, and nobody sees another's memory change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espproof.reference.xfrm.buffers import MOST_PIECES, WAYS, Buffer, Layout, Memory

SIZES = st.lists(st.integers(1, 60), max_size=MOST_PIECES - 1)
PACKETS = st.binary(max_size=400)


@given(PACKETS, SIZES, st.integers(0, 40), st.booleans(), st.booleans(), st.data())
def test_any_layout_gives_the_octets_that_are_wanted(
    packet: bytes, sizes: list[int], room: int, is_shared: bool, scatter_gather: bool, data: st.DataObject
) -> None:
    """Octets come and go at both ends, several times, and what stands there is what was to be."""
    buffer = Buffer.of(packet, sizes, room)
    other = buffer.shared() if is_shared else None
    for _ in range(3):
        front = data.draw(st.integers(-len(buffer), 200))
        after = data.draw(st.binary(min_size=max(0, front), max_size=500))
        assert buffer.rewrite(after, front, scatter_gather=scatter_gather) == after == buffer.octets
        assert len(buffer) == len(after)
        assert len(buffer.pieces) <= MOST_PIECES
        assert scatter_gather or len(buffer.pieces) <= 2
    assert other is None or other.octets == packet


@given(PACKETS, SIZES, st.sampled_from(sorted(WAYS)))
def test_however_it_comes_it_is_the_packet(packet: bytes, sizes: list[int], way: str) -> None:
    """Sizes beyond the octets are cut off; each way in has all of them."""
    assert Buffer.of(packet, sizes).octets == packet
    assert WAYS[way](packet).octets == packet


def test_what_fits_is_written_where_it_is() -> None:
    """With room at both ends no memory is asked for."""
    buffer = Buffer.of(b"packet")
    block = buffer.pieces[0].block
    buffer.rewrite(b"[PACKET]", 1)
    assert [piece.block for piece in buffer.pieces] == [block]


def test_what_does_not_fit_gets_a_piece_of_its_own() -> None:
    """Behind the last piece there is no room, so another follows, as long as there may be another."""
    buffer = Buffer.of(bytes(MOST_PIECES - 1), (1,) * (MOST_PIECES - 2), 0)
    buffer.put(4)
    assert len(buffer.pieces) == MOST_PIECES
    assert buffer.linearised == 0
    buffer.put(5000)
    assert len(buffer.pieces) == 1
    assert (buffer.linearised, len(buffer)) == (1, MOST_PIECES + 3 + 5000)


def test_a_cipher_that_wants_one_piece_gets_one() -> None:
    """And that is counted."""
    buffer = Buffer.of(b"abcdef", (2, 2))
    assert buffer.rewrite(b"ABCDEFgh", 0, scatter_gather=False) == b"ABCDEFgh"
    assert (len(buffer.pieces), buffer.linearised) == (1, 1)
    buffer.rewrite(b"abcdefgh", 0, scatter_gather=False)
    assert buffer.linearised == 1


def test_only_what_changes_is_copied() -> None:
    """A piece that somebody else has too stays common as long as nobody writes to it."""
    buffer = Buffer.of(b"headbody", (4,))
    other = buffer.shared()
    buffer.rewrite(b"HEADbody", 0)
    assert buffer.pieces[0].block is not other.pieces[0].block
    assert buffer.pieces[1].block is other.pieces[1].block


def test_a_room_that_is_somebody_elses_is_not_used() -> None:
    """The octets behind a shared piece may be the other owner's."""
    buffer = Buffer.of(b"abc", (), 50)
    other = buffer.shared()
    buffer.put(3)
    assert (len(buffer.pieces), len(other)) == (2, 3)


class TestMemory:
    """The packet that is on its way through a host."""

    def test_another_owner_sees_what_it_saw(self) -> None:
        """Whatever becomes of the packet."""
        memory = Memory()
        memory.take(b"outerINNERtrailer", layout=Layout((5, 3), 4, shared=True))
        assert memory.become(b"outerINNERtrailer", b"inner", -5) == b"inner"
        assert memory.seen == b"outerINNERtrailer"

    def test_nobody_else_sees_nothing(self) -> None:
        """Without another owner there is nothing to be told."""
        memory = Memory()
        memory.take(b"packet", "tight")
        assert memory.seen is None

    def test_padding_of_the_link_is_cut_off(self) -> None:
        """It lies in the buffer, and is no part of the packet."""
        memory = Memory()
        memory.take(b"packet\0\0\0", "tight")
        assert memory.become(b"packet", b"PACKET") == b"PACKET"

    @pytest.mark.parametrize("before", [b"", b"another"])
    def test_another_packet_lies_elsewhere(self, before: bytes) -> None:
        """One that was put together, or is a part of the one that came."""
        memory = Memory()
        memory.take(b"packet", "tight")
        assert memory.become(before, b"made of it") == b"made of it"
