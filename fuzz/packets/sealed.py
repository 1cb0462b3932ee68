"""A packet behind its ICV: opened with the keys that the fuzzer owns, changed, and sealed again.

Octets that are mutated as they stand never pass the ICV, and whatever lies behind it is never reached. `Keys.open` takes
a sealed packet apart, `Keys.seal` puts it together; in between anything may happen to the plaintext.

    outer headers ‖ [UDP] ‖ SPI ‖ sequence ‖ IV ‖ ciphertext ‖ ICV   ⇄   Sealed(sa, front, udp, sequence, iv, plaintext)

The lengths and the IPv4 checksum of the outer headers are made right when a packet is sealed. The sequence number is
whole; what a receiver in the SA's starting state takes it for is `Keys.whole`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from espproof.adapters.case import Sa
from espproof.adapters.translate import entry
from espproof.reference import ip, transport, udp_encapsulation
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP
from espproof.reference.errors import Malformed, Misuse
from espproof.reference.esp import HEADER_SIZE, TRAILER_SIZE, Codec, sequence_low, spi_of, trailer
from espproof.reference.sequence import reconstruct


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """`sa` is the SA's place among the keys; `front` the outer headers, whose octet `patch_at` names what follows."""

    sa: int
    front: bytes
    patch_at: int
    udp: bytes
    """UDP header, 8 octets, or none."""
    sequence: int
    iv: bytes
    plaintext: bytes
    """With its trailer; a multiple of the SA's alignment."""


class Keys:
    """What the peers of some inbound SAs know. SPIs must differ."""

    def __init__(self, sas: Sequence[Sa]) -> None:
        self.sas = tuple(sas)
        self._entries = [entry(sa) for sa in sas]
        self._by_spi = {sa.spi: number for number, sa in enumerate(sas)}
        if len(self._by_spi) != len(self.sas):
            raise Misuse("two SAs of a fuzz target have the same SPI")

    def codec(self, number: int) -> Codec:
        return self._entries[number].codec

    def new(self, number: int, plaintext: bytes, sequence: int | None = None, traffic_class: int = 0) -> Sealed:
        """A packet for an SA with plain outer headers; the number after the highest one if none is given."""
        sa = self.sas[number]
        sequence = int(sa.sequence) + 1 if sequence is None else sequence
        source, destination = ip_address(sa.source).packed, ip_address(sa.destination).packed
        ports = sa.udp
        if len(source) == 4:
            front = ip.build_ipv4(source, destination, PROTOCOL_ESP, b"", tos=traffic_class)
            patch_at = ip.IPV4_PROTOCOL.start
        else:
            front = ip.build_ipv6(source, destination, PROTOCOL_ESP, b"", traffic_class=traffic_class)
            patch_at = ip.IPV6_NEXT_HEADER.start
        return Sealed(
            sa=number,
            front=front,
            patch_at=patch_at,
            udp=udp_encapsulation.wrap(ports.source_port, ports.destination_port, b"") if ports else b"",
            sequence=sequence,
            iv=self._entries[number].iv_source(sequence),
            plaintext=plaintext,
        )

    def open(self, packet: bytes) -> Sealed | None:
        """Take a packet apart; None if it is for none of the SAs, or its ICV is wrong."""
        try:
            outer = ip.parse(packet)
            number, udp, esp = self._esp(outer)
        except Malformed:
            return None
        if number is None or outer.is_fragment:
            return None
        codec = self.codec(number)
        sequence = self.whole(number, sequence_low(esp))
        plaintext = DropReason.REPLAY if sequence is None else codec.open(esp, sequence)
        if sequence is None or isinstance(plaintext, DropReason):
            return None
        return Sealed(
            sa=number, front=outer.header, patch_at=outer.next_header_at, udp=udp, sequence=sequence,
            iv=codec.iv_of(esp), plaintext=plaintext,
        )  # fmt: skip

    def number_of(self, packet: bytes) -> int | None:
        """Which SA a packet names by its SPI, whatever else is wrong with it."""
        try:
            return self._esp(ip.parse(packet))[0]
        except Malformed:
            return None

    def _esp(self, outer: ip.Packet) -> tuple[int | None, bytes, bytes]:
        """SA, UDP header and ESP packet. Raises `Malformed`."""
        if outer.protocol == PROTOCOL_ESP:
            udp, esp = b"", outer.payload
        elif outer.protocol == PROTOCOL_UDP:
            udp, esp = (
                outer.payload[: udp_encapsulation.HEADER_SIZE],
                udp_encapsulation.open_datagram(outer.payload).payload,
            )
        else:
            return None, b"", b""
        return (self._by_spi.get(spi_of(esp)) if len(esp) >= HEADER_SIZE else None), udp, esp

    def whole(self, number: int, low: int) -> int | None:
        """The sequence number that a receiver in its starting state reads from the 32 bits that are sent."""
        sa = self.sas[number]
        return reconstruct(low, int(sa.sequence), sa.replay_window) if sa.esn else low

    def seal(self, it: Sealed) -> bytes | None:
        """The packet; None if it does not fit an IP packet. `Misuse` if the plaintext is not aligned."""
        codec = self.codec(it.sa)
        if len(it.plaintext) % codec.alignment or len(it.plaintext) < TRAILER_SIZE:
            raise Misuse(f"a plaintext of {len(it.plaintext)} octets, where {codec.alignment} is the alignment")
        payload = codec.seal(it.plaintext, it.sequence, it.iv)
        protocol = PROTOCOL_ESP
        if it.udp:
            length = udp_encapsulation.HEADER_SIZE + len(payload)
            if length > ip.MAX_LENGTH:
                return None
            payload = ip.with_field(it.udp, udp_encapsulation.LENGTH, length) + payload
            protocol = PROTOCOL_UDP
        packet = transport.join(it.front, it.patch_at, protocol, payload)
        return None if isinstance(packet, DropReason) else packet


def aligned(plaintext: bytes, alignment: int) -> bytes:
    """The plaintext made long enough: zero octets in front of its two trailer octets."""
    missing = max(TRAILER_SIZE - len(plaintext), 0)
    plaintext = bytes(missing) + plaintext
    return plaintext[:-TRAILER_SIZE] + bytes(-len(plaintext) % alignment) + plaintext[-TRAILER_SIZE:]


def with_trailer(payload: bytes, next_header: int, alignment: int) -> bytes:
    """Payload, the least and the default padding, and the trailer: what an honest sender would seal."""
    size = -(len(payload) + TRAILER_SIZE) % alignment
    return payload + trailer(size, next_header)
