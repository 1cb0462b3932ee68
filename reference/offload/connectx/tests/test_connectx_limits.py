"""Limits of packets: on the counter, whatever its width, and in the device."""

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Delivered, Endpoint
from espproof.reference.lifetime import Lifetime
from espproof.reference.offload.api import Refused
from espproof.reference.offload.connectx.limits import TURN, Limits
from espproof.reference.offload.connectx.packet_port import ConnectXPacketPort
from espproof.reference.offload.connectx.tests.test_connectx_packet import ODD, OUT, PACKET, protected
from espproof.reference.offload.whole import PacketEndpoint
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState

COUNTER = 2 * TURN


@given(hard=st.integers(0, 200), soft=st.one_of(st.none(), st.integers(0, 200)), turn=st.sampled_from([2, 4, 8, 32]))
def test_every_packet_of_a_limit(hard: int, soft: int | None, turn: int) -> None:
    """Counted down one by one on a counter of few bits: it never has more than these, comes to zero at the limit alone,
    and where the soft limit is reached it is told."""
    limits = Limits(hard, soft, turn)
    counter, told = limits.counter(0), set()
    threshold = limits.threshold(counter)
    for passed in range(1, hard + 1):
        assert 0 < counter < 2 * turn
        assert limits.used(counter) == passed - 1
        counter -= 1
        if counter == threshold:
            told.add(passed)
            counter = limits.counter(limits.used(counter))
            threshold = limits.threshold(counter)
    assert (counter, limits.rounds) == (0, 0)
    assert soft is None or not 0 < soft < hard or soft in told


@given(hard=st.integers(0, 2**64 - 1), used=st.integers(0, 2**64 - 1))
def test_limits_of_64_bits(hard: int, used: int) -> None:
    """Of any SA whatever has passed."""
    limits = Limits(hard)
    counter = limits.counter(used)
    assert 0 <= counter < COUNTER
    assert not limits.rounds or counter >= TURN
    assert limits.used(counter) == min(used, hard)


@pytest.mark.parametrize("direction", ["out", "in"])
def test_the_device_ends_an_sa(direction: Literal["in", "out"]) -> None:
    """With packets that software does between its own, and a reset."""
    port = ConnectXPacketPort()
    host = PacketEndpoint(port)
    lifetime = Lifetime(hard_packets=4, soft_packets=2)
    host.add(replace(OUT, name="one", direction=direction), SaState(lifetime, replay=ReplayWindow(32)))
    passed: list[object] = []
    octets = 0
    for number, packet in enumerate((PACKET, ODD, PACKET, PACKET, PACKET, ODD), 1):
        if direction == "out":
            passed.append(host.outbound("one", packet))
        else:
            passed.append(host.inbound(protected(number, packet)))
        state = host.entry("one").state
        octets += len(packet) * (number <= 4)
        assert state.octets == octets
        assert state.packets == min(number, 4)
        assert state.lifetime_status(0) == ("ok", "ok", "soft", "soft", "hard", "hard", "hard")[number]
        if number == 3:
            port.reset()
    assert [isinstance(one, bytes | Delivered) for one in passed] == [True] * 4 + [False] * 2
    assert passed[4:] == [DropReason.EXPIRED] * 2
    assert host.handled["one"] == 3
    host.close()
    assert port.breaches.taken() == ()


def test_a_limit_of_octets_is_softwares() -> None:
    """The device counts packets."""
    with pytest.raises(Refused, match="octets"):
        ConnectXPacketPort().add(OUT, SaState(Lifetime(hard_octets=100)))


@pytest.mark.parametrize("fault", ["", "lost", "doubled"])
@pytest.mark.parametrize("works", [True, False])
def test_a_half_is_entered(fault: str, works: bool) -> None:
    """The device tells; its driver does what is to be done once, at the latest when it looks."""
    port, peer = ConnectXPacketPort(), Endpoint()
    host = PacketEndpoint(port)
    host.add(OUT, SaState(sequence=2**32 - 2))
    peer.add(replace(OUT, direction="in"), SaState(replay=ReplayWindow(64, 2**32 - 2)))
    (one,) = port.device.objects.values()
    assert one.half == (0, True)
    port.driver.works = works
    port.device.fault = fault
    for _ in range(4):
        sent = host.outbound("out", PACKET, now=0.5)
        assert isinstance(sent, bytes)
        assert peer.inbound(sent) == Delivered(PACKET, "out")
    late = fault == "lost" or not works
    assert one.half == ((0, True) if late else (1, False))
    port.driver.works = True
    assert isinstance(host.outbound("out", PACKET, now=1.5), bytes)
    assert one.half == (1, False)
    assert one.context is not None
    assert one.context.esn_armed
    host.close()
