"""An IPsec endpoint that only does ESP: a SAD, and the order of checks of RFC 4303 section 3.

    outbound   SA → sequence number (3.3.3) → trailer, encryption, ICV (3.3.2) → tunnel or transport header (3.1) → UDP
    inbound    outer header → reassembly (3.4.1) → UDP → SA (3.4.2) → replay check → ICV (3.4.4) → window (3.4.3)
               → padding → next header → tunnel exit or transport rebuild (behind a NAT with another checksum) → selectors

No I/O, no clock and no randomness: time is an argument, IVs come from `iv` unless they are given. A discarded packet
leaves everything but error counters as it was, with the one exception that the RFC orders: the window advances as soon
as the ICV is right. ESP never sees a fragment: one is discarded, or rather kept until the others are there, and with the
last of them their packet comes in.
"""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from espproof.reference import ip, nat, transport, tunnel, udp_encapsulation
from espproof.reference.audit import AuditLog
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed, Misuse
from espproof.reference.esp import NEXT_HEADER_DUMMY, SPI, Codec, Opened, sequence_low, take_trailer
from espproof.reference.iv import iv_source
from espproof.reference.reassembly import Reassembly
from espproof.reference.replay import ReplayVerdict
from espproof.reference.resynchronise import candidates
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.sad import Sad
from espproof.reference.sequence import next_sequence, reconstruct

PROTOCOL_ESP = 50
PROTOCOL_UDP = 17


@dataclass(slots=True)
class Delivered:
    """Inbound: the packet that leaves IPsec, and the name of its SA. Not frozen for the reason that `ip.Packet` gives."""

    packet: bytes
    sa: str


class Passed(NamedTuple):
    """Inbound: not ESP. To "ike" goes the message behind the non-ESP marker, to "bypass" the packet."""

    to: str
    octets: bytes


class Entry:
    """One SA: parameters, state, and what is computed once per SA."""

    __slots__ = ("codec", "iv_source", "outer", "sa", "state")

    def __init__(self, sa: SecurityAssociation, state: SaState) -> None:
        self.sa = sa
        self.state = state
        self.codec = Codec(sa.spi, sa.encr, sa.auth, sa.encr_key, sa.salt, sa.auth_key, esn=sa.esn)
        self.iv_source = iv_source(sa.encr, sa.encr_key)
        self.outer = tunnel.outer_header(sa)


