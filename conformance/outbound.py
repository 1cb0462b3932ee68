"""What a protected packet must look like on the wire: opened with the reference's codec, judged field by field.

Each rule is one requirement. What the documents leave open is not judged: identification, flow label, an undeclared hop
limit, more padding than needed (RFC 4303 2.4 allows up to 255 octets), the UDP checksum's value as long as it is zero or
right. One judge per outbound SA; it knows which sequence number comes next and collects the IVs.
"""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Dropped, Octets, Outbound, Outcome, Sa, Sent, UdpEncapsulation
from espproof.adapters.reference import ReferenceAdapter
from espproof.reference import ip, transport, tunnel, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP, Entry
from espproof.reference.errors import Malformed
from espproof.reference.esp import NEXT_HEADER_DUMMY, sequence_low, spi_of
from espproof.reference.sa import SaState
from espproof.reference.sequence import next_sequence

Judged = Iterator[tuple[str | None, str]]
_REFERENCE = ReferenceAdapter()


class _Esp(NamedTuple):
    """A packet as far as it could be read."""

    outer: ip.Packet
    datagram: udp_encapsulation.Datagram | None
    esp: bytes


class OutboundJudge:
    """Judges the packets of one outbound SA in the order in which they were sent."""

    def __init__(self, sa: Sa, caps: Capabilities) -> None:
        self._sa = sa
        self._caps = caps
        self._entry = Entry(_REFERENCE.parameters(sa), SaState())
        self._last = int(sa.sequence)
        self._ivs: list[bytes] = []
        self._tails: list[bytes] = []
        self._step = -1

    def judge(self, step: Outbound, got: Outcome, want: Outcome) -> Judged:
        """Everything wrong with what became of this step; `want` is what the reference did."""
        self._step += 1
        if isinstance(want, Dropped):
            if not isinstance(got, Dropped):
                yield None, f"sent a packet, expected it dropped ({want.reason})"
            return
        expected = next_sequence(self._last, self._sa.esn)
        if not isinstance(got, Sent) or expected is None:
            yield None, "dropped a packet that can be protected"
            return
        self._last = expected
        try:
            packet = _read(got.packet)
        except Malformed as error:
            yield "RFC4303-3.1-packet-well-formed", f"what was sent cannot be read: {error}"
            return
        yield from self._outer(step, packet, got.packet)
        yield from self._esp(step, packet, expected)
        if step.iv is not None and isinstance(want, Sent):
            yield from self._octet_for_octet(packet, want.packet)

    def whole_history(self) -> Iterator[tuple[str, int, str]]:
        """What only all packets together show: IVs that repeat or can be predicted."""
        cipher = ENCRYPTION[self._sa.encr]
        if not cipher.iv_size or len(self._ivs) < 2:
            return
        if len(set(self._ivs)) < len(self._ivs):
            yield iv_rule(self._sa.encr), self._step, "two packets have the same IV"
        if cipher.block_size > 1:
            yield from self._predictable()

    def _predictable(self) -> Iterator[tuple[str, int, str]]:
        numbers = [int.from_bytes(iv, "big") for iv in self._ivs]
        little = [int.from_bytes(iv, "little") for iv in self._ivs]
        steps = {b - a for a, b in pairwise(numbers)}
        little_steps = {b - a for a, b in pairwise(little)}
        if len(numbers) > 2 and (len(steps) == 1 or len(little_steps) == 1) and 0 not in steps:
            yield iv_rule(self._sa.encr), self._step, "the IVs are a counter: an observer knows the next one"
        if any(iv == tail for iv, tail in zip(self._ivs[1:], self._tails, strict=False)):
            yield iv_rule(self._sa.encr), self._step, "an IV is the last block of the packet before"

    # ------------------------------------------------------------------------------------------------------- fields

    def _outer(self, step: Outbound, packet: _Esp, octets: bytes) -> Judged:
        sa, outer = self._sa, packet.outer
        if len(outer.header) + len(outer.payload) != len(octets):
            yield "RFC4303-3.1-packet-well-formed", "octets follow the end of the packet"
        if (packet.datagram is not None) != (sa.udp is not None):
            yield "RFC3948-2.1-udp-header", "UDP encapsulation is there when it should not be, or the other way round"
        elif packet.datagram is not None and sa.udp is not None:
            yield from self._udp(packet.datagram, sa.udp, outer)
        if sa.mode == "tunnel":
            yield from self._tunnel_header(step, outer)

    def _udp(self, datagram: udp_encapsulation.Datagram, ports: UdpEncapsulation, outer: ip.Packet) -> Judged:
        if (datagram.source_port, datagram.destination_port) != (ports.source_port, ports.destination_port):
            yield (
                "RFC3948-2.1-ports",
                f"ports {datagram.source_port} and {datagram.destination_port}, expected "
                f"{ports.source_port} and {ports.destination_port}",
            )
        if len(datagram.payload) + udp_encapsulation.HEADER_SIZE != len(outer.payload):
            yield "RFC3948-2.1-udp-header", "the UDP length is not that of the rest of the packet"
        if datagram.checksum and _udp_checksum(outer):
            yield "RFC3948-2.1-checksum-zero", "the UDP checksum is neither zero nor right"

    def _tunnel_header(self, step: Outbound, outer: ip.Packet) -> Judged:
        sa, caps = self._entry.sa, self._caps
        if (outer.source, outer.destination) != (sa.source.packed, sa.destination.packed):
            yield "RFC4301-5.1.2.1-addresses", "the outer addresses are not those of the SA"
            return
        inner = tunnel.traffic_class_of(step.packet)
        dscp = inner >> 2 if sa.dscp == "copy" else sa.dscp
        if outer.traffic_class >> 2 != dscp:
            yield "RFC4301-5.1.2.1-dscp", f"the outer DSCP is {outer.traffic_class >> 2}, expected {dscp}"
        ecn = 0 if sa.ecn == "compatibility" else inner & 3
        if caps.ecn and outer.traffic_class & 3 != ecn:
            yield "RFC6040-4.1-ecn-outbound", f"the outer ECN field is {outer.traffic_class & 3}, expected {ecn}"
        if outer.version == 4 and caps.df and not (sa.df == "copy" and step.packet[0] >> 4 == 6):
            wanted = sa.df == "set" or (sa.df == "copy" and bool(step.packet[6] & 0x40))
            if outer.dont_fragment != wanted:
                yield "RFC4301-8.1-df", f"the outer DF bit is {int(outer.dont_fragment)}, expected {int(wanted)}"
        if caps.hop_limit and outer.hop_limit != sa.hop_limit:
            yield "RFC4301-5.1.2.1-ttl", f"the outer TTL is {outer.hop_limit}, expected {sa.hop_limit}"
        elif not outer.hop_limit:
            yield "RFC4301-5.1.2.1-ttl", "the outer TTL is 0"

    def _esp(self, step: Outbound, packet: _Esp, expected: int) -> Judged:
        sa, codec, esp = self._sa, self._entry.codec, packet.esp
        if len(esp) < codec.smallest:
            yield "RFC4303-3.1-packet-well-formed", f"{len(esp)} octets are too few for an ESP packet"
            return
        if spi_of(esp) != sa.spi:
            yield "RFC4303-2.1-spi", f"the SPI is {spi_of(esp):#010x}, expected {sa.spi:#010x}"
            return
        if sequence_low(esp) != expected & 0xFFFFFFFF:
            number = sequence_low(esp)
            yield "RFC4303-3.3.3-increment", f"the sequence number is {number}, expected {expected & 0xFFFFFFFF}"
            return
        if len(esp) % 4:
            yield "RFC4303-2.4-alignment", f"the ESP packet's {len(esp)} octets are no multiple of 4"
        self._ivs.append(codec.iv_of(esp))
        self._tails.append(esp[: len(esp) - codec.icv_size][-codec.iv_size or len(esp) :])
        plaintext = codec.open(esp, expected)
        if not isinstance(plaintext, bytes):
            rule = "RFC4303-2.4-alignment" if plaintext.value == "malformed" else self._icv_rule()
            yield rule, f"a receiver discards the packet: {plaintext.value}"
            return
        yield from self._plaintext(step, packet, plaintext)

    def _icv_rule(self) -> str:
        return "RFC4303-2.2.1-icv-covers-high" if self._sa.esn else "RFC4303-3.3.2-icv"

    def _plaintext(self, step: Outbound, packet: _Esp, plaintext: bytes) -> Judged:
        pad_length, next_header = plaintext[-2], plaintext[-1]
        end = len(plaintext) - 2 - pad_length
        if end < 0:
            yield (
                "RFC4303-2.5-pad-length",
                f"pad length {pad_length} is more than the {len(plaintext)} octets there are",
            )
            return
        padding = plaintext[end:-2]
        if padding != bytes(range(1, pad_length + 1)):
            yield "RFC4303-2.4-default-padding", f"the padding is {padding[:20].hex()}, not 01 02 03 …"
        payload = plaintext[:end]
        if step.dummy:
            if next_header != NEXT_HEADER_DUMMY:
                yield "RFC4303-2.6-dummy-next-header", f"the next header of a dummy packet is {next_header}"
        elif self._sa.mode == "tunnel":
            yield from self._tunnel_payload(step, payload, next_header)
        else:
            yield from self._transport_payload(step, packet, payload, next_header)

    def _tunnel_payload(self, step: Outbound, payload: bytes, next_header: int) -> Judged:
        expected = tunnel.NEXT_HEADER[step.packet[0] >> 4]
        if next_header != expected:
            yield "RFC4303-2.6-next-header", f"the next header is {next_header}, expected {expected}"
        inner = payload[: len(step.packet)]
        if inner != step.packet and not (self._caps.forwards and inner == forwarded(step.packet)):
            yield "RFC4303-3.1.2-inner-unchanged", "the inner packet was changed"
        elif step.tfc and len(payload) < len(step.packet) + step.tfc:
            yield "RFC4303-2.7-tfc", f"{len(payload) - len(inner)} octets of TFC padding, asked for {step.tfc}"
        elif not step.tfc and len(payload) != len(inner) and not self._caps.tfc:
            yield "RFC4303-2.7-tfc-not-asked", f"{len(payload) - len(inner)} octets behind the inner packet"

    def _transport_payload(self, step: Outbound, packet: _Esp, payload: bytes, next_header: int) -> Judged:
        protocol = PROTOCOL_ESP if packet.datagram is None else PROTOCOL_UDP
        for split in transport.legal_splits(step.packet):
            if split.payload == payload and split.next_header == next_header:
                wrapped = transport.join(split.front, split.patch_at, protocol, packet.outer.payload)
                if isinstance(wrapped, bytes) and wrapped[: len(split.front)] == packet.outer.header:
                    return
                if packet.outer.version == 4:
                    break
        else:
            if not any(split.payload == payload for split in transport.legal_splits(step.packet)):
                yield "RFC4303-3.1.1-payload", "the protected octets are not what follows the IP header"
            else:
                yield "RFC4303-2.6-next-header", f"the next header is {next_header}"
            return
        yield (
            "RFC4303-3.1.1-header",
            "the IP header in front of ESP is not the original one with protocol and length changed",
        )

    def _octet_for_octet(self, packet: _Esp, want: Octets) -> Judged:
        right = _read(want)
        if packet.esp != right.esp and len(packet.esp) == len(right.esp):
            yield "RFC4303-3.3.2-icv", "with this IV, key and plaintext the octets should be others"


