"""scapy.layers.ipsec as an implementation under test: what the adapter hands over, and what it declares."""

import pytest
from msgspec.structs import replace

from espproof.adapters.base import Crashed
from espproof.adapters.case import (
    Delivered,
    Done,
    Dropped,
    Octets,
    Outbound,
    Passed,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.scapy_ipsec.adapter import ScapyAdapter
from espproof.reference import ip

OUT = Sa(
    name="out",
    direction="out",
    spi=0x01020304,
    mode="tunnel",
    source="192.0.2.17",
    destination="198.51.100.42",
    encr="ENCR_AES_GCM_16",
    encr_key=Octets(bytes(range(16))),
    salt=Octets(b"salt"),
    dscp=0x2B,
    df="set",
    replay_window=0,
)
IN = replace(OUT, name="in", direction="in")
PLAIN = Octets(ip.build_ipv4(bytes([203, 0, 113, 7]), bytes([203, 0, 113, 130]), 253, b"what is protected"))


@pytest.fixture
def adapter() -> ScapyAdapter:
    return ScapyAdapter()


def protected(sa: Sa = OUT, **options: object) -> Octets:
    """The packet of an independent sender."""
    reference = ReferenceAdapter()
    assert reference.add_sa(replace(sa, name="out", direction="out")) == Done()
    sent = reference.outbound(Outbound(sa="out", packet=PLAIN, **options))  # type: ignore[arg-type]
    assert isinstance(sent, Sent)
    return sent.packet


def test_reference_and_scapy_understand_each_other(adapter: ScapyAdapter) -> None:
    """Either opens what the other protects."""
    adapter.add_sa(OUT)
    adapter.add_sa(IN)
    assert adapter.inbound(protected()) == Delivered(packet=PLAIN, sa="in")
    sent = adapter.outbound(Outbound(sa="out", packet=PLAIN))
    assert isinstance(sent, Sent)
    receiver = ReferenceAdapter()
    receiver.add_sa(IN)
    assert receiver.inbound(sent.packet) == Delivered(packet=PLAIN, sa="in")


def test_fixed_iv_gives_the_reference_octets(adapter: ScapyAdapter) -> None:
    """With the same IV the ESP packets are the same, number and extended number included."""
    iv = Octets(bytes(range(8)))
    for esn in (False, True):
        sa = replace(OUT, esn=esn, sequence=SequenceNumber(0x0A0B0C0D + (0x11 << 32) * esn))
        adapter.reset()
        adapter.add_sa(sa)
        sent = adapter.outbound(Outbound(sa="out", packet=PLAIN, iv=iv))
        assert isinstance(sent, Sent)
        assert sent.packet[20:] == protected(sa, iv=iv)[20:]


def test_tfc_padding_is_protected_behind_the_packet(adapter: ScapyAdapter) -> None:
    """What stands behind an IP packet is scapy's Padding: a receiver finds 33 octets more, and drops them."""
    adapter.add_sa(OUT)
    with_padding = adapter.outbound(Outbound(sa="out", packet=PLAIN, tfc=33))
    without = adapter.outbound(Outbound(sa="out", packet=PLAIN))
    assert isinstance(with_padding, Sent)
    assert isinstance(without, Sent)
    assert len(with_padding.packet) - len(without.packet) in range(30, 37)
    receiver = ReferenceAdapter()
    receiver.add_sa(IN)
    assert receiver.inbound(with_padding.packet) == Delivered(packet=PLAIN, sa="in")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"dscp": "copy"}, "dscp copy"),
        ({"df": "copy"}, "df copy"),
        ({"ecn": "compatibility"}, "ecn compatibility"),
        ({"direction": "in", "replay_window": 64}, "replay window 64"),
        ({"encr": "ENCR_AES_GCM_8"}, "encryption ENCR_AES_GCM_8-128"),
        ({"auth": "AUTH_AES_XCBC_96"}, "integrity AUTH_AES_XCBC_96"),
        ({"mode": "beet"}, "mode beet"),
    ],
)
def test_what_scapy_cannot_be_told_is_unsupported(adapter: ScapyAdapter, changes: dict[str, object], what: str) -> None:
    """It is refused by name, and not done in another way."""
    assert adapter.add_sa(replace(OUT, **changes)) == Unsupported(what=what)


def test_names_are_looked_after(adapter: ScapyAdapter) -> None:
    """A name in use, an unknown name and an inbound SA are refused."""
    assert adapter.add_sa(IN) == Done()
    assert isinstance(adapter.add_sa(IN), Refused)
    assert isinstance(adapter.delete_sa("nobody"), Refused)
    assert isinstance(adapter.outbound(Outbound(sa="nobody", packet=PLAIN)), Refused)
    assert isinstance(adapter.outbound(Outbound(sa="in", packet=PLAIN)), Refused)
    assert adapter.delete_sa("in") == Done()
    assert adapter.inbound(protected()) == Dropped(reason="no-sa")


def test_forged_packet_is_dropped(adapter: ScapyAdapter) -> None:
    """The documented exception is a drop."""
    adapter.add_sa(IN)
    packet = protected()
    assert adapter.inbound(Octets(packet[:-1] + bytes([packet[-1] ^ 1]))) == Dropped(reason="integrity")


def test_undocumented_exception_is_a_crash(adapter: ScapyAdapter) -> None:
    """What would end a program that uses scapy is reported as its death."""
    adapter.add_sa(IN)
    short = ip.build_ipv4(bytes([198, 51, 100, 42]), bytes([192, 0, 2, 17]), 50, OUT.spi.to_bytes(4, "big") + bytes(5))
    with pytest.raises(Crashed, match="ValueError"):
        adapter.inbound(Octets(short))


def test_other_traffic_passes(adapter: ScapyAdapter) -> None:
    """What is not meant for ESP is not called dropped, and what is but cannot be read is."""
    adapter.add_sa(IN)
    assert adapter.inbound(PLAIN) == Passed(to="bypass")
    stump = ip.build_ipv4(bytes([198, 51, 100, 42]), bytes([192, 0, 2, 17]), 50, b"\x01\x02")
    assert adapter.inbound(Octets(stump)) == Dropped()
    assert adapter.inbound(Octets(b"\x60\x00\x00")) == Dropped()


def test_udp_is_found_behind_port_4500_only(adapter: ScapyAdapter) -> None:
    """The fact for which other ports are not declared: scapy writes them, and does not find ESP behind them again."""
    adapter.add_sa(replace(IN, udp=UdpEncapsulation()))
    assert isinstance(adapter.inbound(protected(replace(OUT, udp=UdpEncapsulation()))), Delivered)
    other = UdpEncapsulation(source_port=0x1234, destination_port=0x9C41)
    assert adapter.inbound(protected(replace(OUT, udp=other))) == Passed(to="bypass")
