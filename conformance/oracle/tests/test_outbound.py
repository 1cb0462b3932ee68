"""The judge of protected packets: each field that is damaged is told by its own requirement, a right packet by none."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import everything
from espproof.adapters.case import Case, Done, Dropped, Octets, Outbound, Sa, Sent, SequenceNumber, UdpEncapsulation
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.translate import entry
from espproof.conformance.oracle import outbound as rules
from espproof.conformance.oracle.judge import judge
from espproof.conformance.oracle.judgement import Judgement
from espproof.conformance.oracle.shown import icv_rule, iv_rule
from espproof.conformance.requirements import ids
from espproof.reference import endpoint, ip, udp_encapsulation

CAPS = everything()
SOURCE, DESTINATION = b"\xcb\x00\x71\x07", b"\xcb\x00\x71\x82"
PACKET = ip.build_ipv4(SOURCE, DESTINATION, 253, b"the payload", tos=0xBA, dont_fragment=True)
TUNNEL = Sa(
    name="out", direction="out", spi=0x1A2B3C4D, mode="tunnel", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(1, 17)), salt=Octets(b"\xa1\xb2\xc3\xd4"),
)  # fmt: skip
UDP = replace(TUNNEL, udp=UdpEncapsulation(source_port=4500, destination_port=4501))
TRANSPORT = replace(TUNNEL, mode="transport", source="203.0.113.7", destination="203.0.113.130")
ESN = replace(TUNNEL, esn=True, sequence=SequenceNumber((5 << 32) + 6))
CBC = replace(
    TUNNEL, encr="ENCR_AES_CBC", salt=Octets(b""), auth="AUTH_HMAC_SHA2_256_128", auth_key=Octets(range(32, 64))
)
SAS = {"tunnel": TUNNEL, "udp": UDP, "transport": TRANSPORT, "esn": ESN, "cbc": CBC}


def right(sa: Sa, number: int = 1, packet: bytes = PACKET) -> bytes:
    protected = endpoint.encapsulate(entry(sa), packet, int(sa.sequence) + number)
    assert isinstance(protected, bytes)
    return protected


def findings(sa: Sa, *sent: bytes, step: Outbound | None = None) -> list[str]:
    """The requirements that these packets, sent one after the other, do not meet."""
    steps = tuple((step or Outbound(sa="out", packet=Octets(PACKET)),) * len(sent))
    case = Case(version=1, sas=(sa,), steps=steps)
    got = Transcript((Done(),), tuple(Sent(packet=Octets(packet)) for packet in sent))
    judgement = judge(case, got, ReferenceAdapter().execute(case), CAPS)
    assert isinstance(judgement, Judgement)
    return [finding.requirement for finding in judgement.findings]


def sealed(sa: Sa, change: Callable[[bytes], bytes], number: int = 1) -> bytes:
    """A packet with a right ICV around a changed plaintext."""
    its = entry(sa)
    sequence = int(sa.sequence) + number
    parsed = ip.parse(right(sa, number))
    plaintext = its.codec.open(parsed.payload[8 if sa.udp else 0 :], sequence)
    assert isinstance(plaintext, bytes)
    protected = endpoint.wrap(its, PACKET, its.codec.seal(change(plaintext), sequence, its.iv_source(sequence)))
    assert isinstance(protected, bytes)
    return protected


def octet(at: int, value: int) -> Callable[[bytes], bytes]:
    """Change one octet, and make the IPv4 header's checksum right again."""

    def change(packet: bytes) -> bytes:
        at_ = at % len(packet)
        changed = packet[:at_] + bytes([value]) + packet[at_ + 1 :]
        return ip.with_checksum(changed[:20]) + changed[20:]

    return change


@pytest.mark.parametrize("name", SAS)
def test_a_right_packet_is_right(name: str) -> None:
    """What the reference sends has no findings, three packets in a row."""
    assert findings(SAS[name], *(right(SAS[name], number) for number in (1, 2, 3))) == []