class Endpoint:
    """SAs by name, and the two directions of traffic through them."""

    def __init__(self) -> None:
        self._sad: Sad[Entry] = Sad()
        self._entries: dict[str, Entry] = {}
        self._udp_ports: Counter[int] = Counter()
        self._ivs: Counter[bytes] = Counter()
        """Packets that were sent under an encryption key, by whatever SA: the IVs are made from their number."""
        self._reassembly = Reassembly()
        self.audit = AuditLog()

    # ------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: SecurityAssociation, state: SaState) -> None:
        """Install an SA. `Misuse` if the RFCs do not allow it, or its name or its inbound key is taken."""
        sa.validate()
        if sa.name in self._entries:
            raise Misuse(f"an SA named {sa.name} exists")
        entry = Entry(sa, state)
        if sa.direction == "in":
            self._sad.add(entry)
            if sa.udp is not None:
                self._udp_ports[sa.udp.destination_port] += 1
        self._entries[sa.name] = entry

    def delete(self, name: str) -> None:
        """Remove an SA and all its state. `Misuse` if there is none of that name."""
        entry = self.entry(name)
        del self._entries[name]
        if entry.sa.direction == "in":
            self._sad.delete(entry)
            if entry.sa.udp is not None:
                self._udp_ports[entry.sa.udp.destination_port] -= 1

    def entry(self, name: str) -> Entry:
        """The SA of that name; `Misuse` if there is none."""
        try:
            return self._entries[name]
        except KeyError:
            raise Misuse(f"no SA named {name}") from None

    # --------------------------------------------------------------------------------------------------- outbound

    def outbound(
        self, name: str, packet: bytes, iv: bytes | None = None, *, tfc: int = 0, dummy: bool = False, now: float = 0
    ) -> bytes | DropReason:
        """Protect one IP packet: the IP packet to send, or why it is not sent.

        `tfc` octets of TFC padding follow the packet (tunnel mode only, 2.7). With `dummy` the packet only gives the
        outer header and the plaintext of a dummy packet (2.6). Raises `Misuse` for an unknown or inbound SA.
        """
        entry = self.entry(name)
        state = entry.state
        if entry.sa.direction != "out":
            raise Misuse(f"SA {name} is inbound")
        if state.limited and (state.lifetime_status(now) == "hard" or not state.has_room_for(len(packet))):
            return DropReason.EXPIRED
        sequence = next_sequence(state.sequence, entry.sa.esn)
        if sequence is None:
            self.audit.not_sent(DropReason.SEQUENCE_OVERFLOW, entry.sa)
            return DropReason.SEQUENCE_OVERFLOW
        count = self._ivs[entry.sa.encr_key] + 1
        try:
            given = entry.iv_source(count) if iv is None else iv
            result = encapsulate(entry, packet, sequence, given, tfc=tfc, dummy=dummy)
        except Malformed:
            return DropReason.MALFORMED
        if isinstance(result, bytes):
            state.sequence = sequence
            self._ivs[entry.sa.encr_key] = count
            state.count(len(packet))
        return result

    # ---------------------------------------------------------------------------------------------------- inbound

    def inbound(self, packet: bytes, now: float = 0) -> Delivered | Passed | DropReason:
        """Process one IP packet from the network."""
        try:
            outer = ip.parse(packet)
            if outer.fragment and self._could_be_esp(outer):
                whole = self._reassembly.take(outer)
                outer = outer if whole is None else ip.parse(whole)
                if outer.fragment:
                    return DropReason.FRAGMENT
            if outer.protocol == PROTOCOL_ESP:
                return self._esp_in(outer, outer.payload, now)
            if outer.protocol == PROTOCOL_UDP and not outer.fragment:
                return self._udp_in(outer, now)
        except Malformed:
            return DropReason.MALFORMED
        return Passed("bypass", outer.header + outer.payload)

    def _could_be_esp(self, fragment: ip.Packet) -> bool:
        """A later fragment of IPv6 may begin with extension headers, behind which nobody can look yet."""
        if fragment.protocol == PROTOCOL_UDP:
            return bool(self._udp_ports.total())
        return fragment.protocol == PROTOCOL_ESP or (
            fragment.version == 6 and fragment.protocol in ip.EXTENSION_HEADERS and fragment.fragment_offset > 0
        )

    def _udp_in(self, outer: ip.Packet, now: float) -> Delivered | Passed | DropReason:
        datagram = udp_encapsulation.open_datagram(outer.payload)
        if not self._udp_ports[datagram.destination_port]:
            return Passed("bypass", outer.header + outer.payload)
        kind = udp_encapsulation.classify(datagram.payload)
        if kind is udp_encapsulation.Kind.IKE:
            return Passed("ike", datagram.payload[len(udp_encapsulation.NON_ESP_MARKER) :])
        if kind is udp_encapsulation.Kind.KEEPALIVE:
            return DropReason.KEEPALIVE
        return self._esp_in(outer, datagram.payload, now)

    def _esp_in(self, outer: ip.Packet, esp: bytes, now: float) -> Delivered | DropReason:
        if len(esp) < 8:
            return DropReason.MALFORMED
        entry = self._sad.find(esp[SPI], outer)
        if entry is None:
            self.audit.received(DropReason.NO_SA, outer, esp)
            return DropReason.NO_SA
        state = entry.state
        if state.limited and state.lifetime_status(now) == "hard":
            return DropReason.EXPIRED
        opened = authenticate(entry, esp)
        result = deliver(entry.sa, outer, opened) if isinstance(opened, Opened) else opened
        if isinstance(result, bytes):
            if not state.limited or state.has_room_for(len(result)):
                state.count(len(result))
                return Delivered(result, entry.sa.name)
            result = DropReason.EXPIRED
        state.count_error(result)
        self.audit.received(result, outer, esp)
        return result


# ------------------------------------------------------------------------------------------------------ the two halves


