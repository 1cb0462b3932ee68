"""rte_ipsec over DPDK's net_ixgbe and the model of the 82599: packets, what the card tells, what can go wrong."""

import os
import platform
import signal
from collections.abc import Iterator
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from espproof.adapters import native, registry
from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.case import (
    Burst,
    Delivered,
    DeviceState,
    Done,
    Dropped,
    InboundBurst,
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
from espproof.adapters.dpdk import inline
from espproof.adapters.dpdk.niantic import NianticAdapter
from espproof.adapters.translate import entry
from espproof.reference import endpoint, ip
from espproof.reference.offload.memory import Fault

KNOWN = next(known for known in registry.KNOWN if known.name == "dpdk")
if platform.machine() != "x86_64":
    pytest.skip("a driver without its card is run on x86-64 alone", allow_module_level=True)
if not registry.present(KNOWN):
    pytest.skip(f"DPDK is not here; {KNOWN.install}", allow_module_level=True)
try:
    native.build(inline.LIBRARY)
except AdapterError as error:
    pytest.skip(str(error), allow_module_level=True)

OUT = Sa(
    name="out", direction="out", spi=0x1000, mode="transport", source="192.0.2.1", destination="192.0.2.2",
    lookup="spi+destination", encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(16))), salt=Octets(b"salt"),
)  # fmt: skip
IN = Sa(
    name="in", direction="in", spi=0x1001, mode="transport", source="192.0.2.2", destination="192.0.2.1",
    lookup="spi+destination", replay_window=32,
    encr="ENCR_AES_GCM_16", encr_key=Octets(bytes(range(1, 17))), salt=Octets(b"tlas"),
)  # fmt: skip
NEAR, FAR = bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
PLAIN = Octets(ip.build_ipv4(NEAR, FAR, 253, b"through the card"))
BACK = Octets(ip.build_ipv4(FAR, NEAR, 253, b"and back"))


@pytest.fixture(scope="module")
def opened() -> Iterator[NianticAdapter]:
    with NianticAdapter() as adapter:
        yield adapter


@pytest.fixture
def adapter(opened: NianticAdapter) -> NianticAdapter:
    opened.reset()
    return opened


def right(number: int, plain: bytes = BACK, sa: Sa = IN) -> Octets:
    packet = endpoint.encapsulate(entry(sa), plain, number)
    assert isinstance(packet, bytes)
    return Octets(packet)


def state(adapter: NianticAdapter) -> DeviceState:
    told = adapter.read_device()
    assert isinstance(told, DeviceState)
    return told


def test_packets_go_through_driver_and_card(adapter: NianticAdapter) -> None:
    """Out the card encrypts, in it opens. The IV is rte_ipsec's, the number of the packet, and not what is in memory."""
    assert [adapter.add_sa(OUT), adapter.add_sa(IN)] == [Done(), Done()]
    sent = adapter.outbound(Outbound(sa="out", packet=PLAIN))
    assert isinstance(sent, Sent)
    assert ip.checksum(sent.packet[:20]) == 0
    assert sent.packet[28:36] == (1).to_bytes(8, "big")
    assert entry(OUT).codec.open(ip.parse(sent.packet).payload, 1) == b"through the card\x01\x02\x02\xfd"
    assert adapter.inbound(right(1)) == Delivered(packet=BACK, sa="in")
    assert adapter.inbound(BACK) == Passed(to="bypass", octets=BACK)
    forged = right(2)
    assert isinstance(adapter.inbound(Octets(forged[:-1] + bytes([forged[-1] ^ 1]))), Dropped)
    told = state(adapter)
    assert [(one.sa, one.by, one.packets) for one in told.sas] == [("out", "device", 1), ("in", "device", 1)]
    assert (told.entries, told.left) == (2, 0)


