"""Both kinds of function under the stack: nobody can tell, and nothing is left."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.endpoint import Endpoint
from espproof.reference.offload.fortville.machines import alone, tenant
from espproof.reference.offload.fortville.port import FortvillePort
from espproof.reference.offload.stack import OffloadedEndpoint
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation, UdpEncapsulation

OUT = SecurityAssociation(
    name="out", direction="out", spi=0x1000, mode="transport", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_AES_GCM_16", encr_key=bytes(range(16)), salt=b"salt",
)  # fmt: skip
IN = replace(OUT, name="in", direction="in")
PACKET = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(8) + b"payload")
KINDS = (alone, tenant)
PORTS = {make.__name__: make() for make in KINDS}
FAULTS = ("request-lost", "answer-lost", "answer-late")


@pytest.fixture(params=PORTS)
def port(request: pytest.FixtureRequest) -> FortvillePort:
    """On the same device as the test before, as in a real machine."""
    return PORTS[request.param]


def add(endpoint: Endpoint, sa: SecurityAssociation) -> None:
    endpoint.add(sa, SaState(replay=ReplayWindow(64) if sa.direction == "in" else None))


@pytest.mark.parametrize("name", PORTS)
@given(
    lengths=st.lists(st.integers(0, 300), min_size=1, max_size=5),
    mode=st.sampled_from(["transport", "tunnel"]),
    size=st.sampled_from([16, 32]),
)
@settings(max_examples=30, deadline=None)
def test_nobody_can_tell(name: str, lengths: list[int], mode: str, size: int) -> None:
    """What leaves, what is delivered, what is dropped and what is counted are those of the endpoint alone."""
    offloaded, alone = OffloadedEndpoint(PORTS[name]), Endpoint()
    for sa in (OUT, IN):
        for endpoint in (offloaded, alone):
            add(endpoint, replace(sa, mode=mode, encr_key=bytes(range(size))))  # type: ignore[arg-type]
    for length in lengths:
        packet = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(length))
        sent = offloaded.outbound("out", packet)
        assert sent == alone.outbound("out", packet)
        assert isinstance(sent, bytes)
        forged = sent[:-1] + bytes((sent[-1] ^ 1,))
        for arrives in (forged, sent, sent, sent[: len(sent) // 2], b"", b"\x60" + bytes(50)):
            assert offloaded.inbound(arrives) == alone.inbound(arrives)
    assert offloaded.offloaded == {"in", "out"}
    assert offloaded.handled == {"in": len(lengths), "out": len(lengths)}
    offloaded.close()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"encr_key": bytes(24)}, "has not this algorithm"),
        ({"encr": "ENCR_AES_GCM_8"}, "AES_GCM_8"),
        ({"esn": True}, "extended"),
        ({"udp": UdpEncapsulation(4500, 4500)}, "UDP"),
    ],
)
def test_what_the_agent_has_not_is_softwares(port: FortvillePort, changed: dict[str, object], reason: str) -> None:
    """And works; the reason is kept."""
    host = OffloadedEndpoint(port)
    add(host, replace(OUT, **changed))  # type: ignore[arg-type]
    assert host.offloaded == frozenset()
    assert reason in host.fallbacks["out"]
    assert isinstance(host.outbound("out", PACKET), bytes)
    host.close()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("times", [1, 2, 3, 6, 7])
def test_messages_that_are_lost_or_late(port: FortvillePort, fault: str, times: int) -> None:
    """The SA is the agent's or software's, its packets are right, and soon nothing is left of what nobody has answered."""
    host, alone = OffloadedEndpoint(port), Endpoint()
    for _ in range(times):
        port.befalls(fault)
    for endpoint in (host, alone):
        add(endpoint, OUT)
    assert host.outbound("out", PACKET) == alone.outbound("out", PACKET)
    assert (host.offloaded == {"out"}) == (times < 3 or fault == "answer-late")
    host.delete("out")
    port.device.agent.faults.clear()
    add(host, IN)
    host.close()
    port.device.wait(10_000)
    assert (port.entries, port.left, port.breaches.taken()) == (0, 0, ())


def test_a_reset_changes_nothing(port: FortvillePort) -> None:
    host, alone = OffloadedEndpoint(port), Endpoint()
    for endpoint in (host, alone):
        add(endpoint, OUT)
        add(endpoint, IN)
    for _ in range(3):
        sent = host.outbound("out", PACKET)
        assert sent == alone.outbound("out", PACKET)
        assert isinstance(sent, bytes)
        port.reset()
        assert host.inbound(sent) == alone.inbound(sent)
    host.close()


def test_without_a_link_it_is_lost(port: FortvillePort) -> None:
    host = OffloadedEndpoint(port)
    add(host, OUT)
    port.set_link(False)
    assert not isinstance(host.outbound("out", PACKET), bytes)
    port.set_link(True)
    assert isinstance(host.outbound("out", PACKET), bytes)
    host.close()


@pytest.mark.parametrize("make", KINDS)
def test_nothing_is_left(make: Callable[[], FortvillePort]) -> None:
    """Of all that these tests have done on one device: no entry, no key, no complaint, no buffer too many."""
    port, new = PORTS[make.__name__], make()
    assert (port.entries, port.left, port.breaches.taken()) == (0, 0, ())
    assert port.driver.queues.memory.taken == new.driver.queues.memory.taken
