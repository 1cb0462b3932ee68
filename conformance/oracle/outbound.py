"""What a protected packet must look like on the wire: opened with the reference's codec, judged field by field.

Each rule is one requirement. What the documents leave open is not judged: identification, flow label, an undeclared hop
limit, more padding than needed (RFC 4303 2.4 allows up to 255 octets), the UDP checksum over IPv6 as long as it is zero
or right. One judge per outbound SA; it knows which sequence number comes next, collects the IVs, and notes in `shown`
which requirements the packets have put to the test: a rule behind one that is not met has not been reached.

Packets that were sent before anybody could give one are judged by the same rules, but what they should have inside is
nobody's to say: it is taken from them.
"""

from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Dropped, Lifetime, Octets, Outbound, Outcome, Sa, Sent, UdpEncapsulation
from espproof.adapters.translate import entry, security_association
from espproof.conformance.oracle.shown import by_right_packet, icv_rule, iv_rule
from espproof.conformance.requirements.ids import (
    ALIGNMENT,
    DEFAULT_PADDING,
    DUMMY_NEXT_HEADER,
    FIRST_ONE,
    INCREMENT,
    INNER,
    MINIMUM_PADDING,
    NEXT_HEADER,
    NO_CYCLE,
    NO_FRAGMENTS,
    PAD_LENGTH,
    PAYLOAD,
    PROTOCOL_50,
)
from espproof.reference import ip, transport, tunnel, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.endpoint import PROTOCOL_ESP, PROTOCOL_UDP, Entry
from espproof.reference.errors import Malformed
from espproof.reference.esp import HEADER_SIZE, NEXT_HEADER_DUMMY, sequence_low, spi_of, trailer
from espproof.reference.sa import SecurityAssociation
from espproof.reference.sequence import next_sequence

WELL_FORMED = "RFC4303-3.1-packet-well-formed"
SPI = "RFC4303-2.1-spi"
BLOCKS = "RFC4303-2.4-block-multiple"
TFC, TFC_NOT_ASKED = "RFC4303-2.7-tfc", "RFC4303-2.7-tfc-not-asked"
TFC_PAD_LENGTH, TFC_LENGTH = "RFC4303-2.5-pad-length-without-tfc", "RFC4303-2.7-tfc-length-unmodified"
DUMMY_COMPLETE = "RFC4303-2.6-dummy-complete"
HEADER = "RFC4303-3.1.1-header"
UDP_HEADER, UDP_PORTS, UDP_ZERO = "RFC3948-2.1-udp-header", "RFC3948-2.1-ports", "RFC3948-2.1-checksum-zero"
ADDRESSES = {4: "RFC4301-5.1.2.1-addresses", 6: "RFC4301-5.1.2.2-addresses"}
DSCP = {4: "RFC4301-5.1.2.1-dscp", 6: "RFC4301-5.1.2.2-dscp"}
DSCP_FIXED = "RFC4301-5.1.2-dscp-fixed"
ECN = {"normal": "RFC6040-4.1-ecn-outbound", "compatibility": "RFC6040-4.1-ecn-compatibility"}
ECN_IPV6 = "RFC4301-5.1.2.2-ecn"
DF, DF_COPY = "RFC4301-8.1-df", "RFC4301-8.1-df-copy"
HOP_LIMIT = {4: "RFC4301-5.1.2.1-ttl", 6: "RFC4301-5.1.2.2-hop-limit"}
NOT_COPIED = {4: "RFC4301-5.1.2.1-options-not-copied", 6: "RFC4301-5.1.2.2-extensions-not-copied"}

EVERY_PACKET = (WELL_FORMED, SPI, INCREMENT, ALIGNMENT, PAD_LENGTH, DEFAULT_PADDING, NEXT_HEADER)
TUNNEL = (INNER, *ADDRESSES.values(), *DSCP.values(), *HOP_LIMIT.values())

GARBLED = frozenset({PAD_LENGTH, NEXT_HEADER, INNER, PAYLOAD})
"""What is found, behind a right ICV, where decryption does not give what was to be encrypted."""

