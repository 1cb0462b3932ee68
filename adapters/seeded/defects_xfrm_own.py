"""Defects of what a host sends itself in super-packets, and of what it keeps to send it again."""

from espproof.adapters.seeded.model import defect

_LOOP = "        for part in segmentation.segments(packet, segment):\n"
_LEAVES = "            emerged += self._leave(self.memory.send_kept(part, front), mark, now)\n"
_CLONES, _SINGLES = "LINUX.skbuff-shared-clones-unchanged", "LINUX.segmentation_offloads-gso-as-singles"
_INCREMENT, _CLEAR = "RFC4303-3.3.3-increment", "RFC4301-5.1-never-in-the-clear"
_PIECES = "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now))\n"
_FIELD = (
    "xfrm.host",
    "        self.memory = Memory()\n",
    "        self.memory = Memory()\n        self._before: dict[bytes, Any] = {}\n",
)
_ANY = ("xfrm.host", "from typing import Literal, NamedTuple\n", "from typing import Any, Literal, NamedTuple\n")

DEFECTS = (
    defect(
        "xfrm-own-parts-share-a-number", "LE-018", "xfrm-own",
        "the parts of a super-packet have one state of their transform in common, and with it the sequence number",
        ("xfrm.host", _LOOP + "            front",
         "        before = [(state.entry.state, state.entry.state.sequence) for state in self.states]\n" + _LOOP +
         "            for one, number in before:\n                one.sequence = number\n            front"),
        breaks=(_INCREMENT,),
    ),
    defect(
        "xfrm-own-rest-in-the-clear", "W-004", "xfrm-own",
        "of what a program sends at once the first part is protected, and the others take another way out",
        ("xfrm.host", _LEAVES,
         "            emerged += (Emerging(self._side_of(part), part),) if emerged else self._leave(part, mark, now)\n"),
        breaks=(_CLEAR,),
    ),
    defect(
        "xfrm-own-octets-of-the-first", "ours", "xfrm-own",
        "what is kept to be sent again is found by the connection and its size, whatever its numbers",
        ("xfrm.buffers", "self._kept.setdefault(packet, ",
         "self._kept.setdefault(packet[:4] + packet[12:24], "),
        breaks=(_SINGLES,),
    ),
    defect(
        "xfrm-own-checksum-left-to-the-device", "LE-042", "xfrm-own",
        "the checksum of a part is begun only, for a device that shall complete it, and hidden so",
        ("xfrm.host", _LEAVES,
         "            whole = ip.parse(part)\n"
         "            pseudo = whole.source + whole.destination + len(whole.payload).to_bytes(4, \"big\")\n"
         "            begun = ip.checksum(pseudo + bytes((0, 0, 0, whole.protocol))) ^ 0xFFFF\n"
         "            at = front - (4 if whole.protocol == segmentation.PROTOCOL_TCP else 2)\n"
         "            part = ip.with_field(part, slice(at, at + 2), begun)\n" + _LEAVES),
        breaks=(_SINGLES,),
    ),
    defect(
        "xfrm-own-small-parts-overlap", "ours", "xfrm-own",
        "parts that are shorter than the room in front of them lie too close: headers are written over the end of the one before",
        ("xfrm.host", _LEAVES,
         "            if segment < 256 and len(segmentation.content_of(part)) == segment:\n"
         "                part = part[:-20] + bytes(20)\n" + _LEAVES),
        breaks=(_SINGLES,),
    ),
    defect(
        "xfrm-own-whole-in-the-clear", "ours", "xfrm-own",
        "what no policy is for leaves as one packet, which is longer than any link",
        ("xfrm.host", _LOOP,
         "        if self.spd.find(\"out\", flow_of(ip.parse(packet)), mark) is None:\n"
         "            return self._leave(packet, mark, now)\n" + _LOOP),
        breaks=(_SINGLES,),
    ),
    defect(
        "xfrm-own-written-in-place", "LE-010", "xfrm-own",
        "a part is encrypted in the memory in which its sender keeps it: what is sent again is ciphertext",
        ("xfrm.buffers", "        kept.block.owners += 1\n        clone", "        clone"),
        breaks=(_CLONES,),
    ),
    defect(
        "xfrm-own-sent-again-as-it-was", "ours", "xfrm-own",
        "what is kept to be sent again is the protected packet, with its number and IV",
        _ANY, _FIELD,
        ("xfrm.host", _LEAVES,
         "            if part not in self._before:\n"
         "                self._before[part] = self._leave(self.memory.send_kept(part, front), mark, now)\n"
         "            emerged += self._before[part]\n"),
        breaks=(_INCREMENT,),
    ),
    defect(
        "xfrm-own-sent-again-in-the-clear", "W-004", "xfrm-own",
        "what is sent again takes a way out on which no policy is asked",
        _ANY, _FIELD,
        ("xfrm.host", _LEAVES,
         "            emerged += (Emerging(self._side_of(part), part),) if part in self._before else self._leave(part, mark, now)\n"
         "            self._before[part] = True\n"),
        breaks=(_CLEAR,),
    ),
    defect(
        "xfrm-own-high-half-of-the-first", "LX-001", "xfrm-own",
        "the high half of all parts is that of the first: behind a wrap of the low half inside it is too low",
        ("xfrm.host", _LOOP + "            front",
         "        first = [(state.entry.state, state.entry.state.sequence) for state in self.states if state.sa.esn]\n" + _LOOP +
         "            for one, number in first:\n"
         "                one.sequence = number >> 32 << 32 | one.sequence & 0xFFFFFFFF\n            front"),
        breaks=("RFC4303-3.3.2.1-esn-high-appended",),
    ),
    defect(
        "xfrm-own-counted-once-for-all", "ours", "xfrm-own",
        "behind the first part for which there is no number the others are forgotten without being counted",
        ("xfrm.host", _LEAVES,
         "            before = self.counters.total()\n" + _LEAVES +
         "            if self.counters.total() > before:\n                break\n"),
        breaks=("LINUX.xfrm_proc-outbound-state-seq-error",),
    ),
    defect(
        "xfrm-own-room-of-the-longest-headers", "ours", "xfrm-own",
        "how long parts may be is reckoned with the longest headers that there are: some that fit are thrown away",
        ("xfrm.host", _LEAVES,
         "            if self._links.wire is None or len(part) + 96 <= self._links.wire:\n    " + _LEAVES),
        breaks=(_SINGLES,),
    ),
    defect(
        "xfrm-own-neighbours-share-a-number", "LE-018", "xfrm-own",
        "what came in pieces of a socket's memory has one state of its transform for all parts",
        ("xfrm.host", _PIECES,
         "            before = [(state.entry.state, state.entry.state.sequence) for state in self.states]\n"
         "            sent: list[Emerging] = []\n"
         "            for piece in pieces:\n"
         "                for one, number in before if way else ():\n"
         "                    one.sequence = number\n"
         "                sent += self.enter(side, piece, mark, now)\n"
         "            return tuple(sent)\n"),
        breaks=(_INCREMENT,),
    ),
    defect(
        "xfrm-own-neighbours-are-not-asked-about", "W-004", "xfrm-own",
        "the parts behind the first of what a neighbour sends at once are forwarded past the policies",
        ("xfrm.host", _PIECES,
         "            rest = pieces[1:] if way else []\n"
         "            past = tuple(Emerging(self._side_of(piece), ip.forwarded(piece)) for piece in rest)\n"
         "            pieces = pieces[: len(pieces) - len(rest)]\n"
         "            return tuple(one for piece in pieces for one in self.enter(side, piece, mark, now)) + past\n"),
        breaks=(_CLEAR,),
    ),
    defect(
        "xfrm-own-neighbours-half-of-the-last", "LX-001", "xfrm-own",
        "in front of a wrap of the low half, the last number has the high half that is behind it",
        ("xfrm.host", _PIECES,
         "            sent: list[Emerging] = []\n"
         "            for piece in pieces:\n"
         "                for state in self.states if way else ():\n"
         "                    if state.sa.esn and state.entry.state.sequence & 0xFFFFFFFF == 0xFFFFFFFE:\n"
         "                        state.entry.state.sequence += 1 << 32\n"
         "                sent += self.enter(side, piece, mark, now)\n"
         "            return tuple(sent)\n"),
        breaks=("RFC4303-3.3.2.1-esn-high-appended",),
    ),
    defect(
        "xfrm-own-neighbours-end-together", "ours", "xfrm-own",
        "where there are not enough numbers for all parts, none is sent, and all count as one",
        ("xfrm.host", _PIECES,
         "            if way and any(state.entry.state.sequence + len(pieces) >= 1 << (64 if state.sa.esn else 32)\n"
         "                           for state in self.states):\n"
         "                self.counters[Counter.OUT_STATE_SEQ_ERROR] += 1\n"
         "                return ()\n" + _PIECES),
        breaks=("LINUX.xfrm_proc-outbound-state-seq-error",),
    ),
    defect(
        "xfrm-own-neighbours-room-of-the-longest-headers", "ours", "xfrm-own",
        "how long a neighbour's datagrams may be is reckoned with the longest headers: some that fit are not forwarded",
        ("xfrm.host", _PIECES,
         "            if way and self._links.wire is not None:\n"
         "                pieces = [piece for piece in pieces if len(piece) + 96 <= self._links.wire]\n" + _PIECES),
        breaks=(_SINGLES,),
    ),
)  # fmt: skip
