"""Where the octets of a packet lie: pieces of memory, of which some may be somebody else's too (kernel document `skbuff`).

    piece   ├ headroom ┤ octets ├ tailroom ┤        a part of a block, which is memory that was asked for at once
    buffer  piece ─► piece ─► …                     a head and page fragments, a list of fragments, a chain of mbufs

What a packet says does not depend on where it lies. A transformation takes octets off or puts octets on at both ends, and
writes between them; all of it is `Buffer.rewrite`. Three rules:

    a block that has another owner is never written: who wants to write has a copy first
    octets go into the room that is there; where there is none, into another piece, and where there are as many pieces as
    one buffer can have, all of it into one piece
    a cipher that can only work on one piece gets one (`linearised` counts)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

MOST_PIECES = 18
"""Of one buffer: a head and the page fragments of a Linux socket buffer."""
_HEADROOM = 128
_PAGE = 4096


@dataclass(slots=True)
class Block:
    """Memory. `owners` is how many have it."""

    octets: bytearray
    owners: int = 1


@dataclass(slots=True)
class Piece:
    """Octets `start` to `end` of a block."""

    block: Block
    start: int
    end: int

    @classmethod
    def of(cls, octets: bytes, headroom: int = 0, tailroom: int = 0) -> "Piece":
        """A block of its own, with that much room in front and behind."""
        block = Block(bytearray(bytes(headroom) + octets + bytes(tailroom)))
        return cls(block, headroom, headroom + len(octets))

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def octets(self) -> bytes:
        return bytes(self.block.octets[self.start : self.end])

    @property
    def tailroom(self) -> int:
        return len(self.block.octets) - self.end

    @property
    def is_own(self) -> bool:
        """Whether nobody else has the memory."""
        return self.block.owners == 1

    def make_own(self) -> None:
        """A copy, with the same room around it, unless it is nobody else's."""
        if not self.is_own:
            self.block.owners -= 1
            self.block = Block(bytearray(self.block.octets))

    def write(self, octets: bytes) -> None:
        """Other octets in the place of all of them."""
        if octets != self.octets:
            self.make_own()
            self.block.octets[self.start : self.end] = octets


@dataclass(slots=True)
class Buffer:
    """A packet in memory."""

    pieces: list[Piece]
    linearised: int = field(default=0)
    """How often all of it was copied into one piece."""

    @classmethod
    def of(cls, octets: bytes, sizes: Sequence[int] = (), room: int = _HEADROOM) -> "Buffer":
        """Pieces of these sizes, the last with what is left, and that much room behind it. Sizes that go beyond the
        octets are cut off."""
        ends = [0]
        for size in sizes:
            ends.append(min(ends[-1] + size, len(octets)))
        cuts = [*dict.fromkeys(ends[:MOST_PIECES]), len(octets)]
        parts = [octets[start:end] for start, end in pairwise(cuts) if start < end] or [b""]
        rooms = [0] * (len(parts) - 1) + [room]
        pieces = [Piece.of(part, 0, behind) for part, behind in zip(parts, rooms, strict=True)]
        pieces[0] = Piece.of(parts[0], _HEADROOM, rooms[0])
        return cls(pieces)

    def shared(self) -> "Buffer":
        """The same memory once more, for another owner."""
        for piece in self.pieces:
            piece.block.owners += 1
        return Buffer([Piece(piece.block, piece.start, piece.end) for piece in self.pieces])

    @property
    def octets(self) -> bytes:
        return b"".join(piece.octets for piece in self.pieces)

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    # ---------------------------------------------------------------------------------------------------- both ends

    def push(self, size: int) -> None:
        """So many octets more in front."""
        first = self.pieces[0]
        if first.start < size or not first.is_own:
            first.block.owners -= 1
            moved = Piece.of(first.octets, _HEADROOM + size, first.tailroom)
            first.block, first.start, first.end = moved.block, moved.start, moved.end
        first.start -= size

    def pull(self, size: int) -> None:
        """So many octets less in front, over as many pieces as that takes."""
        while size:
            first = self.pieces[0]
            taken = min(size, len(first))
            first.start += taken
            size -= taken
            self._drop_empty(0)

    def put(self, size: int) -> None:
        """So many octets more behind."""
        last = self.pieces[-1]
        if last.tailroom >= size and last.is_own:
            last.end += size
        elif len(self.pieces) < MOST_PIECES:
            self.pieces.append(Piece.of(bytes(size), 0, max(0, _PAGE - size)))
        else:
            self.linearise(size)
            self.pieces[-1].end += size

    def trim(self, size: int) -> None:
        """So many octets less behind, over as many pieces as that takes."""
        while size:
            last = self.pieces[-1]
            taken = min(size, len(last))
            last.end -= taken
            size -= taken
            self._drop_empty(-1)

    def _drop_empty(self, place: int) -> None:
        if len(self.pieces) > 1 and not len(self.pieces[place]):
            self.pieces.pop(place).block.owners -= 1

    # ------------------------------------------------------------------------------------------------------ contents

    def linearise(self, room: int = 0) -> None:
        """All of it in one piece, with that much room behind it."""
        octets = self.octets
        for piece in self.pieces:
            piece.block.owners -= 1
        self.pieces = [Piece.of(octets, _HEADROOM, room)]
        self.linearised += 1

    def write(self, octets: bytes) -> None:
        """Other octets in the place of all of them, each where it lies."""
        at = 0
        for piece in self.pieces:
            size = len(piece)
            piece.write(octets[at : at + size])
            at += size

    def rewrite(self, octets: bytes, front: int, *, scatter_gather: bool = True) -> bytes:
        """The packet becomes another one: `front` octets more in front (fewer, if negative), what is left of the
        difference behind, and every octet between as it is to be. What stands there then."""
        behind = len(octets) - len(self) - front
        if not scatter_gather and len(self.pieces) > 1:
            self.linearise(max(0, behind))
        if behind < 0:
            self.trim(-behind)
        if front < 0:
            self.pull(-front)
        else:
            self.push(front)
        if behind > 0:
            self.put(behind)
        self.write(octets)
        return self.octets


