"""Packets that come together, and ciphers that finish later: each packet fares as if it had come alone."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Lifetime, Sa, Side
from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import (
    AFTER_ICV,
    BURST,
    DROPPED_COUNTED_ONCE,
    DUPLICATE,
    IN_THE_CLEAR,
    INCREMENT,
    KEEPALIVE,
    LEFT,
    MARKER,
    MERGED,
    NEXT_SUBSPACE,
    NO_CYCLE,
    PASSED_NOT_COUNTED,
    counter_rule,
)
from espproof.conformance.strategies import packets, upper_layers
from espproof.reference import ip, udp_encapsulation
from espproof.reference.xfrm.segmentation import segments

SEQ, PROTO = counter_rule("XfrmInStateSeqError"), counter_rule("XfrmInStateProtoError")
INVALID, OUT_INVALID = counter_rule("XfrmInStateInvalid"), counter_rule("XfrmOutStateInvalid")
OUT_PROTO = counter_rule("XfrmOutStateProtoError")
AS_SINGLES = "LINUX.segmentation_offloads-gso-as-singles"
_CROWD = 120
"""Packets each way: fewer than a device keeps that is not read meanwhile."""
_PROTOCOLS = (packets.EXPERIMENTAL, packets.EXPERIMENTAL + 1)


def _receiver(h: HostScenario, about: str, protocol: int = packets.EXPERIMENTAL, **fixed: Any) -> tuple[Sa, int]:
    """An SA in tunnel mode with anti-replay, the policy that lets its packets of a protocol through, and their version."""
    sizes = tuple(size for size in h.s.windows() if size)
    h.s.need("anti-replay", sizes)
    sa = h.sa("in", **{"mode": "tunnel", "replay_window": sizes, **fixed})
    version = h.version_in(sa)
    packet = h.incoming(version)
    h.policy("forward", packet, h.template(sa), about=about, selector=h.selector(packet, protocol=protocol))
    return sa, version


def _sender(h: HostScenario, about: str, protocol: int = packets.EXPERIMENTAL, **fixed: Any) -> tuple[Sa, int]:
    """An SA in tunnel mode, the policy that leads packets of a protocol to it, and their version."""
    sa = h.sa("out", **{"mode": "tunnel", **fixed})
    version = h.version_in(sa)
    packet = h.outgoing(version)
    h.policy("out", packet, h.template(sa), about=about, selector=h.selector(packet, protocol=protocol))
    return sa, version


def _plenty(s: Scenario, *, wraps: bool = True) -> dict[str, Any]:
    """Where an outbound SA starts so that no burst comes to the end of its numbers: who gets the last ones is a matter of
    order, which nobody promises where two processors take packets. With `wraps` the low half may begin anew."""
    esn = s.choose(s.caps.esn)
    starts = (0, 0x1A5, 2**31 - 3, *((2**32 - 3, 2**33 - 2) if esn and wraps else ()))
    return {"esn": esn, "sequence": s.draw(st.sampled_from(starts)) if s.caps.set_sequence else 0}


def _wire(arriving: Iterable[bytes]) -> list[tuple[Side, bytes]]:
    return [("wire", packet) for packet in arriving]


def _completions(s: Scenario, count: int) -> tuple[int, ...]:
    """The places of a burst in any order."""
    return tuple(s.draw(st.permutations(range(count))))


# ---------------------------------------------------------------------------------------------------------- together


@check(
    BURST,
    DUPLICATE,
    DROPPED_COUNTED_ONCE,
    SEQ,
    PROTO,
    weight=3.0,
    proved_by=(
        "xfrm-burst-rest-behind-a-bad-one",
        "xfrm-burst-sa-of-the-first",
        "xfrm-burst-last-not-looked-for",
        "xfrm-burst-duplicate-inside",
        "xfrm-burst-counted-once-for-all",
    ),
)
def together_in(s: Scenario) -> None:
    """Packets of two SAs, right, twice, forged, of nobody and plain, in bursts: each as if it had come alone."""
    h = HostScenario(s)
    two = [_receiver(h, BURST, protocol) for protocol in _PROTOCOLS]
    plain = h.incoming(two[0][1], protocol=17)
    number = 0
    for _ in range(s.draw(st.integers(1, 3))):
        arriving: list[bytes] = []
        kind_of_each = st.sampled_from(("right", "right", "twice", "forged", "nobody", "plain"))
        kinds = s.draw(st.lists(kind_of_each, min_size=2, max_size=8))
        for kind in kinds:
            which = s.draw(st.integers(0, 1))
            sa, version = two[which]
            number += 1
            inside = h.incoming(version, protocol=_PROTOCOLS[which], length=16 + number)
            right = s.peer(sa).protect(inside, number)
            arriving += {
                "right": [right],
                "twice": [right, right],
                "forged": [s.forge(right, sa)],
                "nobody": [s.peer_of(sa, spi=sa.spi ^ 0x0110).protect(inside, number)],
                "plain": [plain],
            }[kind]
        h.together(_wire(arriving), DUPLICATE if "twice" in kinds else BURST)
        h.counters(DROPPED_COUNTED_ONCE)
    sa, version = two[0]
    last = s.peer(sa).protect(h.incoming(version, protocol=_PROTOCOLS[0]), number + 1)
    h.together(_wire([last, last]), DUPLICATE)
    h.counters(SEQ)


@check(
    INCREMENT,
    IN_THE_CLEAR,
    PASSED_NOT_COUNTED,
    weight=2.0,
    proved_by=("xfrm-burst-one-number", "xfrm-burst-last-in-the-clear"),
)
def together_out(s: Scenario) -> None:
    """Packets for two SAs and for none, handed over together: all leave, each with a number of its own."""
    h = HostScenario(s)
    two = [_sender(h, INCREMENT, protocol, **_plenty(s)) for protocol in _PROTOCOLS]
    for _ in range(s.draw(st.integers(1, 3))):
        burst: list[tuple[Side, bytes]] = []
        for which in s.draw(st.lists(st.integers(0, 2), min_size=2, max_size=8)):
            version = two[which % 2][1]
            protocol = (*_PROTOCOLS, 17)[which]
            burst.append(("plain", h.outgoing(version, protocol=protocol, length=16 + len(burst))))
        h.together(burst, INCREMENT)
    h.counters(PASSED_NOT_COUNTED)


@check(BURST, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-burst-direction-of-the-last",))
def together_both_ways(s: Scenario) -> None:
    """What is to be protected and what was, in one burst."""
    h = HostScenario(s)
    _, version_out = _sender(h, BURST)
    back, version = _receiver(h, BURST)
    burst: list[tuple[Side, bytes]] = []
    for number, leaves in enumerate(s.draw(st.lists(st.booleans(), min_size=2, max_size=8)), 1):
        if leaves:
            burst.append(("plain", h.outgoing(version_out, length=16 + number)))
        else:
            burst.append(("wire", s.peer(back).protect(h.incoming(version, length=16 + number), number)))
    h.together(burst, BURST)
    h.counters(BURST)


@check(DUPLICATE, INCREMENT, SEQ, weight=0.2, proved_by=("xfrm-burst-duplicate-inside-of-many",))
def crowds(s: Scenario) -> None:
    """Hundreds of packets through one SA in and one out, each of the former twice: numbers and packets are there once."""
    h = HostScenario(s)
    sizes = tuple(size for size in s.windows() if size >= _CROWD)
    s.need(f"a window of {_CROWD}", sizes)
    back, version = _receiver(h, DUPLICATE, replay_window=sizes)
    _, version_out = _sender(h, DUPLICATE, **_plenty(s))
    behind = s.draw(st.integers(1, 40))
    burst: list[tuple[Side, bytes]] = []
    for number in range(1, _CROWD + 1):
        right = s.peer(back).protect(h.incoming(version, length=16 + number % 60), number)
        burst += [("wire", right), ("plain", h.outgoing(version_out, length=16 + number))]
        burst.insert(max(0, len(burst) - behind), ("wire", right))
    h.together(burst, DUPLICATE)
    h.counters(SEQ)
    h.together(burst[:3], INCREMENT)


@check(NO_CYCLE, counter_rule("XfrmOutStateSeqError"), proved_by=("xfrm-burst-numbers-checked-once",))
def numbers_end_inside(s: Scenario) -> None:
    """The last number is given inside of a burst: what comes behind it is discarded and counted."""
    h = HostScenario(s)
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(s.caps.esn)
    left = s.draw(st.integers(0, 3))
    _, version = _sender(h, NO_CYCLE, esn=esn, sequence=(2**64 if esn else 2**32) - 1 - left)
    h.together([("plain", h.outgoing(version))] * s.draw(st.integers(2, 5)), NO_CYCLE)
    h.counters(counter_rule("XfrmOutStateSeqError"))


# ------------------------------------------------------------------------------------------------------------ merging

_ORDERS = ("", "swapped", "lost", "twice")
_FIELDS = {
    "other flow": (1, 0x91),
    "other acknowledgement": (11, 0x55),
    "pushed": (13, 0x18),
    "other window": (15, 0x77),
}
"""Place of an octet in the TCP header, and another value."""
_CHANGES = (
    *_ORDERS,
    *_FIELDS,
    "other TTL",
    "wrong checksum",
    "shorter",
    "other identification",
    "acknowledgement alone",
)


def _segments(s: Scenario, version: int, ends: tuple[bytes, bytes]) -> list[bytes]:
    """TCP segments that could have been one, with something between them that must not be merged."""
    size = s.draw(st.sampled_from((100, 536, 1000)))
    parts = s.draw(st.integers(2, 6))
    last = s.draw(st.sampled_from((size, 1, size - 1)))
    front = bytes.fromhex("1f902710") + s.draw(st.sampled_from((0x01020304, 0xFFFFFF00))).to_bytes(4, "big")
    front += bytes.fromhex("0506070850") + bytes((s.draw(st.sampled_from((0x10, 0x18, 0x11))),))
    content = upper_layers.upper_layer(upper_layers.TCP, size * (parts - 1) + last, ends, front=front)
    recipe = packets.Recipe(
        version=version, protocol=upper_layers.TCP, content=content,
        identification=s.draw(st.sampled_from((0x1D2C, 0xFFFE))), dont_fragment=s.draw(st.booleans()),
    )  # fmt: skip
    run = segments(packets.build(recipe, *ends), size)
    return _changed(run, s.draw(st.integers(0, len(run) - 1)), s.draw(st.sampled_from(_CHANGES)))


def _changed(run: list[bytes], at: int, change: str) -> list[bytes]:
    """The segments, one of which is another, or elsewhere."""
    match change:
        case "swapped":
            return run[:at] + list(reversed(run[at : at + 2])) + run[at + 2 :]
        case "lost":
            return run[:at] + run[at + 1 :]
        case "twice":
            return run[: at + 1] + run[at:]
    return [*run[:at], _other(run[at], change), *run[at + 1 :]]


def _other(packet: bytes, change: str) -> bytes:
    tcp = 20 if packet[0] >> 4 == 4 else 40
    front = tcp + 20
    if change in _FIELDS:
        place, value = _FIELDS[change]
        return _with(packet, tcp + place, value)
    match change:
        case "other TTL":
            return ip.forwarded(packet)
        case "shorter":
            return _cut(packet, front + max(1, (len(packet) - front) // 2))
        case "acknowledgement alone":
            return _cut(packet, front)
        case "wrong checksum":
            return packet[:-1] + bytes((packet[-1] ^ 1,))
        case "other identification" if tcp == ip.IPV4_HEADER_SIZE:
            return ip.with_checksum(ip.with_field(packet[:tcp], ip.IPV4_IDENTIFICATION, 0x7777)) + packet[tcp:]
    return packet


def _with(packet: bytes, at: int, value: int) -> bytes:
    """The segment with one octet changed, and right checksums."""
    return _cut(packet[:at] + bytes((value,)) + packet[at + 1 :], len(packet))


def _cut(packet: bytes, length: int) -> bytes:
    """The first octets of a segment, with right lengths and checksums."""
    if packet[0] >> 4 == 6:
        cut = ip.with_field(packet[:length], ip.IPV6_PAYLOAD_LENGTH, length - 40)
    else:
        cut = ip.with_checksum(ip.with_field(packet[:20], ip.IPV4_TOTAL_LENGTH, length)) + packet[20:length]
    (whole,) = segments(cut, 65535)
    return whole


@check(MERGED, weight=4.0, proved_by=(
    "xfrm-burst-merged-with-any-flow", "xfrm-burst-merged-across-a-gap", "xfrm-burst-flags-of-the-first",
    "xfrm-burst-merged-whatever-the-ttl", "xfrm-burst-longer-behind-shorter",
))  # fmt: skip
def merged(s: Scenario) -> None:
    """TCP segments that come together out of a tunnel, with others between them: cut up again they are what came."""
    h = HostScenario(s)
    sa, version = _receiver(h, MERGED, upper_layers.TCP)
    ends = packets.hosts(version, "in")
    number = 0
    for _ in range(s.draw(st.integers(1, 2))):
        run = _segments(s, version, ends)
        arriving = [s.peer(sa).protect(one, number + at) for at, one in enumerate(run, 1)]
        number += len(run)
        h.together(_wire(arriving), MERGED)
    h.counters(PASSED_NOT_COUNTED)


@check(AS_SINGLES, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-burst-merged-and-sent-as-one",))
def merged_and_sent_on(s: Scenario) -> None:
    """Out of one tunnel and, merged or not, into another: as many packets as came, each with its own number."""
    h = HostScenario(s)
    back, version = _receiver(h, AS_SINGLES, upper_layers.TCP)
    out = h.sa("out", mode="tunnel", **_plenty(s, wraps=False))
    s.need("an SA for the same packets", version in s.versions(out))
    far = packets.hosts(version, "in")[0], _beyond(version)
    run = _segments(s, version, far)
    for direction, sa in (("forward", back), ("out", out)):
        h.policy(direction, run[0], h.template(sa), about=AS_SINGLES)  # type: ignore[arg-type]
    h.together(_wire(s.peer(back).protect(one, at) for at, one in enumerate(run, 1)), AS_SINGLES)
    h.counters(PASSED_NOT_COUNTED)


def _beyond(version: int) -> bytes:
    """A host behind the wire that nobody else is."""
    return ip_address(packets.GATEWAYS[version][1][1]).packed


@check(MARKER, KEEPALIVE, weight=2.0, proved_by=("xfrm-burst-ike-behind-esp", "xfrm-burst-keepalive-is-esp"))
def ike_among_esp(s: Scenario) -> None:
    """ESP in UDP with IKE's messages and keepalives of the same ports between: only these stay, and whole."""
    h = HostScenario(s)
    s.need("udp", s.caps.udp)
    sa, version = _receiver(h, MARKER, udp=True)
    arriving = []
    kinds = st.lists(st.sampled_from(("esp", "ike", "keepalive", "esp")), min_size=2, max_size=8)
    for number, kind in enumerate(s.draw(kinds), 1):
        if kind == "esp":
            arriving.append(s.peer(sa).protect(h.incoming(version, length=16 + number), number))
        elif kind == "ike":
            message = bytes.fromhex("1a2b3c4d5e6f7081") + bytes(
                range(number, number + s.draw(st.integers(20, 1300)) % 200)
            )
            arriving.append(s.peer(sa).datagram(udp_encapsulation.NON_ESP_MARKER + message))
        else:
            arriving.append(s.peer(sa).datagram(b"\xff"))
    h.together(_wire(arriving), MARKER)
    h.together(_wire([s.peer(sa).datagram(b"\xff")] * 2), KEEPALIVE)
    h.counters(PASSED_NOT_COUNTED)


