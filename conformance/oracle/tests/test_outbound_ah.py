"""The judge of packets with AH: each field that is damaged is told by its own requirement, a right packet by none."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from espproof.adapters.capabilities import everything
from espproof.adapters.case import Octets, Outbound, Sa, Sent
from espproof.adapters.translate import any_entry
from espproof.conformance.oracle import outbound_ah as rules
from espproof.conformance.oracle.outbound import WRONG_ICV
from espproof.reference import ah, ip
from espproof.reference.xfrm import protocols

ENDS = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
PACKET = ip.build_ipv4(*ENDS, 253, b"the payload", tos=0xB8, ttl=64)
TRANSPORT = Sa(
    name="out", direction="out", spi=0x1A2B3C4D, mode="transport", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_NULL", auth="AUTH_HMAC_SHA2_256_128", auth_key=Octets(range(32)), protocol="ah",
)  # fmt: skip
TUNNEL = replace(TRANSPORT, mode="tunnel")
GMAC = replace(TRANSPORT, auth="AUTH_AES_GMAC", auth_key=Octets(range(16)), salt=Octets(b"salt"))
AT = 20
"""Where AH begins."""


def codec(sa: Sa) -> ah.Codec:
    entry = any_entry(sa)
    assert isinstance(entry, protocols.AhEntry)
    return entry.codec


def right(sa: Sa, number: int = 1, packet: bytes = PACKET) -> bytes:
    made = protocols.protect(any_entry(sa), packet, number)
    assert isinstance(made, bytes)
    return made


def findings(sa: Sa, *sent: bytes) -> list[str | None]:
    """The requirements that these packets, sent one after the other, do not meet."""
    judge = rules.AhJudge(sa, replace(everything(), forwards=False))
    step = Outbound(sa="out", packet=Octets(PACKET))
    told: list[str | None] = []
    for packet in sent:
        told += [rule for rule, _ in judge.judge(0, step, Sent(packet=Octets(packet)), Sent(packet=Octets(packet)))]
    return told + [rule for rule, _, _ in judge.whole_history()]


@pytest.mark.parametrize("sa", [TRANSPORT, TUNNEL, GMAC], ids=["transport", "tunnel", "gmac"])
def test_right_packets(sa: Sa) -> None:
    assert findings(sa, right(sa), right(sa, 2), right(sa, 3)) == []


def changed(place: int, octet: int) -> Callable[[bytes], bytes]:
    """Another octet in AH, under a right ICV."""
    return lambda packet: codec(TRANSPORT).seal(packet[: AT + place] + bytes([octet]) + packet[AT + place + 1 :], AT, 1)


def longer(packet: bytes) -> bytes:
    """Four octets of padding more than are needed."""
    made = (
        packet[:AT] + bytes([packet[AT], packet[AT + 1] + 1]) + packet[AT + 2 : AT + 28] + bytes(4) + packet[AT + 28 :]
    )
    return ip.with_checksum(ip.with_field(made[:AT], ip.IPV4_TOTAL_LENGTH, len(made))) + made[AT:]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (changed(0, 17), rules.NEXT_HEADER),
        (changed(1, 3), rules.PAYLOAD_LENGTH),
        (changed(2, 1), rules.RESERVED),
        (changed(4, 0x1B), rules.SPI),
        (changed(11, 2), rules.FIRST_ONE),
        (changed(28, 0), rules.LOCATION),
        (longer, rules.PADDING),
        (lambda packet: packet[:-1] + b"?", None),
        (lambda packet: packet + b"?", rules.LOCATION),
        (lambda packet: ip.with_checksum(packet[:8] + b"\x3f" + packet[9:AT]) + packet[AT:], rules.LOCATION),
        (lambda packet: ip.with_checksum(packet[:9] + b"\x32" + packet[10:AT]) + packet[AT:], rules.PROTOCOL_51),
        (lambda packet: ip.build_ipv4(*ENDS, 51, packet[AT : AT + 11]), rules.PAYLOAD_LENGTH),
        (lambda packet: ip.with_checksum(packet[:6] + b"\x20" + packet[7:AT]) + packet[AT:], rules.PROTOCOL_51),
        (lambda packet: packet[:12], rules.PROTOCOL_51),
    ],
)
def test_each_field(change: Callable[[bytes], bytes], rule: str | None) -> None:
    assert findings(TRANSPORT, change(right(TRANSPORT))) == [rule]


def test_in_a_tunnel() -> None:
    """The inner packet is whole, and next header names its version."""
    assert findings(TUNNEL, right(TUNNEL, packet=ip.with_traffic_class(PACKET, 0xBA))) == [
        "RFC6040-4.1-ecn-outbound",
        rules.INNER,
    ]
    assert findings(TUNNEL, right(TUNNEL) + b"?") == [rules.INNER]
    sealed = codec(TUNNEL).seal(right(TUNNEL)[:AT] + b"\x29" + right(TUNNEL)[AT + 1 :], AT, 1)
    assert findings(TUNNEL, sealed) == [rules.NEXT_HEADER]


def test_the_same_number_and_the_same_iv() -> None:
    """A number that comes again is told, and so is an IV of GMAC under another number."""
    assert findings(TRANSPORT, right(TRANSPORT), right(TRANSPORT)) == [rules.INCREMENT]
    again = protocols.protect(any_entry(GMAC), PACKET, 2, (1).to_bytes(8, "big"))
    assert isinstance(again, bytes)
    assert findings(GMAC, right(GMAC), again) == [rules.IV]


def test_what_a_wrong_icv_is_called() -> None:
    """It is about the step's own requirement."""
    judge = rules.AhJudge(TRANSPORT, everything())
    wrong = Sent(packet=Octets(right(TRANSPORT)[:-1] + b"?"))
    assert list(judge.judge(0, Outbound(sa="out", packet=Octets(PACKET)), wrong, wrong)) == [(None, WRONG_ICV)]
