"""What is around ESP: tunnel headers, transport headers, ECN and UDP, as a sender makes them and a receiver takes them.

What a sender may choose is not put to the test: identification, flow label, and the hop limit where an implementation
has its own. The fields of a tunnel header count where the step's requirement is about them (`judge.OUTER_FIELDS`).

Inner packets that should come out are built here from their fields, not derived from those that went in: what RFC 6040
figure 4 makes of an ECN field is written down once more, row by row.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from espproof.adapters.case import (
    Case,
    Delivered,
    Dropped,
    Inbound,
    Octets,
    Outbound,
    Outcome,
    Passed,
    Sa,
    Sent,
    SequenceNumber,
    Step,
    UdpEncapsulation,
)
from espproof.conformance.requirements.ids import ACCEPTED, BYPASS, ECN_DROP, INCREMENT
from espproof.conformance.vectors.made import Made, Vector, arrive, protect
from espproof.conformance.vectors.suites import SUITES, octets
from espproof.reference import ip, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION

FLAGS = {
    "outer-field": "A field of the tunnel header is not made as the SA says. DSCP, DF and ECN of the inner packet are "
    "lost, or told to everybody on the way although the SA forbids it.",
    "outer-extras": "Options or extension headers of the outer header confuse the receiver, or a sender copies the inner "
    "ones: packets are lost on paths that use them, or inner options show outside.",
    "lengths": "Every residue of the payload's length modulo the block: padding that is one octet off stops traffic of "
    "some sizes only.",
    "padding": "More padding than needed, and octets behind the inner packet, are a sender's right: a receiver that knows "
    "only its own sender's amount drops the traffic of others, or delivers the padding.",
    "inner-kept": "Something of the outer header gets into the inner packet, which must come out as it went in.",
    "options": "ESP in transport mode stands behind IPv4 options and IPv6 extension headers: a fixed header length puts "
    "it into the middle of them.",
    "ecn-figure-4": "ECN of the outer header is not combined as RFC 6040 says: marks of congestion are lost, or sent to "
    "those who do not understand them.",
    "udp": "ESP in UDP is told from IKE and keepalives by its first octets and not by its ports' values; whoever looks at "
    "the wrong ones stops traffic behind every NAT.",
}

NORMAL, SMALL = SUITES["cbc128-sha256"], SUITES["gcm16"]
BEGIN = 0x0051_6274
"""The last number before those of these vectors."""

V4 = {"source": "192.0.2.33", "destination": "198.51.100.71"}
V6 = {"source": "2001:db8:1::2a", "destination": "2001:db8:2::3b"}
FAMILIES = {"4in4": (4, V4), "6in4": (6, V4), "4in6": (4, V6), "6in6": (6, V6)}
TRANSPORT = {
    4: {"mode": "transport", "source": "10.1.2.3", "destination": "10.77.8.9"},
    6: {
        "mode": "transport",
        "source": "2001:db8:a:102:304:506:708:90a",
        "destination": "2001:db8:a:1112:1314:1516:1718:191a",
    },
}

DSCP = {4: "RFC4301-5.1.2.1-dscp", 6: "RFC4301-5.1.2.2-dscp"}
DSCP_FIXED = "RFC4301-5.1.2-dscp-fixed"
DF, DF_COPY = "RFC4301-8.1-df", "RFC4301-8.1-df-copy"
ECN_OUT = {"normal": "RFC6040-4.1-ecn-outbound", "compatibility": "RFC6040-4.1-ecn-compatibility"}
HOP_LIMIT = {4: "RFC4301-5.1.2.1-ttl", 6: "RFC4301-5.1.2.2-hop-limit"}
NOT_COPIED = {4: "RFC4301-5.1.2.1-options-not-copied", 6: "RFC4301-5.1.2.2-extensions-not-copied"}
INNER, RESTORED = "RFC4303-3.1.2-inner-unchanged", "RFC4303-3.1.2-restored"
OUTER_DSCP = "RFC4301-5.1.2-outer-dscp-discarded"
PADDING, TFC = "RFC4303-2.5-pad-length-range", "RFC4303-2.7-tfc-discarded"
HEADER, REBUILT, EXTENSIONS = "RFC4303-3.1.1-header", "RFC4303-3.1.1-restored", "RFC4303-3.1.1-extensions"
FIGURE_4 = (
    "RFC6040-4.2-figure-4-not-ect", "RFC6040-4.2-figure-4-ect1", "RFC6040-4.2-figure-4-ect0", "RFC6040-4.2-figure-4-ce"
)  # fmt: skip
"""By the inner field's value."""
UDP_HEADER, UDP_PORTS = "RFC3948-2.1-udp-header", "RFC3948-2.1-ports"
NOT_RELIED_ON, KEEPALIVE, MARKER = (
    "RFC3948-2.1-checksum-not-relied-on", "RFC3948-2.3-keepalive", "RFC3948-2.2-non-esp-marker"
)  # fmt: skip

