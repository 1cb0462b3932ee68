"""However a packet comes, and of whatever its buffer is made: what emerges and what is counted is the same, and nobody
else sees memory change that is theirs too.

Checks have packets in the usual buffer between the others: what is wrong with all of them alike is no affair of buffers.
"""

from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import HostDirection, Layout, Side
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.xfrm_gso import AS_SINGLES, SIZES, super_packet
from espproof.conformance.requirements.ids import (
    CLONES_UNCHANGED,
    FRAGMENTS_READ_ONLY,
    IN_THE_CLEAR,
    PASSED_NOT_COUNTED,
    counter_rule,
)
from espproof.conformance.strategies import upper_layers
from espproof.reference.xfrm.buffers import MOST_PIECES

ANYWHERE, ROOM = "LINUX.skbuff-geometry-wherever-it-lies", "LINUX.skbuff-geometry-room"
SELECTION = "RFC4301-4.4.1-selection"
CONSULTED = "RFC4301-5-consulted"
PROTO, SEQ = counter_rule("XfrmInStateProtoError"), counter_rule("XfrmInStateSeqError")
NO_STATES = counter_rule("XfrmInNoStates")
_EDGES = (1, 2, 8, 13, 16, 20, 21, 28, 36, 40, 64, 100, 333, 512)
_LENGTHS = st.one_of(st.integers(0, 80), st.integers(80, 1300))
_SIDES: tuple[Side, ...] = ("plain", "wire")
_MARKS = (0x30, 0x31, 0x1030, 0xC0000001)