SAME_IV = "two packets have the same IV"
SAME_IV_AS_ANOTHER = "two SAs have sent a packet with the same IV"
WRONG_ICV = "a receiver discards the packet: integrity"
"""The message; what is wrong with the IV of a single packet has others."""

Judged = Iterator[tuple[str | None, str]]
"""(requirement, or None for the step's own; message)"""
_Finds = Generator[tuple[str | None, str], None, bytes | None]
"""The same, and at the end the octets that were looked for, or None."""
_BYTE_ORDERS: tuple[Literal["big", "little"], ...] = ("big", "little")


class _Unreadable(Exception):
    """What was sent is no IP packet with ESP in it: the requirement and why."""


class _Esp(NamedTuple):
    """A packet as far as it could be read."""

    outer: ip.Packet
    datagram: udp_encapsulation.Datagram | None
    esp: bytes


class OutboundJudge:
    """Judges the packets of one outbound SA in the order in which they were sent."""

    def __init__(self, sa: Sa, caps: Capabilities) -> None:
        self.shown: set[str] = set()
        self._sa = sa
        self._caps = caps
        self._parameters: SecurityAssociation = security_association(sa)
        self._last = int(sa.sequence)
        self._ivs: list[bytes] = []
        self._tails: list[bytes] = []
        self._early: tuple[bytes, ...] | None = None
        self._first = self._begun = False
        self._astray = False
        """Whether it has sent what it should not have, so that its numbers and limits are not those of the reference."""
        self._step = -1

    @cached_property
    def _entry(self) -> Entry:
        return entry(self._sa)

    def judge(self, number: int, step: Outbound, got: Outcome, want: Outcome) -> Judged:
        """Everything wrong with what became of step `number`; `want` is what the reference did."""
        self._step = number
        self._first, self._begun = not self._begun, True
        if isinstance(want, Dropped):
            if not isinstance(got, Dropped):
                rule = NO_FRAGMENTS if want.reason == "fragment" else None
                yield rule, f"sent a packet, expected it dropped ({want.reason})"
                self._astray = True
                self.follow(got)
            return
        expected = next_sequence(self._last, self._sa.esn)
        if expected is None:  # it has sent what it should not have, and with that its last number
            if isinstance(got, Sent):
                yield NO_CYCLE, "sent a packet behind the last number"
            return
        if not isinstance(got, Sent):
            if not (self._astray and self._sa.lifetime != Lifetime()):
                yield None, "dropped a packet that can be protected"
            return
        self._last = expected
        yield from self._packet(step, got.packet, expected)

    def _packet(self, step: Outbound, octets: bytes, expected: int) -> Judged:
        """Everything wrong with a packet that was sent, which should have that number."""
        self.shown |= {WELL_FORMED, PROTOCOL_50} if self._sa.udp is None else {WELL_FORMED, UDP_HEADER}
        try:
            packet = _read(octets)
        except _Unreadable as error:
            yield error.args[0], f"what was sent cannot be read: {error.args[1]}"
            return
        yield from self._outer(step, packet, octets)
        yield from self._esp(step, packet, expected)

    def follow(self, got: Outcome) -> None:
        """A step whose outcome the documents leave open: only its sequence number counts."""
        following = next_sequence(self._last, self._sa.esn)
        if isinstance(got, Sent) and following is not None:
            self._last = following

    def leaves_out(self, following: int, at_most: int) -> None:
        """The next packet may have the number `following`: the packets of so many in front of it were discarded."""
        if self._last < following <= self._last + 1 + at_most:
            self._last = following - 1

    def early(self, number: int, packets: Sequence[bytes]) -> Judged:
        """Everything wrong with what was sent before anybody could give it a packet, told at step `number`.

        The numbers begin with 1 and end with the `sequence` that the SA came with. Told again, it is not judged again.
        """
        told = tuple(packets)
        if told == self._early:
            return
        self._early, self._step = told, number
        last = 0
        for place, octets in enumerate(told):
            self._first, self._begun = place == 0, True
            last += 1
            try:
                packet = _read(octets)
            except _Unreadable as error:
                yield error.args[0], f"early packet {place} cannot be read: {error.args[1]}"
                continue
            for rule, message in self._unasked(packet, octets, last):
                yield rule, f"early packet {place}: {message}"
            last = sequence_low(packet.esp) if len(packet.esp) >= HEADER_SIZE else last
        if last != int(self._sa.sequence):
            yield INCREMENT, f"the early packets end with number {last}, the SA goes on behind {int(self._sa.sequence)}"

    def _unasked(self, packet: _Esp, octets: bytes, expected: int) -> Judged:
        """One packet of which nobody knows what should be inside."""
        plaintext = yield from self._opened(packet, expected)
        payload = None if plaintext is None else (yield from self._payload(plaintext))
        if plaintext is None or payload is None or plaintext[-1] == NEXT_HEADER_DUMMY:
            return
        if self._sa.mode == "tunnel":
            inside = tunnel.decapsulate(0, payload, plaintext[-1])
        else:
            inside = transport.rebuild(packet.outer, plaintext[-1], payload)
        if not isinstance(inside, bytes):
            yield NEXT_HEADER, f"what is inside is no packet that next header {plaintext[-1]} announces"
            return
        step = Outbound(sa=self._sa.name, packet=Octets(inside))
        yield from self._outer(step, packet, octets)
        yield from self._content(step, packet, payload, plaintext[-1])

    def whole_history(self) -> Iterator[tuple[str, int, str]]:
        """What only all packets together show: IVs that repeat or can be predicted."""
        cipher = ENCRYPTION[self._sa.encr]
        if not cipher.iv_size or len(self._ivs) < 2:
            return
        self.shown.add(iv_rule(self._sa.encr))
        if len(set(self._ivs)) < len(self._ivs):
            yield iv_rule(self._sa.encr), self._step, SAME_IV
        elif cipher.block_size > 1:
            yield from self._predictable()

    def _predictable(self) -> Iterator[tuple[str, int, str]]:
        rule = iv_rule(self._sa.encr)
        for order in _BYTE_ORDERS:
            numbers = [int.from_bytes(iv, order) for iv in self._ivs]
            steps = {b - a for a, b in pairwise(numbers)}
            if len(numbers) > 2 and len(steps) == 1:
                yield rule, self._step, "the IVs are a counter: an observer knows the next one"
        if any(iv == tail for iv, tail in zip(self._ivs[1:], self._tails, strict=False)):
            yield rule, self._step, "an IV is the last block of the packet before"

    @property
    def iv_rule(self) -> str:
        """The requirement that IVs are new."""
        return iv_rule(self._sa.encr)

    @property
    def ivs(self) -> set[bytes]:
        """The explicit IVs that nobody asked for."""
        return set(self._ivs)

    @property
    def last_step(self) -> int:
        return self._step

    def must_differ(self, other: "OutboundJudge") -> bool:
        """Whether no IV of one SA may be one of the other."""
        one, two = self._sa, other._sa
        if one.protocol != two.protocol:
            return False
        if not ENCRYPTION[one.encr].iv_size or iv_rule(one.encr) != iv_rule(two.encr):
            return False
        return ENCRYPTION[one.encr].block_size > 1 or (one.encr_key, one.salt) == (two.encr_key, two.salt)

    # ------------------------------------------------------------------------------------------------------- fields

    def _outer(self, step: Outbound, packet: _Esp, octets: bytes) -> Judged:
        sa, outer = self._sa, packet.outer
        if outer.total_length != len(octets):
            yield WELL_FORMED, "octets follow the end of the packet"
        if (packet.datagram is not None) != (sa.udp is not None):
            rule = PROTOCOL_50 if sa.udp is None else UDP_HEADER
            yield rule, "UDP encapsulation is there when it should not be, or the other way round"
        elif packet.datagram is not None and sa.udp is not None:
            yield from self._udp(packet.datagram, sa.udp, outer)
        if sa.mode == "tunnel":
            yield from self._tunnel_header(step, outer)

    def _udp(self, datagram: udp_encapsulation.Datagram, ports: UdpEncapsulation, outer: ip.Packet) -> Judged:
        self.shown.add(UDP_PORTS)
        if (datagram.source_port, datagram.destination_port) != (ports.source_port, ports.destination_port):
            yield (
                UDP_PORTS,
                f"ports {datagram.source_port} and {datagram.destination_port}, expected "
                f"{ports.source_port} and {ports.destination_port}",
            )
        if len(datagram.payload) + udp_encapsulation.HEADER_SIZE != len(outer.payload):
            yield UDP_HEADER, "the UDP length is not that of the rest of the packet"
        elif datagram.checksum and not udp_encapsulation.checksum_is_right(
            outer.source, outer.destination, outer.payload
        ):
            yield UDP_HEADER, "the UDP checksum is neither zero nor right"
        if outer.version == 4:
            self.shown.add(UDP_ZERO)
            if datagram.checksum:
                yield UDP_ZERO, f"the UDP checksum is {datagram.checksum:#06x}, not zero"

    def _tunnel_header(self, step: Outbound, outer: ip.Packet) -> Judged:
        sa, caps, version = self._parameters, self._caps, outer.version
        rule = ADDRESSES[sa.source.version]
        self.shown.add(rule)
        if (outer.source, outer.destination) != (sa.source.packed, sa.destination.packed):
            yield rule, "the outer addresses are not those of the SA"
            return
        inner = tunnel.traffic_class_of(step.packet)
        yield from self._traffic_class(inner, outer)
        if version == 4 and caps.df and not (sa.df == "copy" and step.packet[0] >> 4 == 6):
            wanted = sa.df == "set" or (sa.df == "copy" and bool(step.packet[6] & 0x40))
            rule = DF_COPY if sa.df == "copy" else DF
            self.shown |= {rule, DF}
            if outer.dont_fragment != wanted:
                yield rule, f"the outer DF bit is {int(outer.dont_fragment)}, expected {int(wanted)}"
        rule = HOP_LIMIT[version]
        self.shown.add(rule)
        if caps.hop_limit and outer.hop_limit != sa.hop_limit:
            yield rule, f"the outer TTL is {outer.hop_limit}, expected {sa.hop_limit}"
        elif not outer.hop_limit:
            yield rule, "the outer TTL is 0"
        yield from self._not_copied(step.packet, outer)

    def _traffic_class(self, inner: int, outer: ip.Packet) -> Judged:
        sa = self._parameters
        rule = DSCP[outer.version] if sa.dscp == "copy" else DSCP_FIXED
        dscp = inner >> 2 if sa.dscp == "copy" else sa.dscp
        self.shown |= {rule, DSCP[outer.version]}
        if outer.dscp != dscp:
            yield rule, f"the outer DSCP is {outer.dscp}, expected {dscp}"
        if not self._caps.ecn:
            return
        ecn = 0 if sa.ecn == "compatibility" else inner & 3
        rule = ECN_IPV6 if outer.version == 6 and sa.ecn == "normal" else ECN[sa.ecn]
        self.shown |= {rule, ECN[sa.ecn]}
        if outer.ecn != ecn:
            yield rule, f"the outer ECN field is {outer.ecn}, expected {ecn}"

    def _not_copied(self, inner: bytes, outer: ip.Packet) -> Judged:
        """Options and extension headers of the inner packet, which nobody outside is to see."""
        try:
            parsed = ip.parse(inner)
        except Malformed:
            return
        fixed = ip.IPV4_HEADER_SIZE if outer.version == 4 else ip.IPV6_HEADER_SIZE
        if parsed.version == outer.version and len(parsed.header) > fixed:
            self.shown.add(NOT_COPIED[outer.version])
            if len(outer.header) > fixed:
                yield (
                    NOT_COPIED[outer.version],
                    "the outer header has options or extension headers, as the inner one has",
                )

    def _esp(self, step: Outbound, packet: _Esp, expected: int) -> Judged:
        opened = self._opened(packet, expected, step.iv)
        plaintext = yield from (_held_against(DUMMY_COMPLETE, opened) if step.dummy else opened)
        if plaintext is None:
            return
        right = True
        for rule, message in self._inside(step, packet, plaintext):
            right = right and rule not in GARBLED
            yield rule, message
        if right:
            self.shown |= by_right_packet(self._sa, step.packet[0] >> 4)

    def _inside(self, step: Outbound, packet: _Esp, plaintext: bytes) -> Judged:
        self.shown.add(DUMMY_NEXT_HEADER if step.dummy else NEXT_HEADER)
        payload = yield from self._payload(plaintext, step.tfc)
        if payload is None:
            return
        if step.dummy:
            self.shown.add(DUMMY_COMPLETE)
            if plaintext[-1] != NEXT_HEADER_DUMMY:
                yield DUMMY_NEXT_HEADER, f"the next header of a dummy packet is {plaintext[-1]}"
        else:
            yield from self._content(step, packet, payload, plaintext[-1])

    def _opened(self, packet: _Esp, expected: int, iv: bytes | None = None) -> "_Finds":
        """The plaintext, trailer included; None if there is no way to it. `iv` is the one that was asked for."""
        sa, codec, esp = self._sa, self._entry.codec, packet.esp
        if len(esp) < codec.smallest:
            yield WELL_FORMED, f"{len(esp)} octets are too few for an ESP packet"
            return None
        self.shown.add(SPI)
        if spi_of(esp) != sa.spi:
            yield SPI, f"the SPI is {spi_of(esp):#010x}, expected {sa.spi:#010x}"
            return None
        if codec.iv_of(esp) != iv:  # that a Case asks for one IV twice is not the sender's fault
            self._ivs.append(codec.iv_of(esp))
            self._tails.append(esp[: len(esp) - codec.icv_size][-codec.iv_size or len(esp) :])
        rule = FIRST_ONE if self._first and expected == 1 else INCREMENT
        self.shown.add(rule)
        if sequence_low(esp) != expected & 0xFFFFFFFF:
            yield rule, f"the sequence number is {sequence_low(esp)}, expected {expected & 0xFFFFFFFF}"
            return None
        self.shown.add(ALIGNMENT)
        if len(esp) % 4:
            yield ALIGNMENT, f"the ESP packet's {len(esp)} octets are no multiple of 4"
        if iv is not None and codec.iv_of(esp) != iv:  # with the IV, every octet of a packet that opens is fixed
            yield icv_rule(sa), f"the IV is {codec.iv_of(esp).hex()}, not the one that was given"
        plaintext = codec.open(esp, expected)
        if isinstance(plaintext, bytes):
            return plaintext
        if plaintext.value == "malformed":
            rule = BLOCKS if codec.alignment > 4 else ALIGNMENT
            yield rule, f"what is encrypted is no multiple of {codec.alignment} octets"
        else:
            yield icv_rule(sa), WRONG_ICV
        return None

    def _payload(self, plaintext: bytes, tfc: int = 0) -> "_Finds":
        """What is in front of the padding; None if that cannot be told. `tfc` octets of TFC padding were asked for."""
        pad_length = plaintext[-2]
        end = len(plaintext) - 2 - pad_length
        self.shown |= {PAD_LENGTH, DEFAULT_PADDING}
        if tfc % 256:
            self.shown.add(TFC_PAD_LENGTH)
            padding = trailer((pad_length - tfc) % 256, 0)[:-2]
            if plaintext[:-2].endswith(padding) and plaintext[end:-2] != trailer(pad_length, 0)[:-2]:
                yield TFC_PAD_LENGTH, f"the pad length is {pad_length}: it counts the {tfc} octets of TFC padding"
                return None
        if end < 0:
            yield PAD_LENGTH, f"pad length {pad_length} is more than the {len(plaintext)} octets there are"
            return None
        padding = plaintext[end:-2]
        if plaintext[end:] != trailer(pad_length, plaintext[-1]):
            yield DEFAULT_PADDING, f"the padding is {padding[:20].hex()}, not 01 02 03 …"
        if "_GCM_" in self._sa.encr:
            self.shown.add(MINIMUM_PADDING)
            if pad_length > 3:
                yield MINIMUM_PADDING, f"{pad_length} octets of padding, where at most 3 are needed"
        return plaintext[:end]

    def _content(self, step: Outbound, packet: _Esp, payload: bytes, next_header: int) -> Judged:
        if self._sa.mode == "tunnel":
            yield from self._tunnel_payload(step, payload, next_header)
        else:
            yield from self._transport_payload(step, packet, payload, next_header)

    def _tunnel_payload(self, step: Outbound, payload: bytes, next_header: int) -> Judged:
        expected = tunnel.NEXT_HEADER[step.packet[0] >> 4]
        if next_header != expected:
            yield NEXT_HEADER, f"the next header is {next_header}, expected {expected}"
        self.shown.add(INNER)
        inner = payload[: len(step.packet)]
        if inner != step.packet and not (self._caps.forwards and inner == ip.forwarded(step.packet)):
            length = ip.IPV4_TOTAL_LENGTH if step.packet[0] >> 4 == 4 else ip.IPV6_PAYLOAD_LENGTH
            rule = TFC_LENGTH if step.tfc and inner[length] != step.packet[length] else INNER
            yield rule, "the inner packet was changed"
            return
        more = len(payload) - len(inner)
        self.shown.add(TFC if step.tfc else TFC_NOT_ASKED)
        if step.tfc and more < step.tfc:
            yield TFC, f"{more} octets of TFC padding, asked for {step.tfc}"
        elif more and not step.tfc:
            yield TFC_NOT_ASKED, f"{more} octets behind the inner packet"

    def _transport_payload(self, step: Outbound, packet: _Esp, payload: bytes, next_header: int) -> Judged:
        protocol = PROTOCOL_ESP if packet.datagram is None else PROTOCOL_UDP
        plain = (step.packet, ip.forwarded(step.packet)) if self._caps.forwards else (step.packet,)
        splits = [split for one in plain for split in transport.legal_splits(one) if split.payload == payload]
        self.shown.add(PAYLOAD)
        if not splits:
            yield PAYLOAD, "the protected octets are not what follows the IP header"
            return
        if all(split.next_header != next_header for split in splits):
            yield NEXT_HEADER, f"the next header is {next_header}, expected {splits[0].next_header}"
            return
        self.shown.add(HEADER)
        for split in splits:
            wrapped = transport.join(split.front, split.patch_at, protocol, packet.outer.payload)
            if isinstance(wrapped, bytes) and wrapped[: len(split.front)] == packet.outer.header:
                return
        yield HEADER, "the IP header in front of ESP is not the original one with protocol and length changed"


