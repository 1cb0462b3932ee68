"""Defects of buffers: octets at the border of two pieces, room that is not there, memory that is somebody else's too."""

from espproof.adapters.seeded.model import defect

_GEOMETRY, _ROOM = "LINUX.skbuff-geometry-wherever-it-lies", "LINUX.skbuff-geometry-room"
_CLONES, _FRAGMENTS = "LINUX.skbuff-shared-clones-unchanged", "LINUX.skbuff-geometry-fragments-read-only"

_OWN = "        if octets != self.octets:\n            self.make_own()\n"
_PULL = "            taken = min(size, len(first))\n"
_TRIM = "            taken = min(size, len(last))\n"
_HAS_ROOM = "        if last.tailroom >= size and last.is_own:\n"
_WRITE = "        for piece in self.pieces:\n            size = len(piece)\n"
_ANOTHER = "        elif len(self.pieces) < MOST_PIECES:\n"

_BEYOND = (
    "xfrm.buffers", "            self.block.octets[self.start : self.end] = octets\n",
    "            fits = len(self.block.octets) - self.start\n"
    "            self.block.octets[self.start : self.end] = octets[:fits] + bytes(max(0, len(octets) - fits))\n",
)  # fmt: skip
"""What is written beyond the end of a block is lost: the memory is somebody else's, who writes there too."""

_LEFT = (
    "xfrm.buffers", "            self.block.octets[self.start : self.end] = octets\n",
    "            self.block.octets[self.start : self.start + len(octets)] = octets\n",
)  # fmt: skip
"""What is not written stays."""

