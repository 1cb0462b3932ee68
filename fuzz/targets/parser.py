"""`parser`: raw octets, as they come from the network, into everything that reads them.

Each parser may answer with a value or with `Malformed`; the answers must fit each other and the octets. Then the octets
arrive at an `Endpoint` with several SAs. Few inputs pass an ICV here (`esp-input` is for what lies behind), so that
nearly all must leave the SAs as they were.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from espproof.adapters.base import Adapter, Transcript
from espproof.adapters.case import Case, Delivered, Dropped, Inbound, Octets, Outcome, Passed, Sa
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.translate import security_association
from espproof.conformance.oracle.judge import judge
from espproof.conformance.oracle.judgement import Incapable
from espproof.conformance.requirements.ids import AFTER_ICV, MALFORMED
from espproof.conformance.strategies.wire import ipv4_fragment, ipv6_fragment
from espproof.fuzz.packets.associations import ASSOCIATIONS, fitting
from espproof.fuzz.packets.inner import INNER
from espproof.fuzz.packets.sealed import Keys, with_trailer
from espproof.fuzz.targets.base import Target, Violation
from espproof.fuzz.targets.comparison import BEHIND_ICV, Comparison, one_packet, whole_packet
from espproof.reference import endpoint, esp, ip, transport, tunnel, udp_encapsulation
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState


class Parser(Target):
    name: ClassVar[str] = "parser"
    what: ClassVar[str] = (
        "raw octets into the readers of IPv4, IPv6, UDP and ESP, and into an endpoint with several SAs"
    )

    def __init__(self, adapter: Adapter) -> None:
        super().__init__(adapter)
        self._caps = adapter.capabilities()
        self._sas = fitting(self._caps)
        self._keys = Keys(self._sas)
        self._comparison = Comparison(adapter)
        self._endpoint = endpoint.Endpoint()
        for sa in self._sas:
            self._endpoint.add(security_association(sa), _starting_state(sa))
        self._entries = [(self._endpoint.entry(sa.name), int(sa.sequence), sa) for sa in self._sas]
        self._other = None if type(adapter) is ReferenceAdapter else adapter
        self._install()

    def one_input(self, octets: bytes) -> None:
        readers(octets)
        result = self._endpoint.inbound(octets)
        touched = [
            (entry, start, sa)
            for entry, start, sa in self._entries
            if (state := entry.state).packets or state.errors or state.failures or state.replay.highest != start
        ]
        try:
            if touched or isinstance(result, endpoint.Delivered):
                self._lawful(result, touched)
            if self._other is not None:
                self._compare(octets, result, self._other, untouched=not touched)
        finally:
            for entry, _, sa in touched:
                entry.state = _starting_state(sa)

    def unchecked(self) -> Callable[[bytes], object]:
        def one_input(octets: bytes) -> None:
            readers(octets)
            self._endpoint.inbound(octets)

        return one_input

    def _lawful(
        self,
        result: endpoint.Delivered | endpoint.Passed | DropReason,
        touched: list[tuple[endpoint.Entry, int, Sa]],
    ) -> None:
        """Who delivers has counted one packet on one SA; who does not has changed no SA, or only its window."""
        delivered = isinstance(result, endpoint.Delivered)
        if len(touched) != 1 or touched[0][0].state.packets != delivered:
            raise Violation(AFTER_ICV, f"{len(touched)} SAs were changed by one packet, delivered: {delivered}")
        entry, start, sa = touched[0]
        if isinstance(result, endpoint.Delivered):
            for message in whole_packet(sa, result.packet):
                raise Violation(MALFORMED, f"the reference: {message}")
        elif not isinstance(result, DropReason) or result.value not in BEHIND_ICV:
            replay, before = entry.state.replay, _starting_state(sa).replay
            if replay.highest != start or replay.received_offsets() != before.received_offsets():
                raise Violation(AFTER_ICV, "a packet that was not authenticated has moved the window")

    # ------------------------------------------------------------------------------------------ another implementation

    def _install(self) -> None:
        if self._other is not None:
            self._other.reset()
            for sa in self._sas:
                self._other.add_sa(sa)

    def _compare(
        self,
        octets: bytes,
        result: endpoint.Delivered | endpoint.Passed | DropReason,
        other: Adapter,
        *,
        untouched: bool,
    ) -> None:
        """The other implementation with all its SAs; where an SA was reached, its state too, with that SA alone."""
        step = Inbound(packet=Octets(octets), requirement=MALFORMED)
        clean = False
        try:
            got = Transcript((), (other.inbound(step.packet),))
            judgement = judge(Case(version=1, steps=(step,)), got, Transcript((), (_outcome(result),)), self._caps)
            if not isinstance(judgement, Incapable):
                for finding in judgement.findings:
                    raise Violation(finding.requirement, finding.message)
            if not untouched:
                self._comparison.execute(self.case(octets))
            clean = untouched
        finally:
            if not clean:
                self._install()

    # ------------------------------------------------------------------------------------------------------------ cases

    def case(self, octets: bytes) -> Case:
        number = self._keys.number_of(octets)
        arrives = Inbound(packet=Octets(octets), requirement=MALFORMED)
        if number is None:
            ported = tuple(sa for sa in self._sas if sa.udp is not None)[:1]
            return Case(version=1, sas=ported, steps=(arrives,))
        return one_packet(self._sas[number], octets, self._caps)

    def simpler(self, octets: bytes) -> Iterator[bytes]:
        for less in super().simpler(octets):
            yield _lengths_right(less)
            yield less

    @classmethod
    def seeds(cls) -> Mapping[str, bytes]:
        return _seeds()


def readers(octets: bytes) -> None:
    """Every reader of octets by itself, and what their answers have to do with each other."""
    packet = None
    with suppress(Malformed):
        packet = ip.parse(octets)
    if packet is not None:
        _parsed(octets, packet)
    with suppress(Malformed):
        datagram = udp_encapsulation.open_datagram(octets)
        _must(octets.find(datagram.payload) >= 0, "a datagram's payload is not part of it")
        udp_encapsulation.classify(datagram.payload)
    if len(octets) >= esp.TRAILER_SIZE:
        opened = esp.take_trailer(octets)
        if isinstance(opened, esp.Opened):
            _must(octets.startswith(opened.payload), "a payload is not at the front of its plaintext")
            size = len(opened.payload) + len(opened.padding) + esp.TRAILER_SIZE
            _must(size == len(octets), "payload, padding and trailer are not the plaintext")
    for next_header in (4, 41, 6):
        inner = tunnel.decapsulate(0, octets, next_header)
        if isinstance(inner, bytes):
            _must(octets.startswith(inner), "what leaves a tunnel without ECN is not what was in it")


def _parsed(octets: bytes, packet: ip.Packet) -> None:
    whole = packet.header + packet.payload
    _must(octets.startswith(whole), "header and payload are not the packet")
    _must(packet.header[packet.next_header_at] == packet.protocol, "the next header is not where it is said to be")
    splits = transport.legal_splits(octets)
    _must(bool(splits) != packet.is_fragment, "a fragment has a place for ESP, or a datagram has none")
    for split in splits:
        _must(split.front + split.payload == whole, "front and payload are not the packet")
        joined = transport.join(split.front, split.patch_at, split.next_header, split.payload)
        again = ip.parse(joined) if isinstance(joined, bytes) else None
        _must(
            again is not None and replace(again, header=packet.header) == packet, "what was split does not join again"
        )


def _must(holds: bool, message: str) -> None:
    if not holds:
        raise Violation(MALFORMED, message)


def _starting_state(sa: Sa) -> SaState:
    return SaState(replay=ReplayWindow(sa.replay_window, int(sa.sequence), sa.received_offsets))


def _outcome(result: endpoint.Delivered | endpoint.Passed | DropReason) -> Outcome:
    if isinstance(result, endpoint.Delivered):
        return Delivered(packet=Octets(result.packet), sa=result.sa)
    if isinstance(result, endpoint.Passed):
        return Passed(to="ike" if result.to == "ike" else "bypass")
    return Dropped(reason=result.value)


def _lengths_right(octets: bytes) -> bytes:
    """The octets with the length field and checksum of an outer header that fit them, if there is room for one."""
    if len(octets) >= ip.IPV6_HEADER_SIZE and octets[0] >> 4 == 6:
        return ip.with_field(octets, ip.IPV6_PAYLOAD_LENGTH, len(octets) - ip.IPV6_HEADER_SIZE)
    size = (octets[0] & 0xF) * 4 if octets else 0
    if ip.IPV4_HEADER_SIZE <= size <= len(octets) and octets[0] >> 4 == 4:
        header = ip.with_field(octets[:size], ip.IPV4_TOTAL_LENGTH, len(octets))
        return ip.with_checksum(header) + octets[size:]
    return octets


def _seeds() -> dict[str, bytes]:
    """A packet of each SA, plain traffic, and the edges: options, extension headers, fragments, IKE, keepalive."""
    keys = Keys(ASSOCIATIONS)
    found: dict[str, bytes] = {}
    for number, sa in enumerate(keys.sas):
        next_header, payload = INNER[0] if sa.mode == "tunnel" else INNER[5]
        sealed = keys.seal(keys.new(number, with_trailer(payload, next_header, keys.codec(number).alignment)))
        assert sealed is not None, "a seed is small"
        found[f"esp-{sa.name}"] = sealed
    for number, (next_header, payload) in enumerate(INNER[:5]):
        found[f"plain-ipv{4 if next_header == 4 else 6}-{number}"] = payload
    here, there = bytes([192, 0, 2, 17]), bytes([198, 51, 100, 42])
    here6, there6 = (bytes.fromhex("20010db8" + text.rjust(24, "0")) for text in ("a1", "b2"))
    for name, payload in (
        ("ike", udp_encapsulation.NON_ESP_MARKER + b"IKE message"),
        ("keepalive", b"\xff"),
        ("nat-runt", b"\x01"),
    ):
        datagram = udp_encapsulation.wrap(4500, 4500, payload)
        found[f"{name}-4"] = ip.build_ipv4(there, here, 17, datagram)
        found[f"{name}-6"] = ip.build_ipv6(there6, here6, 17, datagram)
    chain = [
        (ip.PROTOCOL_HOP_BY_HOP, ip.options_header()), (ip.PROTOCOL_ROUTING, ip.routing_header(0, 0, bytes(20))),
        (ip.PROTOCOL_FRAGMENT, ip.fragment_header(0, 1, more=False)),
        (ip.PROTOCOL_DESTINATION_OPTIONS, ip.options_header()),
    ]  # fmt: skip
    first, octets = ip.chain(chain, 50)
    found["chain-6"] = ip.build_ipv6(there6, here6, first, octets + bytes.fromhex("1234560500000001") + bytes(16))
    found["options-4"] = ip.build_ipv4(there, here, 50, bytes(24), options=b"\x94\x04\x00\x00\x01\x01\x01\x00")
    found["fragment-4"] = ipv4_fragment(found["esp-gcm-tunnel"], 0x2000)
    found["fragment-6"] = ipv6_fragment(found["esp-gcm-esn-tunnel6"], 0x0001)
    return found