def _held_against(requirement: str, finds: "_Finds") -> "_Finds":
    """The same findings, about that requirement."""
    while True:
        try:
            _, message = next(finds)
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]
        yield requirement, message


def ivs_of_several(senders: Sequence[OutboundJudge]) -> Iterator[tuple[str, int, str]]:
    """What only all outbound SAs of a case together show: an IV that comes again under a key that two of them have.

    Of counter modes key and salt together, as only the whole nonce must be new. Of CBC under any keys: who has seen the
    packets of one SA must not know the IVs of another.
    """
    for place, one in enumerate(senders):
        for other in senders[place + 1 :]:
            if one.must_differ(other) and not one.ivs.isdisjoint(other.ivs):
                yield one.iv_rule, max(one.last_step, other.last_step), SAME_IV_AS_ANOTHER


def _read(octets: bytes) -> _Esp:
    try:
        outer = ip.parse(octets)
        if outer.is_fragment:
            raise _Unreadable(WELL_FORMED, "it is a fragment")
        if outer.protocol == PROTOCOL_ESP:
            return _Esp(outer, None, outer.payload)
        if outer.protocol != PROTOCOL_UDP:
            raise _Unreadable(PROTOCOL_50, f"protocol {outer.protocol} is neither ESP nor UDP")
    except Malformed as error:
        raise _Unreadable(WELL_FORMED, str(error)) from error
    try:
        datagram = udp_encapsulation.open_datagram(outer.payload)
    except Malformed as error:
        raise _Unreadable(UDP_HEADER, str(error)) from error
    return _Esp(outer, datagram, datagram.payload)