def iv_rule(encr: str) -> str:
    """The requirement on IVs of an algorithm."""
    return {
        "ENCR_AES_CBC": "RFC3602-2-iv-unpredictable",
        "ENCR_3DES": "RFC3602-2-iv-unpredictable",
        "ENCR_AES_CTR": "RFC3686-2-iv-unique",
        "ENCR_CHACHA20_POLY1305": "RFC7634-2-iv-unique",
        "ENCR_NULL_AUTH_AES_GMAC": "RFC4543-3-iv-unique",
    }.get(encr, "RFC4309-3-iv-unique" if "CCM" in encr else "RFC4106-3-iv-unique")


def forwarded(packet: bytes) -> bytes:
    """The packet after one router: TTL or hop limit one less, IPv4 checksum right."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([packet[7] - 1]) + packet[8:]
    size = (packet[0] & 0xF) * 4
    return ip.with_checksum(packet[:8] + bytes([packet[8] - 1]) + packet[9:size]) + packet[size:]


def _read(octets: bytes) -> _Esp:
    outer = ip.parse(octets)
    if outer.is_fragment:
        raise Malformed("a fragment")
    if outer.protocol == PROTOCOL_UDP:
        datagram = udp_encapsulation.open_datagram(outer.payload)
        return _Esp(outer, datagram, datagram.payload)
    if outer.protocol != PROTOCOL_ESP:
        raise Malformed(f"protocol {outer.protocol} is neither ESP nor UDP")
    return _Esp(outer, None, outer.payload)


def _udp_checksum(outer: ip.Packet) -> int:
    """0 if the UDP checksum is right."""
    length = len(outer.payload)
    pseudo = outer.source + outer.destination + length.to_bytes(4, "big") + PROTOCOL_UDP.to_bytes(4, "big")
    return ip.checksum(pseudo + outer.payload)


def rules(sa: Sa, caps: Capabilities) -> frozenset[str]:
    """The requirements that are put to the test by any packet that this SA sends."""
    return _rules(sa.mode, sa.udp is not None, sa.esn, sa.encr, ":" in sa.destination, bool(caps.ecn), bool(caps.df))


@cache
def _rules(mode: str, udp: bool, esn: bool, encr: str, outer_ipv6: bool, ecn: bool, df: bool) -> frozenset[str]:
    always = {
        "RFC4303-3.1-packet-well-formed",
        "RFC4303-2.1-spi",
        "RFC4303-3.3.3-increment",
        "RFC4303-2.4-alignment",
        "RFC4303-2.4-default-padding",
        "RFC4303-2.5-pad-length",
        "RFC4303-2.6-next-header",
        "RFC4303-2.2.1-icv-covers-high" if esn else "RFC4303-3.3.2-icv",
    }
    if ENCRYPTION[encr].iv_size:
        always.add(iv_rule(encr))
    if udp:
        always |= {"RFC3948-2.1-udp-header", "RFC3948-2.1-ports", "RFC3948-2.1-checksum-zero"}
    if mode == "transport":
        return frozenset(always | {"RFC4303-3.1.1-payload", "RFC4303-3.1.1-header"})
    always |= {
        "RFC4301-5.1.2.1-addresses",
        "RFC4301-5.1.2.1-dscp",
        "RFC4301-5.1.2.1-ttl",
        "RFC4303-3.1.2-inner-unchanged",
    }
    if ecn:
        always.add("RFC6040-4.1-ecn-outbound")
    if df and not outer_ipv6:
        always.add("RFC4301-8.1-df")
    return frozenset(always)