ROUTER_ALERT = bytes.fromhex("9404000001010100")
"""Eight octets of IPv4 options, none of which changes on the way or at its end."""
HOP_BY_HOP = (0, ip.options_header(bytes.fromhex("05020000")))
ROUTING = (43, ip.routing_header(4, 0, bytes(4) + bytes.fromhex("20010db8000900090009000900090009")))
DESTINATION = (60, ip.options_header(bytes.fromhex("1e03a1b2c3")))
ATOMIC = (44, ip.fragment_header(0, 0x5A71_33D9, more=False))


@dataclass(frozen=True, slots=True)
class Inner:
    """An IP packet between two hosts, by its fields; `octets` builds it."""

    version: int = 4
    name: str = "header"
    length: int = 9
    traffic_class: int = 0
    dont_fragment: bool = False
    options: bytes = b""
    extensions: tuple[tuple[int, bytes], ...] = ()
    hop_limit: int = 61
    protocol: int = 253  # for experiments (RFC 3692): no checksum that somebody might repair

    def octets(self) -> bytes:
        payload = octets(f"payload {self.name}", self.length)
        source, destination = _ends(self.version)
        if self.version == 4:
            return ip.build_ipv4(
                source, destination, self.protocol, payload, tos=self.traffic_class, identification=0x5A71,
                dont_fragment=self.dont_fragment, ttl=self.hop_limit, options=self.options,
            )  # fmt: skip
        first, chain = ip.chain(self.extensions, self.protocol)
        return ip.build_ipv6(
            source, destination, first, chain + payload, traffic_class=self.traffic_class, flow_label=0x51A2B,
            hop_limit=self.hop_limit,
        )  # fmt: skip


def _ends(version: int) -> tuple[bytes, bytes]:
    if version == 4:
        return bytes([10, 1, 2, 3]), bytes([10, 77, 8, 9])
    prefix = bytes.fromhex("20010db8000a")
    return prefix + bytes.fromhex("0102030405060708090a"), prefix + bytes.fromhex("1112131415161718191a")


# ------------------------------------------------------------------------------------------------------------ sentences


def sending(sa: Sa, packets: Iterable[tuple[Inner, str, str]]) -> tuple[tuple[Made, ...], tuple[Step, ...]]:
    """Packets with what each puts to the test and a note; what the sender makes of them is expected."""
    made, steps = [], []
    for number, (inner, about, note) in enumerate(packets, int(sa.sequence) + 1):
        one = protect(sa, number, inner.octets())
        iv = Octets(one.iv) if ENCRYPTION[sa.encr].iv_size else None
        step = Outbound(
            sa=sa.name, packet=Octets(one.inner), iv=iv, requirement=about, expect=Sent(packet=one.packet), note=note
        )
        made.append(one)
        steps.append(step)
    return tuple(made), tuple(steps)


def delivered(made: Made, about: str, note: str, inner: bytes | None = None) -> Inbound:
    """It arrives and comes out as `inner`, or as it was before."""
    packet = Octets(made.inner if inner is None else inner)
    return arrive(made, about, Delivered(packet=packet, sa=made.sa.name), note)


def case(
    name: str, title: str, sas: tuple[Sa, ...], steps: Iterable[Step], flags: tuple[str, ...], source: str
) -> Case:
    given = tuple(steps)
    return Case(
        version=1,
        id=name,
        title=title,
        requirements=tuple(dict.fromkeys(step.requirement for step in given if step.requirement)),
        flags=flags,
        source=f"espproof, after {source}",
        sas=sas,
        steps=given,
    )


def sender(fields: dict[str, Any], suite: Any = NORMAL) -> Sa:
    sa: Sa = suite.sa(direction="out", sequence=SequenceNumber(BEGIN), **fields)
    return sa


def receiver(fields: dict[str, Any], suite: Any = NORMAL) -> Sa:
    sa: Sa = suite.sa(direction="in", sequence=SequenceNumber(BEGIN), **fields)
    return sa