# ---------------------------------------------------------------------------------------------------------- in flight


@check(DUPLICATE, SEQ, weight=2.0, proved_by=("xfrm-burst-no-recheck", "xfrm-burst-recheck-not-counted"))
def twice_in_flight(s: Scenario) -> None:
    """A number that is in flight twice is delivered once, whichever is done first; the other is counted."""
    h = HostScenario(s)
    sa, version = _receiver(h, DUPLICATE)
    right = [s.peer(sa).protect(h.incoming(version, length=16 + number), number) for number in (1, 2, 3)]
    chosen = s.draw(st.lists(st.sampled_from(right), min_size=2, max_size=6))
    h.together(_wire(chosen), DUPLICATE, completions=_completions(s, len(chosen)))
    h.counters(SEQ)


@check(AFTER_ICV, PROTO, weight=2.0, proved_by=("xfrm-burst-window-before-the-cipher",))
def forged_in_flight(s: Scenario) -> None:
    """A forged packet in flight takes its number from nobody, whatever is done first."""
    h = HostScenario(s)
    sa, version = _receiver(h, AFTER_ICV)
    arriving = []
    for number in s.draw(st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True)):
        right = s.peer(sa).protect(h.incoming(version, length=16 + number), number)
        arriving += [s.forge(right, sa), right] if s.draw(st.booleans()) else [right, s.forge(right, sa)]
    h.together(_wire(arriving), AFTER_ICV, completions=_completions(s, len(arriving)))
    h.counters(PROTO)


