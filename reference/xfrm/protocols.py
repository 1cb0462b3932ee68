"""ESP and AH as the way of a packet sees them: how an SA of either protects a packet, and opens one.

                     ESP (RFC 4303)                          AH (RFC 4302)
    protect          `endpoint`: trailer, cipher, ICV        the outer header of a tunnel, then AH over all of it
    authenticate     of what is behind the headers           of the whole packet, headers too
    taken_out        tunnel exit or transport rebuild        the same; there are no dummy packets

Windows, numbers and modes are the same.
"""

from espproof.reference import ah, endpoint, ip, transport, tunnel
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Entry
from espproof.reference.errors import Misuse
from espproof.reference.esp import HEADER_SIZE, Opened
from espproof.reference.replay import ReplayVerdict
from espproof.reference.sa import SaState, SecurityAssociation
from espproof.reference.sequence import reconstruct

_NO_CIPHER = "ENCR_NULL"


class AhEntry:
    """One SA of AH: parameters, state, and what is computed once per SA. `Misuse` for what no such SA may have."""

    __slots__ = ("codec", "outer", "sa", "state")

    def __init__(self, sa: SecurityAssociation, state: SaState) -> None:
        if sa.encr != _NO_CIPHER or sa.encr_key:
            raise Misuse(f"AH encrypts nothing: its SAs have {_NO_CIPHER} without a key")
        if sa.udp is not None:
            raise Misuse("AH does not go through UDP (RFC 3948 1)")
        self.sa = sa
        self.state = state
        self.codec = ah.Codec(sa.spi, sa.auth, sa.auth_key, sa.salt, esn=sa.esn)
        self.outer = tunnel.outer_header(sa)

    def iv_source(self, number: int) -> bytes:
        """The IV of a packet, which GMAC has: it never repeats under a key (RFC 4543 3.1)."""
        return number.to_bytes(self.codec.iv_size, "big") if self.codec.iv_size else b""


AnyEntry = Entry | AhEntry


def entry_of(sa: SecurityAssociation, state: SaState) -> AnyEntry:
    """The SA with its codec. `Misuse` for algorithms and keys that it may not have."""
    return AhEntry(sa, state) if sa.protocol == "ah" else Entry(sa, state)


def front(entry: AnyEntry) -> int:
    """Octets that the protocol puts in front of what it protects."""
    if isinstance(entry, AhEntry):
        return entry.codec.size(entry.sa.source.version)
    return HEADER_SIZE + entry.codec.iv_size


def protect(entry: AnyEntry, packet: bytes, sequence: int, iv: bytes | None = None) -> bytes | DropReason:
    """The protected packet of that (whole) number. Changes no state; raises `Malformed` for no IP packet."""
    if isinstance(entry, Entry):
        return endpoint.encapsulate(entry, packet, sequence, iv)
    if entry.sa.mode == "tunnel":
        header = entry.outer.header(packet, tunnel.NEXT_HEADER[ip.version(packet)], len(packet))
        if isinstance(header, DropReason):
            return header
        packet = header + packet
    return entry.codec.protect(packet, sequence, entry.iv_source(sequence) if iv is None else iv)


def authenticate(entry: AnyEntry, outer: ip.Packet, octets: bytes) -> Opened | DropReason:
    """Replay check, ICV, window (RFC 4302 3.4.3, 3.4.4); `octets` are what `outer` has behind its headers, or its UDP
    header."""
    if isinstance(entry, Entry):
        return endpoint.authenticate(entry, octets)
    replay = entry.state.replay
    sequence: int | None = ah.sequence_low(octets)
    if entry.codec.esn:
        sequence = reconstruct(ah.sequence_low(octets), replay.highest, replay.size)
    if sequence is None:
        return DropReason.INTEGRITY
    if replay.check(sequence) is not ReplayVerdict.NEW:
        return DropReason.REPLAY
    opened = entry.codec.open(outer.header + outer.payload, sequence)
    if isinstance(opened, DropReason):
        return opened
    replay.advance(sequence)
    return Opened(opened.payload, b"", opened.next_header)


def taken_out(sa: SecurityAssociation, outer: ip.Packet, opened: Opened) -> bytes | DropReason:
    """Next header, tunnel exit or transport rebuild: the packet that was protected."""
    if sa.protocol == "esp":
        return endpoint.taken_out(sa, outer, opened)
    if sa.mode == "tunnel":
        return tunnel.decapsulate(outer.traffic_class, opened.payload, opened.next_header)
    return transport.rebuild(outer, opened.next_header, opened.payload)