ON_THE_WIRE: list[tuple[str, Sa, Callable[[bytes], bytes], list[str]]] = [
    ("no IP packet", TUNNEL, lambda packet: b"\x10" + packet[1:], [rules.WELL_FORMED]),
    ("octets behind the end", TUNNEL, lambda packet: packet + b"\0", [rules.WELL_FORMED]),
    ("a fragment", TUNNEL, octet(6, 0x20), [rules.WELL_FORMED]),
    ("too short for ESP", TUNNEL, lambda packet: ip.build_ipv4(packet[12:16], packet[16:20], 50, packet[20:40],
                                                             tos=0xBA, dont_fragment=True), [rules.WELL_FORMED]),
    ("another protocol", TUNNEL, octet(9, 51), [ids.PROTOCOL_50]),
    ("a wrong outer checksum", TUNNEL, lambda packet: packet[:10] + b"\0\0" + packet[12:], [rules.WELL_FORMED]),
    ("another source", TUNNEL, octet(15, 99), [rules.ADDRESSES[4]]),
    ("another destination", TUNNEL, octet(19, 99), [rules.ADDRESSES[4]]),
    ("another DSCP", TUNNEL, octet(1, 0x2A), [rules.DSCP[4]]),
    ("another ECN field", TUNNEL, octet(1, 0xB8), [rules.ECN["normal"]]),
    ("no DF", TUNNEL, octet(6, 0), [rules.DF_COPY]),
    ("TTL 0", TUNNEL, octet(8, 0), [rules.HOP_LIMIT[4]]),
    ("another SPI", TUNNEL, octet(23, 0), [rules.SPI]),
    ("another first number", TUNNEL, octet(27, 2), [ids.FIRST_ONE]),
    ("another number", ESN, octet(27, 9), [ids.INCREMENT]),
    ("another IV", TUNNEL, octet(30, 9), [icv_rule(TUNNEL)]),
    ("another ciphertext", TUNNEL, octet(40, 9), [icv_rule(TUNNEL)]),
    ("another ICV", TUNNEL, octet(-1, 9), [icv_rule(TUNNEL)]),
    ("the high half forgotten", ESN, lambda _: right(replace(ESN, sequence=SequenceNumber(6))), [icv_rule(ESN)]),
    ("no UDP", UDP, lambda _: right(TUNNEL), [rules.UDP_HEADER]),
    ("UDP", TUNNEL, lambda _: right(UDP), [ids.PROTOCOL_50]),
    ("another port", UDP, octet(23, 9), [rules.UDP_PORTS]),
    ("another UDP length", UDP, octet(25, 40), [rules.UDP_HEADER]),
    ("a wrong UDP checksum", UDP, octet(27, 9), [rules.UDP_HEADER, rules.UDP_ZERO]),
    ("a right UDP checksum", UDP, lambda packet: packet[:26] + udp_encapsulation.checksum(
        packet[12:16], packet[16:20], packet[20:]).to_bytes(2, "big") + packet[28:], [rules.UDP_ZERO]),
    ("another TTL in transport mode", TRANSPORT, octet(8, 9), [rules.HEADER]),
    ("another address in transport mode", TRANSPORT, octet(15, 9), [rules.HEADER]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sa", "change", "told"), [row[1:] for row in ON_THE_WIRE], ids=[row[0] for row in ON_THE_WIRE]
)
def test_a_wrong_field_on_the_wire_is_told(sa: Sa, change: Callable[[bytes], bytes], told: list[str]) -> None:
    """One field of a right packet is changed: the requirement on this field is not met, and no other."""
    assert [rule for rule in findings(sa, change(right(sa))) if rule in told or rule not in FOLLOWING] == told


FOLLOWING = {icv_rule(UDP), rules.WELL_FORMED}
"""What an ESP packet that was cut off by a wrong length shows as well."""

END = len(PACKET)
UNDER_THE_ICV: list[tuple[str, Sa, Callable[[bytes], bytes], list[str]]] = [
    ("another inner octet", TUNNEL, lambda plain: plain[:9] + b"\x11" + plain[10:], [ids.INNER]),
    ("padding of zeros", TUNNEL, lambda plain: plain[:END] + b"\0\0\0\x03\x04", [ids.DEFAULT_PADDING]),
    ("a pad length beyond", TUNNEL, lambda plain: plain[:-2] + b"\xff" + plain[-1:], [ids.PAD_LENGTH]),
    ("another next header", TUNNEL, lambda plain: plain[:-1] + b"\x29", [ids.NEXT_HEADER]),
    ("seven octets of padding", TUNNEL, lambda plain: plain[:END] + bytes(range(1, 8)) + b"\x07\x04",
     [ids.MINIMUM_PADDING]),
    ("TFC that nobody asked for", TUNNEL, lambda plain: plain[:END] + bytes(4) + plain[END:], [rules.TFC_NOT_ASKED]),
    ("another payload in transport mode", TRANSPORT, lambda plain: b"x" + plain[1:], [ids.PAYLOAD]),
    ("another next header in transport mode", TRANSPORT, lambda plain: plain[:-1] + b"\x11", [ids.NEXT_HEADER]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sa", "change", "told"), [row[1:] for row in UNDER_THE_ICV], ids=[row[0] for row in UNDER_THE_ICV]
)
def test_a_wrong_plaintext_is_told(sa: Sa, change: Callable[[bytes], bytes], told: list[str]) -> None:
    """The same below a right ICV, where only the receiver would see it."""
    assert sorted(findings(sa, sealed(sa, change))) == sorted(told)


def with_iv(sa: Sa, iv: bytes, number: int) -> bytes:
    protected = endpoint.encapsulate(entry(sa), PACKET, number, iv)
    assert isinstance(protected, bytes)
    return protected


@pytest.mark.parametrize(
    ("sa", "ivs"),
    [
        (TUNNEL, [bytes(8), bytes(8)]),
        (CBC, [b"0123456789abcdef", b"0123456789abcdef"]),
        (CBC, [number.to_bytes(16, "big") for number in (7, 8, 9)]),
        (CBC, [number.to_bytes(16, "little") for number in (7, 8, 9)]),
        (CBC, [number.to_bytes(16, "big") for number in (7, 77, 147)]),
    ],
    ids=["gcm-same", "cbc-same", "cbc-counter", "cbc-little-endian-counter", "cbc-steps"],
)
def test_ivs_that_repeat_or_count_are_told(sa: Sa, ivs: list[bytes]) -> None:
    """No IV twice; for CBC, none that an observer can work out from those before."""
    assert set(findings(sa, *(with_iv(sa, iv, number) for number, iv in enumerate(ivs, 1)))) == {iv_rule(sa.encr)}


def test_an_iv_out_of_the_packet_before_is_told() -> None:
    """CBC chained from packet to packet: the next IV is the last ciphertext block of the one before."""
    first = with_iv(CBC, b"fedcba9876543210", 1)
    icv_size = entry(CBC).codec.icv_size
    second = with_iv(CBC, first[-icv_size - 16 : -icv_size], 2)
    assert findings(CBC, first, second) == [iv_rule(CBC.encr)]


def test_a_counter_is_right_for_counter_modes() -> None:
    """The IV of GCM may be the sequence number, and is not told as predictable."""
    assert findings(TUNNEL, *(with_iv(TUNNEL, number.to_bytes(8, "big"), number) for number in (1, 2, 3))) == []


def test_the_iv_that_was_asked_for_is_used() -> None:
    """Where the IV is fixed by the case, another one is told, though the packet opens."""
    step = Outbound(sa="out", packet=Octets(PACKET), iv=Octets(b"\x07" * 8))
    assert findings(TUNNEL, with_iv(TUNNEL, b"\x07" * 8, 1), step=step) == []
    assert findings(TUNNEL, with_iv(TUNNEL, b"\x08" * 8, 1), step=step) == [icv_rule(TUNNEL)]


def test_a_number_that_a_dropped_packet_has_used_up_is_no_first_number() -> None:
    """What comes next is wrong by the increment, though it is the first packet that anybody sees."""
    steps = tuple(Outbound(sa="out", packet=Octets(octets)) for octets in (b"\x45", PACKET))
    case = Case(version=1, sas=(TUNNEL,), steps=steps)
    got = Transcript((Done(),), (Dropped(), Sent(packet=Octets(right(TUNNEL, 2)))))
    judgement = judge(case, got, ReferenceAdapter().execute(case), CAPS)
    assert isinstance(judgement, Judgement)
    assert [finding.requirement for finding in judgement.findings] == [ids.INCREMENT]


@pytest.mark.parametrize(("asked", "given", "told"), [(20, 20, []), (20, 21, []), (20, 19, [rules.TFC])])
def test_tfc_padding_is_at_least_what_was_asked_for(asked: int, given: int, told: list[str]) -> None:
    """More TFC padding than asked for is the sender's affair."""
    step = Outbound(sa="out", packet=Octets(PACKET), tfc=asked)
    protected = endpoint.encapsulate(entry(TUNNEL), PACKET, 1, tfc=given)
    assert isinstance(protected, bytes)
    assert findings(TUNNEL, protected, step=step) == told