@check(LEFT, SEQ, weight=2.0, proved_by=("xfrm-burst-recheck-of-duplicates-alone",))
def left_behind_in_flight(s: Scenario) -> None:
    """What the window has passed while it was in flight is discarded."""
    h = HostScenario(s)
    sa, version = _receiver(h, LEFT)
    numbers = (1, 2, sa.replay_window, sa.replay_window + 1, 3 * sa.replay_window)
    chosen = s.draw(st.lists(st.sampled_from(numbers), min_size=2, max_size=5, unique=True))
    arriving = [s.peer(sa).protect(h.incoming(version), number) for number in chosen]
    h.together(_wire(arriving), LEFT, completions=_completions(s, len(arriving)))
    h.counters(SEQ)


@check(NEXT_SUBSPACE, weight=2.0, proved_by=("xfrm-burst-half-of-the-completion",))
def subspaces_in_flight(s: Scenario) -> None:
    """Numbers on both sides of a border of 2^32 in flight together: each has the high half that it had when it came."""
    h = HostScenario(s)
    s.need("ESN", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    border = s.draw(st.sampled_from((2**32, 2**33)))
    sa, version = _receiver(h, NEXT_SUBSPACE, esn=True, sequence=border - 5)
    chosen = s.draw(st.lists(st.integers(border - 4, border + 6), min_size=2, max_size=6, unique=True))
    arriving = [s.peer(sa).protect(h.incoming(version), number) for number in chosen]
    h.together(_wire(arriving), NEXT_SUBSPACE, completions=_completions(s, len(arriving)))
    h.counters(NEXT_SUBSPACE)


@check(INVALID, weight=2.0, proved_by=("xfrm-burst-delivered-for-a-deleted-sa", "xfrm-burst-beyond-the-limit"))
def ended_in_flight(s: Scenario) -> None:
    """What the cipher has of an SA that is deleted, or whose limit is reached, is discarded and counted. Whether the
    packet that reaches the limit passes is left open, and with it the counters."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    limit = s.draw(st.integers(0, 3)) if "packets" in s.caps.lifetimes else 0
    sa, version = _receiver(h, INVALID, lifetime=Lifetime(hard_packets=limit or None))
    count = s.draw(st.integers(2, 6))
    arriving = [s.peer(sa).protect(h.incoming(version, length=16 + number), number) for number in range(1, count + 1)]
    events: list[int | str] = list(_completions(s, count))
    if not limit:
        events.insert(s.draw(st.integers(0, count)), sa.name)
    h.together(_wire(arriving), INVALID, completions=tuple(events))
    if not limit:
        h.counters(INVALID)


@check(OUT_INVALID, IN_THE_CLEAR, proved_by=("xfrm-burst-without-the-outer",))
def outer_deleted_in_flight(s: Scenario) -> None:
    """A packet that is to have another SA around it, which is deleted meanwhile, does not leave."""
    h = HostScenario(s)
    s.need("delete_sa", s.caps.delete_sa)
    inner = h.sa("out", mode="tunnel")
    outer = h.sa("out", mode="tunnel", family=tuple({f"{inner_version(s, inner)}in{v}" for v in h.versions()}))
    packet = h.outgoing(h.version_in(inner))
    h.policy("out", packet, h.template(inner), h.template(outer), about=OUT_INVALID)
    count = s.draw(st.integers(1, 4))
    events: list[int | str] = list(_completions(s, count))
    events.insert(s.draw(st.integers(0, count)), outer.name)
    h.together([("plain", packet)] * count, OUT_INVALID, completions=tuple(events))
    h.counters(OUT_INVALID)


def inner_version(s: Scenario, sa: Sa) -> int:
    """The IP version of what an SA sends, which is what another around it carries."""
    return s.outer_version(sa)


@check(PROTO, OUT_PROTO, weight=2.0, proved_by=("xfrm-burst-full-not-counted", "xfrm-burst-full-in-the-clear"))
def queue_full(s: Scenario) -> None:
    """More than the cipher takes: what finds no room is discarded and counted, on both ways; later there is room again."""
    h = HostScenario(s)
    leaves = s.draw(st.booleans())
    about = OUT_PROTO if leaves else PROTO
    sa, version = (_sender if leaves else _receiver)(h, about)
    room = s.draw(st.integers(1, 3))
    number = 0
    for _ in range(2):
        burst: list[tuple[Side, bytes]] = []
        for _ in range(room + s.draw(st.integers(0, 3))):
            number += 1
            inside = (h.outgoing if leaves else h.incoming)(version, length=16 + number)
            burst.append(("plain", inside) if leaves else ("wire", s.peer(sa).protect(inside, number)))
        h.together(burst, about, room=room)
        h.counters(about)


@check(INCREMENT, IN_THE_CLEAR, weight=2.0, proved_by=("xfrm-burst-number-at-completion", "xfrm-burst-oldest-released"))
def sent_out_of_order(s: Scenario) -> None:
    """Ciphers that finish in any order: every packet leaves once, and no number twice."""
    h = HostScenario(s)
    _, version = _sender(h, INCREMENT, **_plenty(s))
    count = s.draw(st.integers(2, 6))
    burst: list[tuple[Side, bytes]] = [("plain", h.outgoing(version, length=16 + at)) for at in range(count)]
    h.together(burst, INCREMENT, completions=_completions(s, count))
    h.together(burst[:2], INCREMENT)
    h.counters(PASSED_NOT_COUNTED)


@check(DROPPED_COUNTED_ONCE, BURST, weight=3.0, proved_by=("xfrm-burst-dropped-twice-counted",))
def anything_in_flight(s: Scenario) -> None:
    """Everything at once, done in any order: nothing is lost uncounted, and nothing is delivered twice."""
    h = HostScenario(s)
    back, version = _receiver(h, BURST)
    _, version_out = _sender(h, BURST)
    number = 0
    for _ in range(s.draw(st.integers(1, 3))):
        burst: list[tuple[Side, bytes]] = []
        for kind in s.draw(st.lists(st.sampled_from(("right", "again", "forged", "out")), min_size=1, max_size=6)):
            number += kind != "again"
            if kind == "out":
                burst.append(("plain", h.outgoing(version_out, length=16 + number)))
                continue
            right = s.peer(back).protect(h.incoming(version, length=16 + number), max(number, 1))
            burst.append(("wire", s.forge(right, back) if kind == "forged" else right))
        h.together(burst, BURST, completions=_done_in_part(s, range(len(burst))))
        h.counters(DROPPED_COUNTED_ONCE)


def _done_in_part(s: Scenario, places: Sequence[int]) -> tuple[int, ...]:
    """Some of the places, in any order, one at least."""
    order = s.draw(st.permutations(places))
    return tuple(order[: s.draw(st.integers(1, len(order)))])