DEFECTS = (
    defect(
        "xfrm-way-written-in-place", "LE-010", "xfrm-way",
        "a packet is opened and protected where it lies, whoever else has the memory",
        ("xfrm.buffers", _OWN, "        if octets != self.octets:\n"),
        breaks=(_CLONES, _FRAGMENTS),
    ),
    defect(
        "xfrm-way-only-the-head-is-copied", "LE-010", "xfrm-way",
        "whether the memory is somebody else's is asked of the head alone: page fragments are written in place",
        ("xfrm.buffers", "            piece.write(octets[at : at + size])\n",
         "            if piece is self.pieces[0]:\n                piece.write(octets[at : at + size])\n"
         "            else:\n                piece.block.octets[piece.start : piece.end] = octets[at : at + size]\n"),
        breaks=(_FRAGMENTS,),
    ),
    defect(
        "xfrm-way-forwarded-in-place", "ours", "xfrm-way",
        "the TTL of a packet that is forwarded is counted down in memory that somebody else has too",
        ("xfrm.host", "        forwarded = self.memory.become(packet, ip.forwarded(packet))\n",
         "        changed = ip.forwarded(packet)\n        self.memory.scribble(changed)\n"
         "        forwarded = self.memory.become(packet, changed)\n"),
        ("xfrm.buffers", "    @property\n    def seen(self)",
         "    def scribble(self, octets: bytes) -> None:\n        first = self._buffer.pieces[0]\n"
         "        end = min(len(first), 12)\n        first.block.octets[first.start : first.start + end] = octets[:end]\n\n"
         "    @property\n    def seen(self)"),
        breaks=(_CLONES,),
    ),
    defect(
        "xfrm-way-header-in-the-first-piece", "ours", "xfrm-way",
        "headers are taken off the first piece alone, which may end within them",
        ("xfrm.buffers", _PULL, "            taken = min(size, len(first))\n            size = taken\n"),
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-trailer-in-the-last-piece", "ours", "xfrm-way",
        "trailer and ICV are taken off the last piece alone, which may hold less than both",
        ("xfrm.buffers", _TRIM, "            taken = min(size, len(last))\n            size = taken\n"),
        _LEFT,
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-border-octets-twice", "LE-024", "xfrm-way",
        "when octets are taken off in front, those of the piece behind are counted from its first octet again",
        ("xfrm.buffers", "            first.start += taken\n            size -= taken\n",
         "            first.start += taken\n            size -= taken\n"
         "            size -= min(size, 2) if not len(first) else 0\n"),
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-written-in-the-first-piece", "ours", "xfrm-way",
        "what a cipher has made is written into the first two pieces, and into none behind them",
        ("xfrm.buffers", _WRITE,
         "        for piece in self.pieces if len(self.pieces) < 4 else self.pieces[:2]:\n            size = len(piece)\n"),
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-one-octet-skipped", "ours", "xfrm-way",
        "a piece of one octet is taken for an empty one: what should stand in it is not written",
        ("xfrm.buffers", "            piece.write(octets[at : at + size])\n",
         "            if size != 1:\n                piece.write(octets[at : at + size])\n"),
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-room-of-the-first-piece", "V-006", "xfrm-way",
        "whether there is room for trailer and ICV is asked of the first piece, and they are put behind the last",
        ("xfrm.buffers", _HAS_ROOM, "        if self.pieces[0].tailroom + last.tailroom >= size and last.is_own:\n"),
        _BEYOND,
        breaks=(_ROOM,),
    ),
    defect(
        "xfrm-way-room-without-what-is-in-front", "V-007", "xfrm-way",
        "the room behind a packet is computed without what lies in front of it in its memory",
        ("xfrm.buffers", _HAS_ROOM, "        if len(last.block.octets) - len(last) >= size and last.is_own:\n"),
        _BEYOND,
        breaks=(_ROOM,),
    ),
    defect(
        "xfrm-way-one-piece-too-many", "ours", "xfrm-way",
        "the piece with trailer and ICV is one more than a buffer can have, and is lost",
        ("xfrm.buffers", _ANOTHER, "        elif len(self.pieces) <= MOST_PIECES:\n"),
        ("xfrm.buffers", _WRITE, "        for piece in self.pieces[:MOST_PIECES]:\n            size = len(piece)\n"),
        breaks=(_ROOM,),
    ),
    defect(
        "xfrm-way-short-in-its-first-piece", "ours", "xfrm-way",
        "ESP whose header does not lie in the first piece whole counts as one that has none",
        ("xfrm.path", "    return Counter.IN_HDR_ERROR if len(one.esp) < _SHORTEST_ESP else None\n",
         "    lies = one.host.memory.in_first\n    size = len(one.outer.header) + _SHORTEST_ESP\n"
         "    return Counter.IN_HDR_ERROR if len(one.esp) < _SHORTEST_ESP or lies < size else None\n"),
        ("xfrm.buffers", "    @property\n    def seen(self)",
         "    @property\n    def in_first(self) -> int:\n        return len(self._buffer.pieces[0])\n\n"
         "    @property\n    def seen(self)"),
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-another-tail-in-a-chain", "ours", "xfrm-way",
        "in a chain of buffers trailer and ICV are cut off at the size of one of them",
        ("xfrm.buffers", "            last.end -= taken\n",
         "            last.end -= taken if len(self.pieces) == 1 or taken < size else taken - 1\n"),
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-passes-by-the-policies", "ours", "xfrm-way",
        "what comes with its headers apart is forwarded without anybody asking the policies",
        ("xfrm.host", "        if side == \"local\":\n",
         "        if way == \"headers\" and parsed.destination not in self._addresses:\n"
         "            return (Emerging(self._side_of(packet), ip.forwarded(packet)),)\n        if side == \"local\":\n"),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
    defect(
        "xfrm-way-own-packets-cut-off", "ours", "xfrm-way",
        "memory that ends with its packet is read up to the last octet but one: the packet is taken for one cut short",
        ("xfrm.buffers", "        \"tight\": lambda packet: Buffer.of(packet, (), 0),\n",
         "        \"tight\": lambda packet: Buffer.of(packet[:-1], (), 0),\n"),
        breaks=(_GEOMETRY,),
    ),
    defect(
        "xfrm-way-segments-of-a-chain", "ours", "xfrm-way",
        "of a super-packet in a chain of buffers the first part is taken, and the rest is thought to be gone with it",
        ("xfrm.host", "            pieces = segmentation.segments(packet, segment)\n",
         "            pieces = segmentation.segments(packet, segment)[: 1 if way == \"chain\" else None]\n"),
        breaks=("LINUX.segmentation_offloads-gso-as-singles",),
    ),
    defect(
        "xfrm-way-own-packets-unmarked", "ours", "xfrm-way",
        "what the host sends itself meets the policies without its mark",
        ("xfrm.host", "            return self._leave(packet, mark, now)\n",
         "            return self._leave(packet, 0, now)\n"),
        breaks=("RFC4301-5-consulted",),
    ),
    defect(
        "xfrm-way-mark-is-lost-in-the-tunnel", "ours", "xfrm-way",
        "what comes out of a tunnel has lost the mark that its packet had",
        ("xfrm.host", "        return self._arrive(parsed, inside, mark, now, (*through, one.state))\n",
         "        mark = 0 if one.state.sa.mode == \"tunnel\" else mark\n"
         "        return self._arrive(parsed, inside, mark, now, (*through, one.state))\n"),
        breaks=("RFC4301-5-consulted",),
    ),
)  # fmt: skip