def _pieces(s: Scenario, packet: bytes) -> tuple[int, ...]:
    """Some sizes, the edges of headers among them: few pieces, many, or all of one octet but the last."""
    count = s.draw(st.one_of(st.integers(1, 4), st.integers(1, MOST_PIECES - 1), st.just(MOST_PIECES - 1)))
    size = st.one_of(st.sampled_from(_EDGES), st.integers(1, max(1, len(packet) // count)))
    same = s.draw(st.one_of(st.none(), st.sampled_from((1, max(1, len(packet) // (count + 1))))))
    sizes = [same] * count if same else s.draw(st.lists(size, min_size=count, max_size=count))
    cut: list[int] = []
    for one in sizes:  # each piece has an octet at least, the last too
        if sum(cut) + one >= len(packet):
            break
        cut.append(one)
    return tuple(cut)


def _layout(s: Scenario, h: HostScenario, packet: bytes, *, shared: bool = False) -> Layout:
    """What of it can be asked for."""
    can = h.caps.layouts
    room = s.draw(st.one_of(st.none(), st.integers(0, 40), st.just(0))) if "room" in can else None
    return Layout(pieces=_pieces(s, packet) if "pieces" in can else (), room=room, shared=shared)


def _gateway(s: Scenario, h: HostScenario, about: str, **fixed: Any) -> tuple[Any, Any, int]:
    """An SA out and one in, with the policies that lead through them."""
    out, back = h.pair(mode="tunnel", udp=s.draw(st.booleans()) and bool(s.caps.udp), **fixed)
    version = h.version_in(out, back)
    h.policy("out", h.outgoing(version), h.template(out), about=about)
    h.policy("forward", h.incoming(version), h.template(back), about=about)
    return out, back, version


@check(
    ANYWHERE,
    weight=3.0,
    proved_by=("xfrm-way-written-in-the-first-piece", "xfrm-way-one-octet-skipped"),
)
def in_pieces_out(s: Scenario) -> None:
    """A gateway protects packets whose octets lie in several pieces, some with the usual buffer between them."""
    h = HostScenario(s)
    s.need("layouts: pieces", "pieces" in h.caps.layouts)
    _, _, version = _gateway(s, h, ANYWHERE)
    for _ in range(s.draw(st.integers(1, 3))):
        packet = h.outgoing(version, length=s.draw(_LENGTHS))
        h.enters("plain", packet, ANYWHERE, layout=_layout(s, h, packet))
        h.enters("plain", h.outgoing(version, length=s.draw(_LENGTHS)), ANYWHERE)
    h.counters(PASSED_NOT_COUNTED)


@check(
    ROOM,
    weight=2.0,
    proved_by=(
        "xfrm-way-room-of-the-first-piece",
        "xfrm-way-room-without-what-is-in-front",
        "xfrm-way-one-piece-too-many",
    ),
)
def room_behind(s: Scenario) -> None:
    """Trailer and ICV find room behind the packet or not: none, too little, or as many pieces as there may be."""
    h = HostScenario(s)
    s.need("layouts: room", "room" in h.caps.layouts)
    _, _, version = _gateway(s, h, ROOM)
    for _ in range(s.draw(st.integers(1, 3))):
        packet = h.outgoing(version, length=s.draw(_LENGTHS))
        most = (1,) * min(MOST_PIECES - 1, len(packet) - 1)
        pieces = s.draw(st.sampled_from(((), most, _pieces(s, packet)))) if "pieces" in h.caps.layouts else ()
        h.enters("plain", packet, ROOM, layout=Layout(pieces=pieces, room=s.draw(st.integers(0, 70))))
    h.counters(PASSED_NOT_COUNTED)


@check(
    ANYWHERE,
    weight=3.0,
    proved_by=(
        "xfrm-way-header-in-the-first-piece",
        "xfrm-way-trailer-in-the-last-piece",
        "xfrm-way-border-octets-twice",
    ),
)
def in_pieces_in(s: Scenario) -> None:
    """ESP arrives in pieces, with borders in header, IV, ciphertext and ICV: in a tunnel for others, or for the host."""
    h = HostScenario(s)
    s.need("layouts: pieces", "pieces" in h.caps.layouts)
    mode = s.choose(s.caps.modes)
    sa = h.sa("in", mode=mode, udp=mode == "tunnel" and bool(s.caps.udp) and s.draw(st.booleans()))
    for number in range(1, s.draw(st.integers(2, 4))):
        length = max(1, s.draw(_LENGTHS))  # what is empty is the affair of others
        direction: HostDirection = "forward" if sa.mode == "tunnel" else "in"
        plain = h.incoming(h.version_in(sa), length=length) if sa.mode == "tunnel" else s.packet(sa, length=length)
        if number == 1:
            h.policy(direction, plain, h.template(sa), about=ANYWHERE)
        packet = s.peer(sa).protect(plain, 2 * number)
        h.enters("wire", packet, ANYWHERE, layout=_layout(s, h, packet))
        h.enters("wire", s.peer(sa).protect(plain, 2 * number + 1), ANYWHERE)
    h.counters(PASSED_NOT_COUNTED)


@check(
    ANYWHERE,
    PROTO,
    SEQ,
    NO_STATES,
    weight=2.0,
    proved_by=("xfrm-way-short-in-its-first-piece",),
)
def wrong_in_pieces(s: Scenario) -> None:
    """What is wrong is discarded for the same reason whatever it lies in, and counted so."""
    h = HostScenario(s)
    s.need("layouts", h.caps.layouts)
    s.need("anti-replay", sizes := tuple(size for size in s.windows() if size))
    sa = h.sa("in", mode="tunnel", replay_window=sizes)
    plain = h.incoming(h.version_in(sa))
    h.policy("forward", plain, h.template(sa), about=ANYWHERE)
    right = s.peer(sa).protect(plain, 1)
    h.enters("wire", right, ANYWHERE, layout=_layout(s, h, right))
    wrong = {
        PROTO: s.forge(s.peer(sa).protect(plain, 2), sa),
        SEQ: right,
        NO_STATES: s.peer_of(sa, spi=sa.spi ^ 0x0110).protect(plain, 4),
    }
    for about in s.draw(st.lists(st.sampled_from(list(wrong)), min_size=1, max_size=3)):
        is_shared = "shared" in h.caps.layouts and s.draw(st.booleans())
        layout = Layout(shared=True) if is_shared else _layout(s, h, wrong[about])
        h.enters("wire", wrong[about], about, layout=layout)
        h.counters(about)
    h.enters("wire", s.peer(sa).protect(plain, 30), ANYWHERE)


@check(CLONES_UNCHANGED, weight=2.0, proved_by=("xfrm-way-written-in-place",))
def clones(s: Scenario) -> None:
    """Somebody else has a clone of a packet that is protected, opened, or neither, and sees what it was."""
    h = HostScenario(s)
    s.need("layouts: shared", "shared" in h.caps.layouts)
    _, back, version = _gateway(s, h, ANYWHERE)
    for number in range(1, s.draw(st.integers(2, 4))):
        out = h.outgoing(version, length=s.draw(_LENGTHS))
        h.enters("plain", out, ANYWHERE, layout=Layout(shared=True))
        incoming = s.peer(back).protect(h.incoming(version, length=s.draw(_LENGTHS)), number)
        h.enters("wire", incoming, ANYWHERE, layout=Layout(shared=True))
    h.counters(PASSED_NOT_COUNTED)


@check(FRAGMENTS_READ_ONLY, weight=2.0, proved_by=("xfrm-way-written-in-place", "xfrm-way-only-the-head-is-copied"))
def fragments_out(s: Scenario) -> None:
    """What is protected lies in pieces that somebody else has too, who sees what it was."""
    h = HostScenario(s)
    s.need("layouts: pieces, shared", {"pieces", "shared"} <= set(h.caps.layouts))
    _, _, version = _gateway(s, h, ANYWHERE)
    for _ in range(s.draw(st.integers(1, 3))):
        out = h.outgoing(version, length=s.draw(_LENGTHS))
        h.enters("plain", out, ANYWHERE, layout=_layout(s, h, out, shared=True))
    h.counters(PASSED_NOT_COUNTED)


@check(FRAGMENTS_READ_ONLY, weight=2.0, proved_by=("xfrm-way-written-in-place", "xfrm-way-only-the-head-is-copied"))
def fragments_in(s: Scenario) -> None:
    """What is opened lies in pieces that somebody else has too, who sees no plaintext."""
    h = HostScenario(s)
    s.need("layouts: pieces, shared", {"pieces", "shared"} <= set(h.caps.layouts))
    _, back, version = _gateway(s, h, ANYWHERE)
    for number in range(1, s.draw(st.integers(2, 4))):
        incoming = s.peer(back).protect(h.incoming(version, length=s.draw(_LENGTHS)), number)
        h.enters("wire", incoming, ANYWHERE, layout=_layout(s, h, incoming, shared=True))
    h.counters(PASSED_NOT_COUNTED)


@check(CLONES_UNCHANGED, proved_by=("xfrm-way-forwarded-in-place",))
def shared_in_the_clear(s: Scenario) -> None:
    """A packet that nobody protects is forwarded: its header changes, and what somebody else has of it does not."""
    h = HostScenario(s)
    s.need("layouts: shared", "shared" in h.caps.layouts)
    version = s.choose(h.versions())
    out = h.outgoing(version, length=s.draw(_LENGTHS))
    h.enters("plain", out, CLONES_UNCHANGED, layout=Layout(shared=True))
    incoming = h.incoming(version, length=s.draw(_LENGTHS))
    h.enters("wire", incoming, CLONES_UNCHANGED, layout=Layout(shared=True))


@check(
    ANYWHERE,
    IN_THE_CLEAR,
    weight=3.0,
    proved_by=("xfrm-way-another-tail-in-a-chain", "xfrm-way-passes-by-the-policies"),
)
def by_every_way(s: Scenario) -> None:
    """The same traffic by the ways in that there are, in any order: what emerges is the same."""
    h = HostScenario(s)
    sides: list[Side] = [side for side in _SIDES if h.caps.ways.get(side)]
    s.need("ways", sides)
    _, back, version = _gateway(s, h, ANYWHERE)
    number = 0
    for _ in range(s.draw(st.integers(2, 5))):
        side: Side = s.draw(st.sampled_from(sides))
        way = s.draw(st.sampled_from(("", *h.caps.ways[side])))
        length = s.draw(_LENGTHS)
        if side == "plain":
            h.enters(side, h.outgoing(version, length=length), ANYWHERE, way=way)
        else:
            number += 1
            h.enters(side, s.peer(back).protect(h.incoming(version, length=length), number), ANYWHERE, way=way)
    h.counters(PASSED_NOT_COUNTED)


@check(ANYWHERE, weight=2.0, proved_by=("xfrm-way-own-packets-cut-off",))
def of_its_own(s: Scenario) -> None:
    """What the host sends itself, by each way in which it can: a datagram as it makes it, with no identification."""
    h = HostScenario(s)
    s.need("ways of the host's own", ways := h.caps.ways.get("local", ()))
    sa = h.sa("out", mode=s.caps.modes)
    model = h.of_ours(sa)
    h.policy("out", model, h.template(sa), about=ANYWHERE)
    for _ in range(s.draw(st.integers(1, 3))):
        packet = h.datagram_of_ours(sa, s.draw(_LENGTHS))
        h.enters("local", packet, ANYWHERE, way=s.draw(st.sampled_from(ways)))
    h.counters(PASSED_NOT_COUNTED)


@check(AS_SINGLES, weight=2.0, proved_by=("xfrm-way-segments-of-a-chain",))
def super_packets_by_every_way(s: Scenario) -> None:
    """Super-packets by the ways in of the plain side: cut up as those that come as usual."""
    h = HostScenario(s)
    s.need("super-packets", h.caps.segments)
    s.need("ways", ways := h.caps.ways.get("plain", ()))
    _, _, version = _gateway(s, h, AS_SINGLES)
    for _ in range(s.draw(st.integers(1, 3))):
        protocol = upper_layers.TCP if s.choose(h.caps.segments) == "tcp" else upper_layers.UDP
        size = s.choose(SIZES)
        packet = super_packet(s, version, protocol, size)
        h.enters("plain", packet, AS_SINGLES, segment=size, way=s.draw(st.sampled_from(("", *ways))))
    h.counters(PASSED_NOT_COUNTED)


@check(SELECTION, CONSULTED, weight=2.0, proved_by=("xfrm-way-mark-is-lost-in-the-tunnel",))
def marked(s: Scenario) -> None:
    """A mark stays with a packet on its way in, out of its SA and through the policies: it says which of two decides."""
    h = HostScenario(s)
    s.need("marks", h.caps.marks)
    sa = h.sa("in", mode="tunnel")
    plain = h.incoming(h.version_in(sa))
    value, mask = s.draw(st.sampled_from(((0x30, 0xFF), (0x30, 0xF0), (0x1030, 0xFFFFFFFF))))
    h.policy("forward", plain, about=CONSULTED, action="block", priority=1, mark=h.mark(value, mask))
    h.policy("forward", plain, h.template(sa), about=CONSULTED, priority=2)
    for number in range(1, s.draw(st.integers(2, 4))):
        mark = s.draw(st.sampled_from((0, *_MARKS)))
        h.enters("wire", s.peer(sa).protect(plain, number), CONSULTED, mark=mark)
    h.counters(SELECTION)


@check(SELECTION, CONSULTED, proved_by=("xfrm-way-own-packets-unmarked",))
def marked_of_its_own(s: Scenario) -> None:
    """What the host sends has the mark that its socket gives it, and none without."""
    h = HostScenario(s)
    s.need("marks", h.caps.marks)
    sa = h.sa("out", mode=s.caps.modes)
    packet = h.of_ours(sa)
    value, mask = s.draw(st.sampled_from(((0x30, 0xF0), (1, 1), (0x1030, 0xFFFFFFFF))))
    h.policy("out", packet, about=CONSULTED, action="block", priority=1, mark=h.mark(value, mask))
    h.policy("out", packet, h.template(sa), about=CONSULTED, priority=2)
    for _ in range(s.draw(st.integers(1, 3))):
        h.enters("local", packet, CONSULTED, mark=s.draw(st.sampled_from((0, *_MARKS))))
    h.counters(SELECTION)
