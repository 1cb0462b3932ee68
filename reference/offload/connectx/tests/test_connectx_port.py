"""The host half in front of the model: whatever happens, as the endpoint alone."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.endpoint import Delivered, Endpoint
from espproof.reference.offload.api import Refused
from espproof.reference.offload.connectx.device import CONNECTX6, INNOVA
from espproof.reference.offload.connectx.port import ConnectXPort
from espproof.reference.offload.stack import OffloadedEndpoint
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, UdpEncapsulation

OUT = SecurityAssociation(
    name="out", direction="out", spi=0x1000, mode="transport", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_AES_GCM_16", encr_key=bytes(range(32)), salt=b"salt", esn=True,
)  # fmt: skip
PACKET = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(8) + b"payload")
PORTS = {one.name: ConnectXPort(one) for one in (CONNECTX6, INNOVA)}
HALF = 2**31


def protected(number: int) -> bytes:
    """What a peer sends that has no device."""
    peer = Endpoint()
    peer.add(OUT, SaState(sequence=number - 1))
    sent = peer.outbound("out", PACKET)
    assert isinstance(sent, bytes)
    return sent


@given(
    start=st.sampled_from([HALF - 2, HALF, 2 * HALF - 3, 2 * HALF + 1, 3 * HALF - 1, 5 * HALF]),
    steps=st.lists(
        st.one_of(
            st.integers(-70, 70),
            st.sampled_from([HALF, HALF - 1, HALF + 1, 2 * HALF - 70, -2 * HALF, 1 - 2 * HALF]),
            st.sampled_from(["work-waits", "work-done", "reset"]),
        ),
        max_size=12,
    ),
    size=st.sampled_from([32, 64]), part=st.sampled_from(sorted(PORTS)),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_nobody_can_tell(start: int, steps: list[Any], size: int, part: str) -> None:
    """Late and early packets over halves and wraps, told at once or later or never."""
    port = PORTS[part]
    offloaded, alone = OffloadedEndpoint(port), Endpoint()
    for endpoint in (offloaded, alone):
        endpoint.add(replace(OUT, name="in", direction="in"), SaState(replay=ReplayWindow(size, start)))
    for step in steps:
        if step == "reset":
            port.reset()
        elif isinstance(step, str):
            port.befalls(step)
        else:
            number = alone.entry("in").state.replay.highest + step
            packet = protected(max(number, 1))
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


@pytest.mark.parametrize("part", PORTS)
@pytest.mark.parametrize("mode", ["transport", "tunnel"])
@pytest.mark.parametrize("start", [0, 2**32 - 2, 2**40])
def test_what_it_sends_opens(part: str, mode: str, start: int) -> None:
    """With every high half; no IV comes twice, of two SAs under one key neither."""
    host, peer = OffloadedEndpoint(PORTS[part]), Endpoint()
    ivs = set()
    for number, name in enumerate(("out", "twin")):
        sa = replace(OUT, name=name, spi=0x1000 + number, mode=mode)  # type: ignore[arg-type]
        host.add(sa, SaState(sequence=start))
        peer.add(replace(sa, direction="in"), SaState(replay=ReplayWindow(64, start)))
        for _ in range(4):
            sent = host.outbound(name, PACKET)
            assert isinstance(sent, bytes)
            assert peer.inbound(sent) == Delivered(PACKET, name)
            ivs.add(ip.parse(sent).payload[8:16])
    assert len(ivs) == 8
    assert host.offloaded == {"out", "twin"}
    host.close()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"encr_key": bytes(24)}, "192 bits"),
        ({"encr": "ENCR_AES_GCM_8"}, "AES_GCM_8"),
        ({"udp": UdpEncapsulation(4500, 4500)}, "UDP"),
    ],
)
def test_what_the_device_has_not_is_softwares(changed: dict[str, Any], reason: str) -> None:
    """The reason is told."""
    with pytest.raises(Refused, match=reason):
        PORTS["Innova"].add(replace(OUT, **changed))
