"""Packet offload: whatever happens, as the endpoint alone; numbers and windows are one, whoever does a packet."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.endpoint import Delivered, Endpoint
from espproof.reference.offload.api import Refused
from espproof.reference.offload.connectx.esn import of_bottom
from espproof.reference.offload.connectx.full import REPLAY_PROTECTION, Context, Verdict
from espproof.reference.offload.connectx.packet_port import ConnectXPacketPort
from espproof.reference.offload.whole import PacketEndpoint
from espproof.reference.replay import ReplayVerdict, ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, UdpEncapsulation

OUT = SecurityAssociation(
    name="out", direction="out", spi=0x1000, mode="transport", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_AES_GCM_16", encr_key=bytes(range(16)), salt=b"salt", esn=True,
)  # fmt: skip
PACKET = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(8) + b"payload")
ODD = ip.with_length(b"\x46" + PACKET[1:20] + b"\1\1\1\0" + PACKET[20:])
"""With an option."""
PORT = ConnectXPacketPort()
HALF = 2**31
FAR = HALF, HALF - 1, 2 * HALF - 70, -2 * HALF, 1 - 2 * HALF


def protected(number: int, packet: bytes) -> bytes:
    """What a peer sends that has no device."""
    peer = Endpoint()
    peer.add(OUT, SaState(sequence=number - 1))
    sent = peer.outbound("out", packet)
    assert isinstance(sent, bytes)
    return sent


@given(
    start=st.sampled_from([0, HALF - 2, HALF, 2 * HALF - 3, 2 * HALF + 1, 5 * HALF]),
    steps=st.lists(
        st.one_of(
            st.tuples(st.integers(-70, 70), st.booleans(), st.booleans()),
            st.tuples(st.sampled_from(FAR), st.booleans(), st.just(False)),
            st.sampled_from(["work-waits", "work-done", "reset", "event-lost", "event-doubled"]),
        ),
        max_size=14,
    ),
    size=st.sampled_from([32, 64, 128]),
)  # fmt: skip
@example(start=0, steps=[(2 * HALF - 70, False, False), (1, False, False)], size=128)
@settings(max_examples=150, deadline=None)
def test_nobody_can_tell(start: int, steps: list[Any], size: int) -> None:
    """Late, early, forged and doubled packets, with options and without, over halves and wraps, told at once or late."""
    port = ConnectXPacketPort()
    offloaded, alone = PacketEndpoint(port), Endpoint()
    for endpoint in (offloaded, alone):
        endpoint.add(replace(OUT, name="in", direction="in"), SaState(replay=ReplayWindow(size, start)))
    for step in steps:
        if step == "reset":
            port.reset()
        elif isinstance(step, str):
            port.befalls(step)
        else:
            delta, odd, forged = step
            packet = protected(max(alone.entry("in").state.replay.highest + delta, 1), ODD if odd else PACKET)
            packet = packet[:-1] + bytes((packet[-1] ^ forged,))
            assert offloaded.inbound(packet) == alone.inbound(packet)
    one, other = offloaded.entry("in").state, alone.entry("in").state
    assert (one.packets, one.errors, one.replay.highest, one.replay.received_offsets()) == (
        other.packets,
        other.errors,
        other.replay.highest,
        other.replay.received_offsets(),
    )
    port.calm()
    offloaded.close()
    assert (port.entries, port.left, port.breaches.taken()) == (0, 0, ())


@pytest.mark.parametrize("start", [0, 2**32 - 3, 2**40])
def test_one_sequence_of_numbers(start: int) -> None:
    """Device and software in turn, and a reset between; every packet opens, and no IV comes twice."""
    host, peer = PacketEndpoint(PORT), Endpoint()
    host.add(OUT, SaState(sequence=start))
    peer.add(replace(OUT, direction="in"), SaState(replay=ReplayWindow(64, start)))
    ivs = set()
    for number, packet in enumerate((PACKET, ODD, PACKET, PACKET, ODD, ODD, PACKET), start + 1):
        sent = host.outbound("out", packet)
        assert isinstance(sent, bytes)
        assert peer.inbound(sent) == Delivered(packet, "out")
        assert host.entry("out").state.sequence == peer.entry("out").state.replay.highest == number
        ivs.add(ip.parse(sent).payload[8:16])
        if number == start + 4:
            PORT.reset()
    assert len(ivs) == 7
    assert host.handled["out"] == 4
    host.close()


def test_the_end_of_the_numbers() -> None:
    """There is none behind it."""
    host = PacketEndpoint(PORT)
    host.add(replace(OUT, esn=False), SaState(sequence=2**32 - 2))
    assert isinstance(host.outbound("out", PACKET), bytes)
    assert not isinstance(host.outbound("out", PACKET), bytes)
    host.close()


@given(
    numbers=st.lists(st.integers(1, 300), max_size=30), start=st.sampled_from([0, 100, HALF - 100, 2 * HALF - 400]),
    esn=st.booleans(),
)  # fmt: skip
@settings(deadline=None)
def test_the_window_is_the_references(esn: bool, numbers: list[int], start: int) -> None:
    """For numbers that are not too far ahead."""
    start += 2 * HALF * esn + 200 * esn  # over the wrap
    low = start % (2 * HALF)
    window, context = ReplayWindow(64, start), Context(REPLAY_PROTECTION, low, 64, 1 if start else 0)
    for number in (start + one for one in numbers):
        bottom = max(window.highest - 63, 0)
        if esn and number < bottom:
            continue  # it is taken for one that is 2^32 ahead, and has a wrong ICV
        half, low = of_bottom(bottom), number % (2 * HALF)
        new = window.check(number) is ReplayVerdict.NEW
        assert (context.check(half, low, esn=esn) is Verdict.NEW) == new
        if new:
            window.advance(number)
            context.record(half, low, esn=esn)
    assert context.number == window.highest % (2 * HALF)
    assert [n for n in range(64) if context.received >> n & 1] == list(window.received_offsets())


@pytest.mark.parametrize(
    ("changed", "window", "reason"),
    [
        ({"encr_key": bytes(24)}, 64, "192 bits"),
        ({"udp": UdpEncapsulation(4500, 4500)}, 64, "UDP"),
        ({}, 63, "a window of 63"),
    ],
)
def test_what_the_device_has_not_is_softwares(changed: dict[str, Any], window: int, reason: str) -> None:
    """The reason is told."""
    with pytest.raises(Refused, match=reason):
        PORT.add(replace(OUT, direction="in", **changed), SaState(replay=ReplayWindow(window)))


TUNNEL = replace(OUT, mode="tunnel", dscp=0x2E, ecn="compatibility", df="set", hop_limit=9)


@pytest.mark.parametrize("outer", ["192.0.2.2", "2001:db8::2"])
def test_a_tunnel(outer: str) -> None:
    """The header outside is the SA's alone; what is inside is what it was; with ECN outside software does it."""
    far = ip_address(outer)
    ours = replace(TUNNEL, source=far, destination=far)
    host, peer = PacketEndpoint(ConnectXPacketPort()), PacketEndpoint(ConnectXPacketPort())
    host.add(ours, SaState())
    peer.add(replace(ours, direction="in"), SaState(replay=ReplayWindow(64)))
    inner = ip.with_traffic_class(PACKET, 0x03)
    for number, ecn in enumerate((0, 1, 0, 2), 1):
        sent = host.outbound("out", inner)
        assert isinstance(sent, bytes)
        header = ip.parse(sent)
        assert (header.traffic_class, header.hop_limit, header.destination) == (0x2E << 2, 9, far.packed)
        assert far.version == 6 or sent[6:8] == b"\x40\x00"
        marked = ip.with_traffic_class(sent, 0x2E << 2 | ecn)
        assert peer.inbound(marked) == Delivered(inner, "out")
        assert host.handled["out"] == number
    assert peer.handled["out"] == 2


@pytest.mark.parametrize(
    ("changed", "reason"), [({"dscp": "copy"}, "DSCP"), ({"df": "copy"}, "DF"), ({"ecn": "normal"}, "ECN")]
)
def test_a_tunnel_that_takes_something_over(changed: dict[str, Any], reason: str) -> None:
    """It is software's on its way out, and the device's on its way in."""
    with pytest.raises(Refused, match=reason):
        PORT.add(replace(TUNNEL, **changed), SaState())
    handle = PORT.add(replace(TUNNEL, direction="in", **changed), SaState(replay=ReplayWindow(64)))
    PORT.delete(handle)