def around(made: Made, packet: bytes) -> Made:
    """The same ESP packet in other headers."""
    return replace(made, packet=Octets(packet))


# -------------------------------------------------------------------------------------------------------------- tunnels


def tunnels() -> Iterator[Vector]:
    for family, (version, outer) in FAMILIES.items():
        out = 4 if outer is V4 else 6
        marked = [(Inner(version, traffic_class=tos << 2), DSCP[out], f"DSCP {tos}") for tos in (46, 0, 63, 1)]
        yield _sent(f"tunnel-{family}-dscp-copied", "The inner DSCP is copied", outer, marked)
        fixed = [(one, DSCP_FIXED, note) for one, _, note in marked]
        yield _sent(f"tunnel-{family}-dscp-fixed", "The outer DSCP is the SA's", outer | {"dscp": 42}, fixed)
        extras = (
            Inner(version, options=ROUTER_ALERT) if version == 4 else Inner(6, extensions=(HOP_BY_HOP, DESTINATION))
        )
        yield _sent(
            f"tunnel-{family}-extras-inside", "Options and extension headers of the inner packet stay inside",
            outer, [(extras, NOT_COPIED[out], "with them"), (Inner(version), NOT_COPIED[out], "without")],
            "outer-extras",
        )  # fmt: skip
        yield _sent(
            f"tunnel-{family}-hop-limit", "The outer hop limit is the SA's", outer | {"hop_limit": 37},
            [(Inner(version, hop_limit=one), HOP_LIMIT[out], f"inner {one}") for one in (61, 1, 255)],
        )  # fmt: skip
        for suite in (NORMAL, SMALL):
            sizes = [(Inner(version, length=size), INNER, f"{size} octets of payload") for size in range(17)]
            yield _sent(
                f"tunnel-{family}-lengths-{suite.name}", "Lengths with each amount of padding", outer, sizes, "lengths",
                suite=suite,
            )  # fmt: skip
        yield _received(family, version, outer)
    for df in ("copy", "set", "clear"):
        about = DF_COPY if df == "copy" else DF
        bits = [(Inner(dont_fragment=bit), about, f"inner DF {int(bit)}") for bit in (True, False)]
        yield _sent(f"tunnel-4in4-df-{df}", f"DF: {df}", V4 | {"df": df}, bits)


def _sent(
    name: str, title: str, fields: dict[str, Any], packets: list[tuple[Inner, str, str]], flag: str = "outer-field",
    source: str = "RFC 4301 5.1.2", suite: Any = NORMAL,
) -> Vector:  # fmt: skip
    sa = sender(fields, suite)
    made, steps = sending(sa, packets)
    return Vector(case(name, title, (sa,), steps, (flag,), source), made)


def _received(family: str, version: int, outer: dict[str, Any]) -> Vector:
    """Outer headers of all kinds around inner packets that come out as they were."""
    sa = receiver(outer)
    inner = Inner(version, traffic_class=10 << 2)
    made = [protect(sa, BEGIN + number, inner.octets()) for number in range(1, 8)]
    steps = [delivered(made[0], RESTORED, "the plain header")]
    made[1] = around(made[1], ip.with_traffic_class(made[1].packet, 46 << 2))
    steps.append(delivered(made[1], OUTER_DSCP, "another DSCP outside"))
    made[2] = around(made[2], made[2].packet + octets("padding of the link", 6))
    steps.append(delivered(made[2], ACCEPTED, "padding of the link behind the packet"))
    esp = [ip.parse(one.packet).payload for one in made]
    source, destination = ip.parse(made[0].packet).source, ip.parse(made[0].packet).destination
    if outer is V4:
        made[3] = around(made[3], ip.build_ipv4(source, destination, 50, esp[3], ttl=1, identification=0xFFFF))
        made[4] = around(made[4], ip.build_ipv4(source, destination, 50, esp[4], options=ROUTER_ALERT))
        made[5] = around(made[5], ip.build_ipv4(source, destination, 50, esp[5], options=bytes([1]) * 39 + b"\0"))
        made[6] = around(made[6], ip.build_ipv4(source, destination, 50, esp[6], dont_fragment=True, tos=40))
        notes = ("TTL 1", "eight octets of options", "forty octets of options", "DF")
    else:
        made[3] = around(made[3], ip.build_ipv6(source, destination, 50, esp[3], hop_limit=1, flow_label=0xFFFFF))
        for at, headers in ((4, (HOP_BY_HOP,)), (5, (HOP_BY_HOP, DESTINATION, ROUTING)), (6, (ATOMIC, DESTINATION))):
            first, chain = ip.chain(headers, 50)
            made[at] = around(made[at], ip.build_ipv6(source, destination, first, chain + esp[at]))
        notes = ("hop limit 1", "hop-by-hop options", "three extension headers", "an atomic fragment")
    steps += [delivered(one, RESTORED, note) for one, note in zip(made[3:], notes, strict=True)]
    title = "Outer headers of all kinds, and the inner packet as it was"
    flags = ("outer-extras", "inner-kept")
    return Vector(case(f"tunnel-{family}-received", title, (sa,), steps, flags, "RFC 4301 5.1.2"), tuple(made))