@pytest.mark.parametrize("mode", ["transport", "tunnel"])
@pytest.mark.parametrize("ends", [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")])
def test_modes_and_versions(adapter: NianticAdapter, mode: str, ends: tuple[str, str]) -> None:
    """What a sender made, a receiver with the same keys delivers."""
    out = replace(OUT, mode=mode, source=ends[0], destination=ends[1])
    source, destination = (ip_address(end).packed for end in ends)
    build = ip.build_ipv4 if len(source) == 4 else ip.build_ipv6
    plain = Octets(build(source, destination, 253, b"through the card"))
    assert [adapter.add_sa(out), adapter.add_sa(replace(out, name="in", direction="in"))] == [Done(), Done()]
    sent = adapter.outbound(Outbound(sa="out", packet=plain))
    assert isinstance(sent, Sent)
    assert adapter.inbound(sent.packet) == Delivered(packet=plain, sa="in")


def test_the_longest_packet(adapter: NianticAdapter) -> None:
    """It is in one buffer of the ring."""
    assert [adapter.add_sa(OUT), adapter.add_sa(IN)] == [Done(), Done()]
    longest = adapter.capabilities().max_packet
    sent = adapter.outbound(Outbound(sa="out", packet=Octets(ip.build_ipv4(NEAR, FAR, 253, bytes(longest - 20)))))
    assert isinstance(sent, Sent)
    assert len(sent.packet) > longest
    plain = ip.build_ipv4(FAR, NEAR, 253, bytes(longest - 20))
    assert adapter.inbound(right(1, plain)) == Delivered(packet=Octets(plain), sa="in")


def test_a_burst_goes_round_the_ring(adapter: NianticAdapter) -> None:
    """More packets than it has places, one for nobody among them: each answer is at its place."""
    assert adapter.add_sa(IN) == Done()
    packets = [right(number) for number in range(1, 601)]
    packets[300] = right(301, sa=replace(IN, spi=0x2000))
    told = adapter.inbound_burst(InboundBurst(packets=tuple(packets)))
    assert isinstance(told, Burst)
    assert [n for n, one in enumerate(told.results) if not isinstance(one, Delivered)] == [300]
    assert told.results[300] == Dropped(reason="no-sa")


def test_inbound_start(adapter: NianticAdapter) -> None:
    """T is told by a packet, of which the card's count says nothing."""
    assert adapter.add_sa(replace(IN, sequence=SequenceNumber(1000), received_offsets=(3, 5))) == Done()
    assert [one.packets for one in state(adapter).sas] == [0]
    seen = [isinstance(adapter.inbound(right(number)), Delivered) for number in (960, 996, 1001)]
    assert seen == [False, True, True]
    assert [one.packets for one in state(adapter).sas] == [2]


@pytest.mark.parametrize(
    ("sa", "kind"),
    [
        (replace(IN, udp=UdpEncapsulation()), Unsupported),
        (replace(IN, esn=True), Unsupported),
        (replace(IN, encr="ENCR_NULL_AUTH_AES_GMAC"), Unsupported),
        (replace(IN, encr_key=Octets(bytes(32))), Unsupported),
        (replace(IN, lookup="spi"), Unsupported),
        (replace(IN, destination="2001:db8::1"), Refused),
    ],
)
def test_what_is_not_taken(adapter: NianticAdapter, sa: Sa, kind: type[object]) -> None:
    """What neither card nor driver has, and what is no SA; two SAs that are found alike are an application's mistake."""
    assert isinstance(adapter.add_sa(sa), kind)
    assert adapter.add_sa(IN) == Done()
    assert isinstance(adapter.add_sa(replace(IN, name="other")), Refused)
    assert isinstance(adapter.delete_sa("other"), Refused)


def test_what_the_driver_does_at_the_start_is_told_to_each_case(adapter: NianticAdapter) -> None:
    """Once; of another case's nothing."""
    assert adapter.add_sa(IN) == Done()
    first = state(adapter)
    assert {one.topic for one in first.breaches} == {"order", "settings", "lookup", "tables"}
    assert state(adapter).breaches == ()
    adapter.reset()
    again = state(adapter)
    assert {one.topic for one in again.breaches} == {"order", "settings"}
    assert (again.sas, again.entries, again.left) == ((), 0, 0)


def test_what_the_driver_cannot_delete_is_gone_for_the_next_case(adapter: NianticAdapter) -> None:
    """Of two SAs with one SPI the driver deletes the wrong one; the port is stopped and started then."""
    other = replace(IN, name="other", destination="192.0.2.3")
    assert [adapter.add_sa(IN), adapter.add_sa(other), adapter.delete_sa("other")] == [Done(), Done(), Done()]
    assert [one.by for one in state(adapter).sas] == ["software"]
    adapter.reset()
    assert (state(adapter).entries, state(adapter).left) == (0, 0)
    assert adapter.add_sa(IN) == Done()
    assert adapter.inbound(right(1)) == Delivered(packet=BACK, sa="in")


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSEGV])
def test_death_is_a_verdict_and_the_next_case_has_another_card(stop: signal.Signals) -> None:
    """As of any program."""
    with NianticAdapter() as adapter:
        assert adapter._process is not None
        supervisor = adapter._process._program.pid
        with open(f"/proc/{supervisor}/task/{supervisor}/children", encoding="utf-8") as children:
            os.kill(int(children.read().split()[0]), stop)
        with pytest.raises(Crashed):
            adapter.add_sa(IN)
        adapter.reset()
        assert adapter.add_sa(IN) == Done()


def test_memory_that_is_not_dpdks_is_nobodys() -> None:
    """A card touches what DPDK has, and nothing else; what it does else is kept until C has returned."""
    library: Any = SimpleNamespace(card_may_touch=lambda address, length: False, card_insert=lambda *_: True)
    with pytest.raises(Fault, match=r"4 octets at 0x10 are not DPDK's"):
        inline._Memory(library).read(0x10, 4)
    card = inline._Card(library)
    card.board.read = lambda *_: inline._Memory(library).read(0x20, 4)  # type: ignore[method-assign]
    assert card._read(0) == 0xFFFFFFFF
    assert isinstance(card.failure, Fault)


def test_a_machine_without_such_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said in one line."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(AdapterError, match="x86_64 alone"):
        NianticAdapter()
