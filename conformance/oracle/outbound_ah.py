"""What a packet with AH must look like on the wire: RFC 4302 section 2, field by field, then the ICV over all of it.

One judge per outbound SA, beside that of ESP, whose headers of tunnels and numbers it shares. An ICV that is wrong is a
finding about what the step is about: which field or option it is that was taken for another kind cannot be seen. Left
open are, as with ESP, identification and flow label of a tunnel's header, and what is in the ICV's padding (2.6).
"""

from collections.abc import Iterator
from functools import cached_property

from espproof.adapters.case import Outbound
from espproof.adapters.translate import any_entry
from espproof.conformance.oracle.outbound import SAME_IV, WRONG_ICV, Judged, OutboundJudge
from espproof.reference import ah, ip, transport, tunnel
from espproof.reference.errors import Malformed
from espproof.reference.xfrm.protocols import AhEntry

PROTOCOL_51, PAYLOAD_LENGTH = "RFC4302-2-protocol-51", "RFC4302-2.2-payload-length"
NEXT_HEADER, RESERVED = "RFC4302-2.1-next-header", "RFC4302-2.3-reserved-zero"
SPI, PADDING = "RFC4302-2.4-spi", "RFC4302-3.3.3.2.1-padding"
FIRST_ONE, INCREMENT = "RFC4302-3.3.2-first-one", "RFC4302-3.3.2-increment"
LOCATION, INNER = "RFC4302-3.1.1-location", "RFC4302-3.1.2-inner"
ICV = "RFC4302-3.3.3-icv"
IV = "RFC4543-3.1-iv-unique"


class AhJudge(OutboundJudge):
    """Judges the packets of one outbound SA of AH in the order in which they were sent."""

    @cached_property
    def _codec(self) -> ah.Codec:
        entry = any_entry(self._sa)
        assert isinstance(entry, AhEntry)
        return entry.codec

    def _packet(self, step: Outbound, octets: bytes, expected: int) -> Judged:
        self.shown.add(PROTOCOL_51)
        try:
            outer = ip.parse(octets)
        except Malformed as error:
            yield PROTOCOL_51, f"what was sent cannot be read: {error}"
            return
        if outer.protocol != ah.PROTOCOL_AH or outer.is_fragment:
            kind = "it is a fragment" if outer.is_fragment else f"protocol {outer.protocol} is not AH"
            yield PROTOCOL_51, f"what was sent cannot be read: {kind}"
            return
        if outer.total_length != len(octets):
            yield INNER if self._sa.mode == "tunnel" else LOCATION, "octets follow the end of the packet"
        if self._sa.mode == "tunnel":
            yield from self._tunnel_header(step, outer)
        yield from self._header(step, outer, expected)

    def _header(self, step: Outbound, outer: ip.Packet, expected: int) -> Judged:
        codec, header = self._codec, outer.payload
        size = codec.size(outer.version)
        if len(header) < ah.FIXED_SIZE:
            yield PAYLOAD_LENGTH, f"{len(header)} octets are too few for an AH"
            return
        self.shown |= {RESERVED, SPI, PAYLOAD_LENGTH, PADDING}
        if header[2:4] != bytes(2):
            yield RESERVED, f"the reserved octets are {header[2:4].hex()}, not zero"
        if ah.spi_of(header) != self._sa.spi:
            yield SPI, f"the SPI is {ah.spi_of(header):#010x}, expected {self._sa.spi:#010x}"
            return
        rule = FIRST_ONE if self._first and expected == 1 else INCREMENT
        self.shown.add(rule)
        if ah.sequence_low(header) != expected & 0xFFFFFFFF:
            yield rule, f"the sequence number is {ah.sequence_low(header)}, expected {expected & 0xFFFFFFFF}"
            return
        told = 4 * (header[1] + 2)
        if told != size:
            least = ah.FIXED_SIZE + codec.iv_size + codec.icv_size
            rule = PADDING if told >= least else PAYLOAD_LENGTH
            yield rule, f"the header says that it has {told} octets, expected {size}"
            return
        opened = codec.open(outer.header + outer.payload, expected)
        if not isinstance(opened, ah.Authenticated):
            yield None, WRONG_ICV
            return
        self.shown.add(ICV)
        if codec.iv_size:
            self._ivs.append(header[ah.FIXED_SIZE : ah.FIXED_SIZE + codec.iv_size])
        yield from self._carried(step, outer, opened)

    def _carried(self, step: Outbound, outer: ip.Packet, opened: ah.Authenticated) -> Judged:
        self.shown.add(NEXT_HEADER)
        if self._sa.mode == "tunnel":
            self.shown.add(INNER)
            expected = tunnel.NEXT_HEADER[step.packet[0] >> 4]
            if opened.next_header != expected:
                yield NEXT_HEADER, f"the next header is {opened.next_header}, expected {expected}"
            if opened.payload != step.packet:
                yield INNER, "the inner packet was changed"
            return
        self.shown.add(LOCATION)
        splits = [one for one in transport.legal_splits(step.packet) if one.payload == opened.payload]
        if not splits:
            yield LOCATION, "what is behind AH is not what follows the IP header"
        elif all(one.next_header != opened.next_header for one in splits):
            yield NEXT_HEADER, f"the next header is {opened.next_header}, expected {splits[0].next_header}"
        elif all(_in_front(one, outer) != outer.header for one in splits):
            yield LOCATION, "the IP header in front of AH is not the original one with protocol and length changed"

    @property
    def iv_rule(self) -> str:
        return IV

    def must_differ(self, other: OutboundJudge) -> bool:
        one, two = self._sa, other._sa
        same = (one.protocol, one.auth, one.auth_key, one.salt) == (two.protocol, two.auth, two.auth_key, two.salt)
        return same and bool(self._codec.iv_size)

    def whole_history(self) -> Iterator[tuple[str, int, str]]:
        """Of GMAC: IVs that repeat (RFC 4543 3.1)."""
        if len(self._ivs) > 1:
            self.shown.add(IV)
        if len(set(self._ivs)) < len(self._ivs):
            yield IV, self.last_step, SAME_IV


def _in_front(split: transport.Split, outer: ip.Packet) -> bytes | None:
    whole = transport.join(split.front, split.patch_at, ah.PROTOCOL_AH, outer.payload)
    return whole[: len(split.front)] if isinstance(whole, bytes) else None