# ------------------------------------------------------------------------------------------------- padding of both kinds


def paddings() -> Iterator[Vector]:
    """Every legal amount of padding (RFC 4303 2.4), and TFC padding of any octets (2.7), as others may send them."""
    for family, (version, outer) in FAMILIES.items():
        for suite in (NORMAL, SMALL):
            block = max(4, ENCRYPTION[suite.encr].block_size)
            inner = Inner(version, name="padding", length={4: 11, 6: 7}[version]).octets()  # 255 octets fill a block
            least = -(len(inner) + 2) % block
            sizes = range(least, 256, max(block, 16))
            texts = [(b"", size, f"{size} octets of padding") for size in sizes]
            yield _padded(
                f"padding-{family}-{suite.name}-lengths", "Every amount of padding", outer, suite, inner, texts
            )
            texts = [
                (octets(f"tfc {size}", size), -(len(inner) + size + 2) % block, f"{size} octets of TFC padding")
                for size in (1, 2, 3, 7, 64, 1000)
            ]
            yield _padded(
                f"padding-{family}-{suite.name}-tfc", "TFC padding is thrown away", outer, suite, inner, texts
            )


def _padded(
    name: str, title: str, outer: dict[str, Any], suite: Any, inner: bytes, texts: list[tuple[bytes, int, str]]
) -> Vector:
    sa, next_header = receiver(outer, suite), {4: 4, 6: 41}[inner[0] >> 4]
    made = tuple(
        protect(sa, number, inner, plaintext=inner + tfc + bytes(range(1, size + 1)) + bytes([size, next_header]))
        for number, (tfc, size, _) in enumerate(texts, BEGIN + 1)
    )
    steps = [
        delivered(one, TFC if tfc else PADDING, note) for one, (tfc, _, note) in zip(made, texts, strict=True)
    ]  # fmt: skip
    return Vector(case(name, title, (sa,), steps, ("padding",), "RFC 4303 2.4 and 2.7"), made)


# ------------------------------------------------------------------------------------------------------------ transport


def transports() -> Iterator[Vector]:
    kinds = {
        "plain": (Inner(4, length=20), Inner(6, length=20)),
        "fields": (
            Inner(4, traffic_class=0xB9, dont_fragment=True, hop_limit=255), Inner(6, traffic_class=0xB9, hop_limit=1)
        ),
        "options": (Inner(4, options=ROUTER_ALERT), Inner(6, extensions=(HOP_BY_HOP,))),
        "many-options": (Inner(4, options=bytes([1]) * 40), Inner(6, extensions=(HOP_BY_HOP, ROUTING))),
        "empty": (Inner(4, length=0), Inner(6, length=0)),
    }  # fmt: skip
    for kind, inners in kinds.items():
        for inner in inners:
            yield from _both_ways(kind, inner)
    for version in (4, 6):
        for suite in (NORMAL, SMALL):
            sa = sender(TRANSPORT[version], suite)
            sizes = [(Inner(version, length=size), HEADER, f"{size} octets of payload") for size in range(17)]
            made, steps = sending(sa, sizes)
            name = f"transport-v{version}-lengths-{suite.name}"
            title = "Lengths with each amount of padding"
            yield Vector(case(name, title, (sa,), steps, ("lengths",), "RFC 4303 3.1.1"), made)
    for place, front in (("before", (HOP_BY_HOP, DESTINATION)), ("atomic", (ATOMIC,))):
        yield _in_front(place, front)