def encapsulate(
    entry: Entry, packet: bytes, sequence: int, iv: bytes | None = None, *, tfc: int = 0, dummy: bool = False
) -> bytes | DropReason:
    """The protected packet of a given sequence number. Changes no state; raises `Malformed` for no IP packet."""
    version = ip.version(packet)
    if iv is None:
        iv = entry.iv_source(sequence)
    if entry.sa.mode == "tunnel":
        next_header = NEXT_HEADER_DUMMY if dummy else tunnel.NEXT_HEADER[version]
        esp = entry.codec.protect(packet + bytes(tfc) if tfc else packet, next_header, sequence, iv)
        return wrap(entry, packet, esp)
    if tfc:
        raise Misuse("TFC padding needs tunnel mode")
    parts = transport.split(packet)
    if isinstance(parts, DropReason):
        return parts
    next_header = NEXT_HEADER_DUMMY if dummy else parts.next_header
    return wrap(entry, packet, entry.codec.protect(parts.payload, next_header, sequence, iv))


def wrap(entry: Entry, packet: bytes, esp: bytes) -> bytes | DropReason:
    """The headers that `packet` gives to the ESP packet made of it: tunnel or transport, and UDP."""
    sa = entry.sa
    protocol = PROTOCOL_ESP
    if sa.udp is not None:
        if len(esp) > ip.MAX_LENGTH - udp_encapsulation.HEADER_SIZE:
            return DropReason.TOO_BIG
        protocol = PROTOCOL_UDP
        esp = udp_encapsulation.wrap(sa.udp.source_port, sa.udp.destination_port, esp, _pseudo_header(sa, packet))
    if sa.mode == "transport":
        parts = transport.split(packet)
        if isinstance(parts, DropReason):
            return parts
        return transport.join(parts.front, parts.patch_at, protocol, esp)
    header = entry.outer.header(packet, protocol, len(esp))
    return header + esp if isinstance(header, bytes) else header


def _pseudo_header(sa: SecurityAssociation, packet: bytes) -> tuple[bytes, bytes] | None:
    """The addresses of a UDP checksum: IPv6 needs one (RFC 8200 8.1), over IPv4 it is sent as zero (RFC 3948 2.1)."""
    if sa.source.version == 4:
        return None
    if sa.mode == "tunnel":
        return sa.source.packed, sa.destination.packed
    return packet[ip.IPV6_SOURCE], packet[ip.IPV6_DESTINATION]


def authenticate(entry: Entry, esp: bytes) -> Opened | DropReason:
    """Replay check, ICV, window, trailer: 3.4.3 and 3.4.4 in their order."""
    codec, replay = entry.codec, entry.state.replay
    if len(esp) < codec.smallest:
        return DropReason.MALFORMED
    sequence = sequence_low(esp)
    if codec.esn:
        whole = reconstruct(sequence, replay.highest, replay.size)
        if whole is None:
            return DropReason.INTEGRITY
        sequence = whole
    if replay.check(sequence) is not ReplayVerdict.NEW:
        return DropReason.REPLAY
    plaintext = codec.open(esp, sequence)
    if codec.esn and plaintext is DropReason.INTEGRITY:
        sequence, plaintext = _resynchronise(entry, esp, sequence)
    if not isinstance(plaintext, bytes):
        return plaintext
    entry.state.failures = 0
    replay.advance(sequence)
    return take_trailer(plaintext)


def _resynchronise(entry: Entry, esp: bytes, guess: int) -> tuple[int, bytes | DropReason]:
    """Appendix A3: after enough failures in a row, try the same packet with later high halves."""
    entry.state.failures += 1
    if entry.sa.resync_limit and entry.state.failures >= entry.sa.resync_trigger:
        for sequence in candidates(sequence_low(esp), guess, entry.sa.resync_limit):
            plaintext = entry.codec.open(esp, sequence)
            if isinstance(plaintext, bytes):
                return sequence, plaintext
    return guess, DropReason.INTEGRITY


def deliver(sa: SecurityAssociation, outer: ip.Packet, opened: Opened) -> bytes | DropReason:
    """Next header, tunnel exit or transport rebuild, selectors (RFC 4301 5.2)."""
    result = taken_out(sa, outer, opened)
    if sa.selectors and isinstance(result, bytes) and not sa.selects(result):
        return DropReason.SELECTOR
    return result


def taken_out(sa: SecurityAssociation, outer: ip.Packet, opened: Opened) -> bytes | DropReason:
    """Next header, tunnel exit or transport rebuild: the packet that was protected."""
    if opened.next_header == NEXT_HEADER_DUMMY:
        return DropReason.DUMMY
    if sa.mode == "tunnel":
        result = tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)
    else:
        result = transport.rebuild(outer, opened.next_header, opened.payload)
        if sa.udp is not None and isinstance(result, bytes):
            result = nat.with_right_checksum(result)
    return result
