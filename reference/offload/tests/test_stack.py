"""The host half, in front of the model of a chip: as the endpoint alone, and who does what."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Delivered, Endpoint
from espproof.reference.offload.niantic.port import NianticPort
from espproof.reference.offload.stack import OffloadedEndpoint
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, UdpEncapsulation

OUT = SecurityAssociation(
    name="out", direction="out", spi=0x1000, mode="transport", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_AES_GCM_16", encr_key=bytes(range(16)), salt=b"salt",
)  # fmt: skip
IN = replace(OUT, name="in", direction="in")
PACKET = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(8) + b"payload")
PORT = NianticPort()


@pytest.fixture
def host() -> OffloadedEndpoint:
    """On the same chip as the one before, as in a real machine."""
    return OffloadedEndpoint(PORT)


def add(endpoint: Endpoint, sa: SecurityAssociation) -> None:
    endpoint.add(sa, SaState(replay=ReplayWindow(64) if sa.direction == "in" else None))


@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=5), mode=st.sampled_from(["transport", "tunnel"]))
@settings(max_examples=30, deadline=None)
def test_nobody_can_tell(lengths: list[int], mode: str) -> None:
    """What leaves, what is delivered, what is dropped and what is counted are those of the endpoint alone."""
    offloaded, alone = OffloadedEndpoint(PORT), Endpoint()
    for sa in (OUT, IN):
        for endpoint in (offloaded, alone):
            add(endpoint, replace(sa, mode=mode))  # type: ignore[arg-type]
    for length in lengths:
        packet = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(length))
        sent = offloaded.outbound("out", packet)
        assert sent == alone.outbound("out", packet)
        assert isinstance(sent, bytes)
        forged = sent[:-1] + bytes((sent[-1] ^ 1,))
        for arrives in (forged, sent, sent, sent[: len(sent) // 2]):
            assert offloaded.inbound(arrives) == alone.inbound(arrives)
    for name in ("out", "in"):
        one, other = offloaded.entry(name).state, alone.entry(name).state
        assert (one.packets, one.octets, one.errors, one.sequence) == (
            other.packets,
            other.octets,
            other.errors,
            other.sequence,
        )
    assert offloaded.offloaded == ({"in", "out"} if mode == "transport" else {"in"})
    assert offloaded.handled["in"] == len(lengths)
    offloaded.close()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"encr_key": bytes(32)}, "256 bits"),
        ({"encr": "ENCR_AES_GCM_8"}, "AES_GCM_8"),
        ({"esn": True}, "extended"),
        ({"udp": UdpEncapsulation(4500, 4500)}, "UDP"),
        ({"mode": "tunnel"}, "tunnel"),
    ],
)
def test_what_the_chip_has_not_is_softwares(host: OffloadedEndpoint, changed: dict[str, object], reason: str) -> None:
    """And works; the reason is kept."""
    add(host, replace(OUT, **changed))  # type: ignore[arg-type]
    assert host.offloaded == frozenset()
    assert reason in host.fallbacks["out"]
    assert isinstance(host.outbound("out", PACKET), bytes)
    host.close()


def test_two_that_the_chip_cannot_tell_apart(host: OffloadedEndpoint) -> None:
    """Both are software's, the one that was in the chip too; another destination is another matter."""
    first = replace(IN, lookup="spi+destination+source")
    add(host, first)
    add(host, replace(first, name="other", source=ip_address("192.0.2.77"), encr_key=b"K" * 16))
    add(host, replace(first, name="far", destination=ip_address("192.0.2.3")))
    assert host.offloaded == {"far"}
    peer = Endpoint()
    add(peer, replace(OUT, source=ip_address("192.0.2.77"), encr_key=b"K" * 16))
    packet = ip.build_ipv4(ip_address("192.0.2.77").packed, OUT.destination.packed, 17, bytes(12))
    sent = peer.outbound("out", packet)
    assert isinstance(sent, bytes)
    assert host.inbound(sent) == Delivered(packet, "other")
    host.close()


def test_a_packet_that_the_chip_cannot_take(host: OffloadedEndpoint) -> None:
    """With IPv4 options: software does it, and the chip the next one."""
    add(host, OUT)
    with_option = ip.with_checksum(
        b"\x46" + PACKET[1:2] + (len(PACKET) + 4).to_bytes(2, "big") + PACKET[4:20] + b"\1\1\1\0"
    )
    for packet in (PACKET, with_option + PACKET[20:], PACKET):
        assert isinstance(host.outbound("out", packet), bytes)
    assert host.handled["out"] == 2
    host.close()


def test_what_is_too_long_for_the_chip(host: OffloadedEndpoint) -> None:
    """Out it does not leave, in it does not come: no frame is so long."""
    add(host, OUT)
    add(host, IN)
    large = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(9800))
    assert host.outbound("out", large) is DropReason.TOO_BIG
    assert host.inbound(large) is DropReason.UNSPECIFIED
    host.close()


@pytest.mark.parametrize("stump", [b"", b"\x60", b"\x60" + bytes(38), b"\x45", b"\x00"])
def test_stumps_are_no_packets(host: OffloadedEndpoint, stump: bytes) -> None:
    """Nobody looks for fields of a header that is not there."""
    add(host, OUT)
    assert host.outbound("out", stump) is DropReason.MALFORMED
    host.close()


def test_without_a_link_nothing_leaves_and_nothing_is_too_long(host: OffloadedEndpoint) -> None:
    """It waits in the chip, which is no reason to send less."""
    add(host, OUT)
    PORT.set_link(False)
    assert host.outbound("out", PACKET) is DropReason.UNSPECIFIED
    PORT.set_link(True)
    assert isinstance(host.outbound("out", PACKET), bytes)
    host.close()


def test_what_the_chip_cannot_start_is_softwares(host: OffloadedEndpoint) -> None:
    """A data path that does not drain: the SA works, the reason is kept, and the next one is the chip's."""
    PORT.chip.polls_to_drain = 1000
    add(host, OUT)
    PORT.chip.polls_to_drain = 0
    assert "do not become empty" in host.fallbacks["out"]
    assert isinstance(host.outbound("out", PACKET), bytes)
    add(host, IN)
    assert host.offloaded == {"in"}
    host.close()


def test_an_address_that_is_left_is_seen() -> None:
    """As keys and SPIs are."""
    PORT.chip.tables.addresses[5] = OUT.destination.packed.rjust(16, b"\0")
    assert PORT.left == 4 - OUT.destination.packed.count(0)
    PORT.chip.tables.addresses[5] = bytes(16)


def test_nothing_is_left() -> None:
    """Of all that these tests have done on one chip: no entry, no key, no complaint."""
    assert (PORT.entries, PORT.left, PORT.chip.breaches.taken()) == (0, 0, ())
    assert not PORT.chip.tx_engine_on