def _both_ways(kind: str, inner: Inner) -> Iterator[Vector]:
    name, fields = f"transport-v{inner.version}-{kind}", TRANSPORT[inner.version]
    about = EXTENSIONS if inner.extensions else HEADER
    out, into = sender(fields), receiver(fields)
    made, steps = sending(out, [(inner, about, kind), (replace(inner, name="another"), about, "another")])
    title = "A packet of the host itself"
    yield Vector(case(f"{name}-outbound", title, (out,), steps, ("options",), "RFC 4303 3.1.1"), made)
    arrived = tuple(replace(one, sa=into) for one in made)
    back = [delivered(one, REBUILT, kind) for one in arrived]
    yield Vector(case(f"{name}-inbound", title, (into,), back, ("options",), "RFC 4303 3.1.1"), arrived)


def _in_front(place: str, headers: tuple[tuple[int, bytes], ...]) -> Vector:
    """Extension headers that a sender of ours does not put in front of ESP, but another may."""
    sa = receiver(TRANSPORT[6])
    one, two = (protect(sa, BEGIN + number, Inner(6, name=place).octets()) for number in (1, 2))
    parsed = ip.parse(one.packet)
    first, chain = ip.chain(headers, 50)
    outside = ip.build_ipv6(parsed.source, parsed.destination, first, chain + parsed.payload, flow_label=0x51A2B,
                            hop_limit=61)  # fmt: skip
    moved = around(one, outside)
    first, chain = ip.chain(headers, 253)
    inside = ip.build_ipv6(parsed.source, parsed.destination, first, chain + octets(f"payload {place}", 9),
                           flow_label=0x51A2B, hop_limit=61)  # fmt: skip
    steps = (delivered(moved, REBUILT, "behind them", inside), delivered(two, ACCEPTED, "without"))
    title = "Extension headers in front of ESP stay where they are"
    name = f"transport-v6-{place}-inbound"
    return Vector(case(name, title, (sa,), steps, ("options",), "RFC 4303 3.1.1"), (moved, two))


# ------------------------------------------------------------------------------------------------------------------ ECN

NOT_ECT, ECT_1, ECT_0, CE = range(4)
DROP = None
_AFTER: dict[int, dict[int, int | None]] = {
    # by the inner field: what it leaves with behind each outer one
    NOT_ECT: {NOT_ECT: NOT_ECT, ECT_0: NOT_ECT, ECT_1: NOT_ECT, CE: DROP},
    ECT_0: {NOT_ECT: ECT_0, ECT_0: ECT_0, ECT_1: ECT_1, CE: CE},
    ECT_1: {NOT_ECT: ECT_1, ECT_0: ECT_1, ECT_1: ECT_1, CE: CE},
    CE: {NOT_ECT: CE, ECT_0: CE, ECT_1: CE, CE: CE},
}
_NAMES = {NOT_ECT: "not-ect", ECT_1: "ect1", ECT_0: "ect0", CE: "ce"}


def ecn() -> Iterator[Vector]:
    for family, (version, outer) in FAMILIES.items():
        for inner, row in _AFTER.items():
            yield _figure_4(f"ecn-{family}-{_NAMES[inner]}", version, outer, inner, row)
        for mode, about in ECN_OUT.items():
            marks = [
                (Inner(version, traffic_class=21 << 2 | field), about, f"inner {_NAMES[field]}") for field in _NAMES
            ]
            yield _sent(
                f"ecn-{family}-{mode}-outbound", f"ECN of the outer header in {mode} mode", outer | {"ecn": mode}, marks,
                "ecn-figure-4", "RFC 6040 4.1",
            )  # fmt: skip


def _figure_4(name: str, version: int, outer: dict[str, Any], inner: int, row: dict[int, int | None]) -> Vector:
    sa = receiver(outer)
    made, steps = [], []
    for number, (field, after) in enumerate(row.items(), BEGIN + 1):
        before = Inner(version, traffic_class=21 << 2 | inner)
        one = protect(sa, number, before.octets())
        one = around(one, ip.with_traffic_class(one.packet, 8 << 2 | field))
        note = f"inner {_NAMES[inner]}, outer {_NAMES[field]}"
        made.append(one)
        if after is DROP:
            steps.append(arrive(one, ECN_DROP, Dropped(), note))
        else:
            whole = replace(before, traffic_class=21 << 2 | after).octets()
            steps.append(delivered(one, FIGURE_4[inner], note, whole))
    title = f"Figure 4 of RFC 6040, inner {_NAMES[inner]}"
    return Vector(case(name, title, (sa,), steps, ("ecn-figure-4",), "RFC 6040 4.2"), tuple(made))


