"""A device beside the way of packets, its driver, and the endpoint in front of them."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.endpoint import Endpoint
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.aside import AsideEndpoint
from espproof.reference.offload.lookaside import rules
from espproof.reference.offload.lookaside.device import ENGINES, Lookaside
from espproof.reference.offload.lookaside.driver import RING, Driver
from espproof.reference.offload.lookaside.messages import Cipher, Operation, Request, Response, Session, Status
from espproof.reference.offload.lookaside.port import LEAST, LookasidePort
from espproof.reference.offload.memory import Arena
from espproof.reference.replay import ReplayWindow
from espproof.reference.sa import SaState, SecurityAssociation

GCM = Session(Cipher.AES_GCM, 16, bytes(range(16)), b"salt")
CBC = Session(Cipher.AES_CBC_HMAC_SHA256, 16, bytes(range(32)), bytes(4), bytes(32))
COVERED = bytes(8)
OUT = SecurityAssociation(
    name="out", direction="out", spi=0x1000, mode="transport", source=ip_address("192.0.2.1"),
    destination=ip_address("192.0.2.2"), encr="ENCR_AES_GCM_16", encr_key=bytes(range(16)), salt=b"salt", esn=True,
)  # fmt: skip
CBC_OUT = replace(OUT, encr="ENCR_AES_CBC", salt=b"", auth="AUTH_HMAC_SHA1_96", auth_key=bytes(20), encr_key=bytes(24))


def made() -> tuple[Lookaside, Driver, Arena]:
    memory = Arena(1 << 20)
    device = Lookaside(memory)
    return device, Driver(device, memory), memory


# --------------------------------------------------------------------------------------------------- device and driver


@pytest.mark.parametrize("session", [GCM, CBC], ids=["gcm", "cbc"])
def test_there_and_back(session: Session) -> None:
    """What was sealed opens, and nothing else does."""
    _, driver, _ = made()
    mine = driver.open_session(session)
    iv = bytes(8 if session is GCM else 16)
    ticket = driver.submit(Operation.SEAL, mine, COVERED, iv, bytes(32))
    assert ticket is not None
    sealed = driver.result(ticket)
    assert sealed is not None
    assert len(sealed) == 48
    for octets, right in ((sealed, bytes(32)), (sealed[:-1] + bytes((sealed[-1] ^ 1,)), None), (sealed[:-1], None)):
        ticket = driver.submit(Operation.OPEN, mine, COVERED, iv, octets)
        assert ticket is not None
        assert driver.result(ticket) == right


def test_messages_are_read_as_they_were_written() -> None:
    """Sessions, requests, responses."""
    assert Session.read(CBC.octets()) == CBC
    request = Request(2, 12, 16, 0x1000, 0x2000, 77, 5)
    assert Request.read(request.octets()) == request
    assert Response.read(Response(9, 1).octets()) == Response(9, 1)


def test_the_last_of_those_that_began_together_is_the_first() -> None:
    """And each finds its own, whichever is asked for."""
    _, driver, memory = made()
    mine = driver.open_session(GCM)
    tickets = [driver.submit(Operation.SEAL, mine, COVERED, n.to_bytes(8, "big"), bytes(n)) for n in range(ENGINES)]
    assert driver.in_flight == ENGINES
    for n, ticket in enumerate(tickets):
        assert ticket is not None
        done = driver.result(ticket)
        assert done is not None
        assert len(done) == n + 16
    first = Response.read(memory.read(driver._responses, 16))
    assert first.cookie == tickets[-1]
    assert driver.strange == 0


def test_more_than_the_ring_has_room_for() -> None:
    """While nothing is finished there is none; a driver that goes on is told the rule."""
    device, driver, memory = made()
    mine = driver.open_session(GCM)
    device.stalls = True
    tickets = [driver.submit(Operation.SEAL, mine, COVERED, bytes(8), b"") for _ in range(RING + 1)]
    assert None not in tickets[:RING]
    assert tickets[RING] is None
    assert not device.breaches.taken()
    device.tail(RING + 1)
    assert [one.rule for one in device.breaches.taken()] == [rules.ROOM]
    assert memory.taken == 2 + 1 + RING


def test_a_request_that_is_none() -> None:
    """Is answered as that, and told."""
    device, driver, memory = made()
    memory.write(driver._requests, Request(7, 0, 0, 0, 0, 0, 1).octets())
    device.tail(1)
    assert device.run() == 1
    assert Response.read(memory.read(driver._responses, 16)).status == Status.WRONG_REQUEST
    assert [one.rule for one in device.breaches.taken()] == [rules.REQUEST]


def test_an_answer_that_nobody_waits_for() -> None:
    """Is counted, and nothing more."""
    device, driver, memory = made()
    mine = driver.open_session(GCM)
    ticket = driver.submit(Operation.SEAL, mine, COVERED, bytes(8), b"")
    assert ticket is not None
    device.run()
    memory.write(driver._responses, Response(999, 0).octets())
    with pytest.raises(Dead):
        driver.result(ticket)
    assert driver.strange == 1


def test_what_is_lost_is_told_and_leaves_nothing() -> None:
    """By a device that does not go on, and by a reset; what nobody wants any more too."""
    device, driver, memory = made()
    mine = driver.open_session(GCM)
    device.stalls = True
    lost, forgotten = (driver.submit(Operation.SEAL, mine, COVERED, bytes(8), b"") for _ in range(2))
    assert lost is not None
    assert forgotten is not None
    driver.forget(forgotten)
    with pytest.raises(Dead, match="not answer"):
        driver.result(lost)
    assert (driver.in_flight, memory.taken) == (0, 3)
    driver.submit(Operation.SEAL, mine, COVERED, bytes(8), b"")
    driver.close_session(mine)
    assert (driver.in_flight, memory.taken) == (0, 2)
    with pytest.raises(Misuse):
        driver.close_session(mine)


def test_a_packet_crosses_the_bus_twice() -> None:
    """And with it go request, session and response."""
    device, driver, _ = made()
    ticket = driver.submit(Operation.SEAL, driver.open_session(GCM), COVERED, bytes(8), bytes(1000))
    assert ticket is not None
    driver.result(ticket)
    there = 64 + 96 + 8 + 8 + 1016
    assert (device.crossings.to_device, device.crossings.from_device, device.crossings.transfers) == (there, 1032, 5)


# ------------------------------------------------------------------------------------------------------ the endpoint


def add(endpoint: Endpoint, sa: SecurityAssociation, start: int = 0) -> None:
    state = SaState(sequence=start, replay=ReplayWindow(64, start) if sa.direction == "in" else None)
    endpoint.add(sa, state)


@given(
    sa=st.sampled_from([OUT, CBC_OUT]), start=st.sampled_from([0, 2**32 - 4, 2**40]),
    bursts=st.lists(st.lists(st.tuples(st.integers(0, 400), st.sampled_from("rrrfd")), max_size=10), max_size=5),
    stalls=st.lists(st.sampled_from([True, False, None]), min_size=5, max_size=5),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_nobody_can_tell(
    sa: SecurityAssociation, start: int, bursts: list[list[tuple[int, str]]], stalls: list[bool | None]
) -> None:
    """Bursts out and in, with forged and doubled packets, while the device goes on, does not, or is reset."""
    port = LookasidePort()
    beside, alone = AsideEndpoint(port), Endpoint()
    receiving = replace(sa, name="in", direction="in")
    for endpoint in (beside, alone):
        add(endpoint, sa, start)
        add(endpoint, receiving, start)
    for burst, stall in zip(bursts, stalls, strict=False):
        if stall is None:
            port.reset()
        else:
            port.befalls("work-waits" if stall else "work-done")
        packets = [ip.build_ipv4(sa.source.packed, sa.destination.packed, 17, bytes(length)) for length, _ in burst]
        sent: list[Any] = [alone.outbound("out", packet) for packet in packets]
        assert beside.outbound_burst("out", packets) == sent
        arrives = []
        for packet, (_, kind) in zip(sent, burst, strict=True):
            arrives += [packet[:-1] + bytes((packet[-1] ^ 1,))] if kind == "f" else [packet] * (2 if kind == "d" else 1)
        arrives.reverse()
        assert beside.inbound_burst(arrives) == [alone.inbound(packet) for packet in arrives]
    one, other = beside.entry("in").state, alone.entry("in").state
    assert (one.packets, one.errors, one.replay.highest) == (other.packets, other.errors, other.replay.highest)
    port.calm()
    beside.close()
    assert (port.entries, port.left, port.driver.in_flight, port.breaches.taken()) == (0, 0, 0, ())
    assert port.memory.taken == 2


def test_what_pays() -> None:
    """From so many octets on; the others are software's."""
    port = LookasidePort()
    endpoint = AsideEndpoint(port)
    add(endpoint, OUT)
    for octets in (LEAST - 1, LEAST, LEAST + 1):
        packet = ip.build_ipv4(OUT.source.packed, OUT.destination.packed, 17, bytes(octets - 20))
        assert isinstance(endpoint.outbound("out", packet), bytes)
    assert endpoint.handled["out"] == 2


def test_what_it_has_not_is_softwares() -> None:
    """The reason is told."""
    with pytest.raises(Refused, match="AES-GCM"):
        LookasidePort().add(replace(OUT, encr="ENCR_AES_GCM_8"))
