"""One probe per value of each capability: a minimal case that tells the option from its absence.

`PROBES` has one entry per field of `Capabilities`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, get_args

from msgspec.structs import replace

from espproof.adapters import capabilities
from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import FIXED_DSCP, Capabilities
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Audit,
    Case,
    DeleteSa,
    Dropped,
    Lifetime,
    Octets,
    Outcome,
    ReadAudit,
    ReadState,
    Selector,
    SequenceNumber,
    State,
    Step,
    UdpEncapsulation,
)
from espproof.conformance.selfcheck.device_probes import device_probes
from espproof.conformance.selfcheck.host_probes import host_probes
from espproof.conformance.selfcheck.item import NotApplicable
from espproof.conformance.selfcheck.probe import Probe
from espproof.conformance.selfcheck.rig import ABOUT, Flow, Rig, arrives, case_of
from espproof.conformance.strategies import wire
from espproof.conformance.strategies.values import octets
from espproof.reference import ip, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP
from espproof.reference.errors import Malformed
from espproof.reference.esp import HEADER_SIZE, sequence_low, spi_of

LARGEST_WINDOW_WALKED = 1 << 20
"""Packets; above it the left edge itself is not tried, as the reference keeps a bit per packet."""


def all_probes(caps: Capabilities) -> Iterator[Probe]:
    for make in PROBES.values():
        yield from make(caps)


def _traffic(**options: Any) -> Callable[[Rig], Case]:
    """The plainest traffic on SAs with these options."""
    return lambda rig: rig.traffic(rig.flows(**options))


# -------------------------------------------------------------------------------------------------------- algorithms


def _encryption(caps: Capabilities) -> Iterator[Probe]:
    for name, entry in ENCRYPTION.items():
        for size in entry.key_sizes:
            declared = size in caps.encryption.get(name, ())
            yield Probe(f"encryption {name}-{8 * size}", declared, _traffic(encr=name, key_size=size))


def _integrity(caps: Capabilities) -> Iterator[Probe]:
    for name in INTEGRITY:
        if name != "NONE":
            yield Probe(f"integrity {name}", name in caps.integrity, _traffic(auth=name))


# ------------------------------------------------------------------------------------------------- modes and addresses


def _directions(caps: Capabilities) -> Iterator[Probe]:
    for direction in get_args(capabilities.Direction):

        def make(rig: Rig, direction: str = direction) -> Case:
            return rig.traffic([rig.flow(direction)])

        yield Probe(f"direction {direction}", direction in caps.directions, make)


def _modes(caps: Capabilities) -> Iterator[Probe]:
    for mode in get_args(capabilities.Mode):
        yield Probe(f"mode {mode}", mode in caps.modes, _traffic(mode=mode))


def _families(caps: Capabilities) -> Iterator[Probe]:
    """What is inside is a kind of packet, which no SA asks for; only the outer version can be refused with the SA."""
    for family in get_args(capabilities.Family):
        inner, outer = int(family[0]), int(family[3])
        other_inside = any(int(one[3]) == outer for one in caps.families)
        for mode in caps.modes:
            if mode == "tunnel" or inner == outer:
                options = {"mode": mode, "inner": inner, "outer": outer}
                declared = family in caps.families
                yield Probe(f"family {family} {mode}", declared, _traffic(**options), optional=other_inside)


def _udp(caps: Capabilities) -> Iterator[Probe]:
    for version in (4, 6):
        for mode in caps.modes:
            inner = [int(family[0]) for family in caps.families if int(family[3]) == version]
            if mode == "tunnel" and inner:
                make = _traffic(mode=mode, inner=inner[0], outer=version, udp=UdpEncapsulation())
            elif version in inner:
                make = _traffic(mode=mode, outer=version, udp=UdpEncapsulation())
            else:
                continue
            yield Probe(f"udp over IPv{version} {mode}", version in caps.udp, make)


def _udp_ports(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        rig.need("udp", caps.udp)
        ports = UdpEncapsulation(source_port=0x1234, destination_port=0x9C41)
        return rig.traffic(rig.flows(outer=caps.udp[0], udp=ports))

    yield Probe("udp_ports", caps.udp_ports, make)


# ---------------------------------------------------------------------------------------------------- sequence numbers


def _esn(caps: Capabilities) -> Iterator[Probe]:
    for esn in (False, True):
        start = (0x01020304 << 32 if esn else 0) + 0x0A0B0C0D if caps.set_sequence else 0
        what = "esn" if esn else "32-bit sequence numbers"
        yield Probe(what, esn in caps.esn, _traffic(esn=esn, sequence=SequenceNumber(start)))


def _set_sequence(caps: Capabilities) -> Iterator[Probe]:
    yield Probe("set_sequence", caps.set_sequence, _traffic(sequence=SequenceNumber(0x0A0B0C0D)))


def _sequence_start(caps: Capabilities) -> Iterator[Probe]:
    if caps.start_of("out"):

        def make(rig: Rig) -> Case:
            return rig.traffic([_out(rig)])

        yield Probe("sequence_start", True, make)


def _replay_windows(caps: Capabilities) -> Iterator[Probe]:
    windows = caps.replay_windows
    sizes = [32, 64, 33, 128]
    if windows is not None:
        step = windows.step
        sizes += [windows.minimum, windows.minimum + step, windows.maximum, windows.maximum - step]
        sizes += [windows.maximum + 1, windows.maximum + step]
    for size in dict.fromkeys(size for size in sizes if 0 < size <= 1 << 31):
        declared = windows is not None and windows.allows(size)
        yield Probe(f"replay window {size}", declared, _window(size))
    off = caps.replay_windows is None or caps.replay_windows.off
    yield Probe("replay window off", off, _no_window)


def _window(size: int) -> Callable[[Rig], Case]:
    """Both sides of the left edge, and a duplicate of each number that is in the window."""

    def make(rig: Rig) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        flow = rig.flow("in", replay_window=size)
        top = size + 11
        if size > LARGEST_WINDOW_WALKED:
            rig.need("32-bit sequence numbers", not flow.sa.esn)
            numbers = [top, top, top - 1, top - size]
        else:
            left = top - size + 1
            numbers = [top // 2 + 1, top, top, left, left, left - 1, top // 2 + 1]
        return case_of((flow,), *[flow.right(number) for number in numbers])

    return make


def _no_window(rig: Rig) -> Case:
    """Duplicates and old numbers are delivered."""
    rig.need("direction in", "in" in rig.caps.directions)
    rig.need("32-bit sequence numbers", False in rig.caps.esn)
    flow = rig.flow("in", esn=False, replay_window=0)
    return case_of((flow,), *[flow.right(number) for number in (5000, 5000, 1, 1, 5001)])


def _set_window(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        flow = rig.flow("in", sequence=SequenceNumber(50), received_offsets=(2, 5))
        rig.need("anti-replay", flow.sa.replay_window)
        return case_of((flow,), *[flow.right(number) for number in (48, 49, 45, 46, 50, 51)])

    yield Probe("set_window", caps.set_window, make)


def _resynchronise(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        rig.need("esn", True in caps.esn)
        flow = rig.flow("in", esn=True, resync_trigger=2, resync_limit=2)
        return case_of((flow,), flow.right(5), *[flow.right((1 << 32) + number) for number in (7, 8, 9)])

    yield Probe("resynchronise", caps.resynchronise, make)


# ---------------------------------------------------------------------------------------------------- outbound options


def _out(rig: Rig, **options: Any) -> Flow:
    rig.need("direction out", "out" in rig.caps.directions)
    return rig.flow("out", **options)


def _tunnel_out(rig: Rig, **options: Any) -> Flow:
    rig.need("mode tunnel", "tunnel" in rig.caps.modes)
    return _out(rig, mode="tunnel", **options)


def _set_iv(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        with_iv = [name for name, entry in ENCRYPTION.items() if entry.iv_size and name in caps.encryption]
        rig.need("an algorithm with an explicit IV", with_iv)
        flow = _out(rig, encr=with_iv[0])
        size = ENCRYPTION[flow.sa.encr].iv_size
        return case_of((flow,), *[flow.send(iv=Octets(octets(number, "iv", size))) for number in (3, 4)])

    yield Probe("set_iv", caps.set_iv, make)


def _tfc(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        flow = _tunnel_out(rig)
        return case_of((flow,), flow.send(tfc=33), flow.send(), flow.send(tfc=1))

    yield Probe("tfc", caps.tfc, make)


def _dummy(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        flow = _out(rig)
        return case_of((flow,), flow.send(dummy=True), flow.send())

    yield Probe("dummy", caps.dummy, make)


def _dscp(caps: Capabilities) -> Iterator[Probe]:
    for kind in ("copy", "fixed"):

        def make(rig: Rig, kind: str = kind) -> Case:
            flow = _tunnel_out(rig, dscp="copy" if kind == "copy" else FIXED_DSCP)
            return case_of((flow,), *[flow.send(flow.plain(traffic_class=dscp << 2)) for dscp in (46, 1, 0)])

        yield Probe(f"dscp {kind}", kind in caps.dscp, make)


def _ecn(caps: Capabilities) -> Iterator[Probe]:
    for kind in ("normal", "compatibility"):

        def make(rig: Rig, kind: str = kind) -> Case:
            rig.need("mode tunnel", "tunnel" in caps.modes)
            flows = rig.flows(mode="tunnel", ecn=kind)
            steps: list[Step] = []
            for flow in flows:
                if flow.sa.direction == "out":
                    steps += [flow.send(flow.plain(traffic_class=46 << 2 | ecn)) for ecn in (2, 1, 3)]
                else:
                    capable, not_capable = (flow.plain(traffic_class=46 << 2 | ecn) for ecn in (2, 0))
                    steps.append(arrives(wire.hop(flow.protected(1, capable), traffic_class=3)))
                    steps.append(arrives(wire.hop(flow.protected(2, not_capable), traffic_class=3)))
            return case_of(flows, *steps)

        # without any ECN at all the plain SA is accepted and the field is not looked at
        yield Probe(f"ecn {kind}", kind in caps.ecn, make, {"ecn": (kind,)}, optional=not caps.ecn)


def _df(caps: Capabilities) -> Iterator[Probe]:
    for kind in ("copy", "set", "clear"):

        def make(rig: Rig, kind: str = kind) -> Case:
            inner = 4 if kind == "copy" or "4in4" in caps.families else 6
            flow = _tunnel_out(rig, inner=inner, outer=4, df=kind)
            return case_of((flow,), *[flow.send(flow.plain(dont_fragment=df)) for df in (False, True)])

        yield Probe(f"df {kind}", kind in caps.df, make, {"df": (kind,)})


def _hop_limit(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        flows = [_tunnel_out(rig, index=index, hop_limit=limit) for index, limit in enumerate((77, 200))]
        return case_of(flows, *[flow.send(flow.plain(ttl=33)) for flow in flows])

    yield Probe("hop_limit", caps.hop_limit, make, {"hop_limit": True}, optional=True)


# ----------------------------------------------------------------------------------------------- SAD, life of an SA


def _lookup(caps: Capabilities) -> Iterator[Probe]:
    def plain(rig: Rig) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        return rig.traffic([rig.flow("in", lookup="spi")])

    def by_address(rig: Rig, kind: str) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        one, other = (rig.flow("in", index, lookup=kind) for index in (0, 1))
        ends = {"source": one.sa.source} if kind == "spi+destination" else {"destination": one.sa.destination}
        second = replace(other.sa, spi=one.sa.spi, **ends)
        other = Flow(second, other.version, type(other.peer)(second) if other.peer else None)
        return case_of((one, other), one.right(1), other.right(1), one.right(2), other.right(2))

    yield Probe("lookup spi", "spi" in caps.lookup, plain)
    for kind in ("spi+destination", "spi+destination+source"):
        yield Probe(f"lookup {kind}", kind in caps.lookup, partial(by_address, kind=kind))


def _selectors(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        flow = rig.flow("in")
        wanted, unwanted = flow.plain(protocol=253), flow.plain(protocol=254)
        chosen = replace(flow.sa, selectors=(Selector(protocol=253),))
        flow = Flow(chosen, flow.version, flow.peer)
        return case_of((flow,), flow.right(1, wanted), flow.right(2, unwanted), flow.right(3, wanted))

    yield Probe("selectors", caps.selectors, make)


def _lifetimes(caps: Capabilities) -> Iterator[Probe]:
    """Each limit ends an SA well behind it; just where is left open, and not judged."""

    def walk(rig: Rig, lifetime: Lifetime, sure: int, until: int, wait: int = 0) -> Case:
        flows = rig.flows(lifetime=lifetime)
        waiting: list[Step] = [AdvanceTime(seconds=wait, requirement=ABOUT)] if wait else []
        first = [step for flow in flows for step in _numbered(flow, range(1, until), sure)]
        last = [step for flow in flows for step in flow.carry((until, until + 1))]
        return case_of(flows, *first, *waiting, *last)

    limits: dict[str, Callable[[Rig], Case]] = {
        "packets": lambda rig: walk(rig, Lifetime(hard_packets=3), 2, 5),
        "octets": lambda rig: walk(rig, Lifetime(hard_octets=400), 1, 40),
        "seconds": lambda rig: walk(rig, Lifetime(hard_seconds=50), 1, 2, 100),
    }
    for kind, make in limits.items():
        yield Probe(f"lifetime {kind}", kind in caps.lifetimes, make)


def _numbered(flow: Flow, numbers: range, sure: int) -> list[Step]:
    """Packets of which only the first ones are judged."""
    return [
        replace(step, behaviour="" if number <= sure else "near the limit")
        for number, step in zip(numbers, flow.carry(numbers), strict=True)
    ]


def _read_state(caps: Capabilities) -> Iterator[Probe]:
    for what in ("sequence", "received_offsets", "packets", "octets", "lifetime"):

        def make(rig: Rig, what: str = what) -> Case:
            flows = rig.flows()
            if what == "received_offsets":
                rig.need("direction in", "in" in rig.caps.directions)
                flows = [rig.flow("in")]
                rig.need("anti-replay", flows[0].sa.replay_window)
            if what == "lifetime" and "packets" in caps.lifetimes:
                flows = rig.flows(lifetime=Lifetime(soft_packets=1))
            steps: list[Step] = []
            for flow in flows:
                steps += [*flow.carry((1, 2, 5)), ReadState(sa=flow.sa.name, requirement=ABOUT)]
            return case_of(flows, *steps)

        def is_told(rig: Rig, case: Case, got: Transcript, what: str = what) -> str | None:
            for outcome in got.steps:
                if isinstance(outcome, State) and getattr(outcome, what) is None:
                    return f"{what} is not told"
            return None

        yield Probe(
            f"read_state {what}",
            what in caps.read_state,
            make,
            {"read_state": (what,)},
            optional=True,
            besides=is_told,
        )
    yield from _early(caps)


def _audit(caps: Capabilities) -> Iterator[Probe]:
    """A packet whose ICV is wrong, and the record of it."""
    for named in ("spi", "source", "destination", "sequence", "flow"):

        def make(rig: Rig, named: str = named) -> Case:
            flow = rig.flow("in", outer=6) if named == "flow" else rig.flow("in")
            return case_of((flow,), flow.forged(1), ReadAudit(requirement=ABOUT))

        def is_told(rig: Rig, case: Case, got: Transcript, named: str = named) -> str | None:
            log = got.steps[-1]
            if isinstance(log, Audit) and (not log.records or getattr(log.records[-1], named) is None):
                return f"{named} is not told"
            return None

        yield Probe(f"audit {named}", named in caps.audit, make, {"audit": (named,)}, optional=True, besides=is_told)


def _early(caps: Capabilities) -> Iterator[Probe]:
    """Whether the packets are right is for `run` to say; here, whether they can be those of this SA."""

    def make(rig: Rig) -> Case:
        flow = _out(rig)
        read = ReadState(sa=flow.sa.name, requirement=ABOUT)
        return case_of((flow,), read, flow.send(), flow.send(), read)

    def is_told(rig: Rig, case: Case, got: Transcript) -> str | None:
        first, last = got.steps[0], got.steps[-1]
        if not isinstance(first, State) or not isinstance(last, State) or first.early is None:
            return "early is not told"
        if first.early != last.early:
            return "early is another once packets were asked for"
        (sa,), start = case.sas, caps.start_of("out")
        number = 0
        for place, packet in enumerate(first.early):
            header = _esp_header(packet)
            if header is None or header[0] != sa.spi:
                return f"early packet {place} is no ESP packet of the SA"
            number = header[1]
        if number != start:
            return f"the early packets end with number {number}, and outbound SAs come with sequence {start}"
        return None

    yield Probe("read_state early", caps.tells_early, make, {"read_state": ()}, optional=True, besides=is_told)


def _esp_header(packet: bytes) -> tuple[int, int] | None:
    """SPI and sequence number of a protected packet; None for anything else."""
    try:
        outer = ip.parse(packet)
        udp = outer.protocol == PROTOCOL_UDP
        esp = udp_encapsulation.open_datagram(outer.payload).payload if udp else outer.payload
    except Malformed:
        return None
    there = outer.protocol in (PROTOCOL_ESP, PROTOCOL_UDP) and len(esp) >= HEADER_SIZE
    return (spi_of(esp), sequence_low(esp)) if there else None


def _delete_sa(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        direction = rig.directions()[0]
        one, two = (rig.flow(direction, index) for index in (0, 1))
        again: list[Step] = [AddSa(sa=one.sa, requirement=ABOUT), *one.carry((1,)), *two.carry((2,))]
        gone = one.carry((2,)) if direction == "in" else []
        steps = [*one.carry((1,)), DeleteSa(sa=one.sa.name, requirement=ABOUT), *gone, *two.carry((1,)), *again]
        return case_of((one, two), *steps)

    yield Probe("delete_sa", caps.delete_sa, make)


# ----------------------------------------------------------------------------------------------------- kinds of packets


def _max_packet(caps: Capabilities) -> Iterator[Probe]:
    def make(size: int) -> Callable[[Rig], Case]:
        return lambda rig: rig.traffic(length=_largest(rig.flows()[0], size))

    yield Probe(f"max_packet {caps.max_packet}", True, make(caps.max_packet))
    for size in (1500, 9000, 65535):
        if size > caps.max_packet:
            yield Probe(f"max_packet {size}", False, make(size), optional=True)


def _largest(flow: Flow, size: int) -> int:
    """Octets of the upper layer with which the protected packet is as near to `size` as alignment lets it."""
    assert flow.peer is not None
    codec, small = flow.peer.codec, flow.plain(length=0)
    payload = len(small) if flow.sa.mode == "tunnel" else 0
    around = len(flow.protected(1, small)) - codec.padding_length(payload)
    for length in range(size - around, size - around - codec.alignment, -1):
        if length > 0 and not codec.padding_length(payload + length):
            return length
    raise NotApplicable(f"room for a packet in {size} octets")


def _ipv4_options(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        flows = rig.flows(inner=4)
        return rig.traffic(flows, extensions=((0, b"\x94\x04\x00\x00"),))

    yield Probe("ipv4_options", caps.ipv4_options, make, optional=True)


def _ipv6_extension_headers(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        mode = "transport" if "transport" in caps.modes and "6in6" in caps.families else None
        flows = rig.flows(inner=6, mode=mode)
        return rig.traffic(flows, extensions=((0, b"\x00\x01\x04\x00\x00\x00\x00"),))

    yield Probe("ipv6_extension_headers", caps.ipv6_extension_headers, make, optional=True)


def _reassembles(caps: Capabilities) -> Iterator[Probe]:
    """Three fragments, the last one first."""

    def make(rig: Rig) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        flow = rig.flow("in")
        pieces = wire.fragments(flow.protected(1, flow.plain(length=64)), (3, 7))
        return case_of((flow,), *map(arrives, reversed(pieces)), flow.right(2))

    yield Probe("reassembles", caps.reassembles, make, optional=True)


# ------------------------------------------------------------------------------------------------------------ reporting


def _forwards(caps: Capabilities) -> Iterator[Probe]:
    """Declared: the inner TTL must be one less. Undeclared, every other probe judges that it is not."""

    def make(rig: Rig) -> Case:
        flow = _tunnel_out(rig)
        return case_of((flow,), flow.send())

    def is_forwarded(rig: Rig, case: Case, got: Transcript) -> str | None:
        strictly = replace(rig.caps, forwards=False)
        if rig.told(case, got, rig.reference(case), strictly):
            return None
        return "the TTL or hop limit of the inner packet is what it was"

    yield Probe("forwards", caps.forwards, make, {"forwards": True}, optional=True, besides=is_forwarded)


def _drop_reasons(caps: Capabilities) -> Iterator[Probe]:
    def make(rig: Rig) -> Case:
        rig.need("direction in", "in" in rig.caps.directions)
        flow = rig.flow("in")
        whole = flow.protected(1)
        assert flow.peer is not None
        stranger = wire.spi(whole, flow.peer.esp_length(whole), flow.sa.spi ^ 0x5A5A0000)
        replayed = [flow.right(1)] if flow.sa.replay_window else []
        fresh = flow.protected(3)  # a number received before may be dropped for that reason first
        cut = flow.peer.wrap(flow.plain(), fresh[-flow.peer.esp_length(fresh) :][:12])
        return case_of((flow,), flow.right(1), flow.forged(2), arrives(stranger), arrives(cut), *replayed)

    def as_told(rig: Rig, case: Case, got: Transcript) -> str | None:
        reasons = {1: "integrity", 2: "no-sa", 3: "malformed", 4: "replay"}
        for number, outcome in enumerate(got.steps):
            if number in reasons and _reason(outcome) != reasons[number]:
                return f"step {number + 1}: the reason is {_reason(outcome)}, expected {reasons[number]}"
        return None

    yield Probe("drop_reasons", caps.drop_reasons, make, optional=True, besides=as_told)


def _reason(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Dropped) else "none"


PROBES: Mapping[str, Callable[[Capabilities], Iterator[Probe]]] = MappingProxyType(
    {
        "encryption": _encryption,
        "integrity": _integrity,
        "directions": _directions,
        "modes": _modes,
        "families": _families,
        "esn": _esn,
        "replay_windows": _replay_windows,
        "set_sequence": _set_sequence,
        "sequence_start": _sequence_start,
        "set_window": _set_window,
        "set_iv": _set_iv,
        "udp": _udp,
        "udp_ports": _udp_ports,
        "tfc": _tfc,
        "dummy": _dummy,
        "dscp": _dscp,
        "ecn": _ecn,
        "df": _df,
        "hop_limit": _hop_limit,
        "lookup": _lookup,
        "selectors": _selectors,
        "resynchronise": _resynchronise,
        "lifetimes": _lifetimes,
        "read_state": _read_state,
        "audit": _audit,
        "delete_sa": _delete_sa,
        "max_packet": _max_packet,
        "ipv4_options": _ipv4_options,
        "ipv6_extension_headers": _ipv6_extension_headers,
        "reassembles": _reassembles,
        "forwards": _forwards,
        "drop_reasons": _drop_reasons,
        "host": host_probes,
        "device": device_probes,
    }
)