# ------------------------------------------------------------------------------------------------------------------ UDP


def udp() -> Iterator[Vector]:
    for version, outer in ((4, V4), (6, V6)):
        for mode, fields in (("tunnel", outer), ("transport", TRANSPORT[version])):
            for source, destination in ((4500, 4500), (21_930, 4500), (4500, 40_961)):
                ports = UdpEncapsulation(source_port=source, destination_port=destination)
                yield from _encapsulated(version, mode, fields, ports)
        yield _told_apart(version, outer)


def _encapsulated(version: int, mode: str, fields: dict[str, Any], ports: UdpEncapsulation) -> Iterator[Vector]:
    name = f"udp-v{version}-{mode}-{ports.source_port}-{ports.destination_port}"
    out, into = sender(fields | {"udp": ports}), receiver(fields | {"udp": ports})
    title = f"ESP in UDP between ports {ports.source_port} and {ports.destination_port}"
    about = (UDP_HEADER, UDP_PORTS, INCREMENT)
    packets = [
        (Inner(version, length=size), rule, f"{size} octets") for rule, size in zip(about, (9, 10, 64), strict=True)
    ]
    made, steps = sending(out, packets)
    yield Vector(case(f"{name}-outbound", title, (out,), steps, ("udp",), "RFC 3948 2.1"), made)
    arrived = tuple(replace(one, sa=into) for one in made)
    back = [delivered(one, UDP_HEADER, note) for one, (_, _, note) in zip(arrived, packets, strict=True)]
    yield Vector(case(f"{name}-inbound", title, (into,), back, ("udp",), "RFC 3948 2.1"), arrived)


def _told_apart(version: int, outer: dict[str, Any]) -> Vector:
    """What else comes to the port of ESP: keepalives and IKE; a checksum or none; a NAT that changes its mind."""
    sa = receiver(outer | {"udp": UdpEncapsulation()})
    made = [protect(sa, BEGIN + number, Inner(version, name="udp").octets()) for number in range(1, 7)]
    source, destination = ip.parse(made[0].packet).source, ip.parse(made[0].packet).destination
    esp = [ip.parse(one.packet).payload[8:] for one in made]

    def datagram(
        payload: bytes, *, port: int = 4500, to: int = 4500, checksum: str = "right", behind: bytes = b""
    ) -> bytes:
        whole = udp_encapsulation.wrap(port, to, payload, (source, destination))
        whole = (whole[:6] + bytes(2) + whole[8:] if checksum == "zero" else whole) + behind
        if version == 4:
            return ip.build_ipv4(source, destination, 17, whole)
        return ip.build_ipv6(source, destination, 17, whole)

    def other(packet: bytes, about: str, expect: Outcome, note: str) -> Inbound:
        return Inbound(packet=Octets(packet), requirement=about, expect=expect, note=note)

    changes: list[dict[str, Any]] = [{}, {"port": 61_001}, {"behind": b"\0\0\0"}]
    changes += [{"checksum": "zero"} if version == 4 else {}, {}, {}]
    made = [around(one, datagram(two, **change)) for one, two, change in zip(made, esp, changes, strict=True)]
    ike = udp_encapsulation.NON_ESP_MARKER + octets("ike", 28)
    steps = [
        delivered(made[0], NOT_RELIED_ON, "a right checksum"),
        other(datagram(b"\xff"), KEEPALIVE, Dropped(), "a keepalive"),
        delivered(made[1], ACCEPTED, "from another port, as behind a NAT"),
        other(datagram(ike), MARKER, Passed(to="ike"), "IKE behind its marker"),
        delivered(made[2], UDP_HEADER, "octets behind the datagram"),
        other(datagram(bytes(4)), MARKER, Passed(to="ike"), "the marker alone"),
        delivered(made[3], NOT_RELIED_ON, "a checksum of zero" if version == 4 else "and on"),
        other(datagram(b"\xff"), KEEPALIVE, Dropped(), "another keepalive"),
        other(datagram(esp[5], to=4501), BYPASS, Passed(to="bypass"), "the next ESP packet, to another port"),
        delivered(made[4], NOT_RELIED_ON, "a right checksum again"),
        delivered(made[5], ACCEPTED, "which was not ESP there, and is here"),
    ]
    title = "Keepalives and IKE beside ESP in UDP"
    name = f"udp-v{version}-told-apart"
    return Vector(case(name, title, (sa,), steps, ("udp",), "RFC 3948 2"), tuple(made))