@dataclass(frozen=True, slots=True)
class Layout:
    """How a packet comes: in pieces of these sizes, the last with the rest and with `room` octets behind it; None for
    what is usual. `shared`: somebody else has the same memory."""

    pieces: tuple[int, ...] = ()
    room: int | None = None
    shared: bool = False


WAYS: Mapping[str, Callable[[bytes], Buffer]] = MappingProxyType(
    {
        "": Buffer.of,
        "tight": lambda packet: Buffer.of(packet, (), 0),
        "headers": lambda packet: Buffer.of(packet, (28,), 0),
        "chain": lambda packet: Buffer.of(packet, [512] * (len(packet) // 512), 512),
    }
)
"""Ways in, by name, as some are found in stacks: memory that ends with the packet, headers apart from what is behind them,
a chain of equal buffers."""


class Memory:
    """The buffer of the packet that is on its way through a host. A packet that is not in it (one that was put together
    out of others, or that is a part of another) lies in one piece."""

    def __init__(self) -> None:
        self._buffer = Buffer([Piece.of(b"")])
        self._other: Buffer | None = None
        self._kept: dict[bytes, Piece] = {}

    def take(self, packet: bytes, way: str = "", layout: Layout | None = None) -> bytes:
        """A packet comes: what stands in its buffer. A way that is not among `WAYS` is an implementation's own."""
        self._buffer = WAYS.get(way, WAYS[""])(packet)
        if layout is not None:
            self._buffer = Buffer.of(packet, layout.pieces, _HEADROOM if layout.room is None else layout.room)
        self._other = self._buffer.shared() if layout is not None and layout.shared else None
        return self._buffer.octets

    def send_kept(self, packet: bytes, front: int) -> bytes:
        """A part of the host's own leaves. What is behind its `front` octets of headers is a clone of what its sender
        keeps, to send it again (kernel document `skbuff`): what stands in the buffer, the same octets if they are sent
        again."""
        kept = self._kept.setdefault(packet, Piece.of(packet[front:]))
        kept.block.owners += 1
        clone = Piece(kept.block, kept.start, kept.end)
        self._buffer, self._other = Buffer([Piece.of(packet[:front], _HEADROOM), clone]), None
        return self._buffer.octets

    @property
    def seen(self) -> bytes | None:
        """What the other owner of the packet sees now, if there is one."""
        return None if self._other is None else self._other.octets

    def become(self, before: bytes, after: bytes, front: int = 0) -> bytes:
        """A packet becomes another one, as in `Buffer.rewrite`: what stands in its buffer then."""
        here = self._buffer.octets
        if here != before:
            is_padded = bool(before) and here.startswith(before)
            self._buffer = self._buffer if is_padded else Buffer.of(before)
            self._buffer.trim(len(self._buffer) - len(before))
        return self._buffer.rewrite(after, front)
