"""A device that is told of SAs in messages, and of packets by metadata: messages are lost, refused and repeated, SAs come
and go, the table outlives a reset.

What neighbours on the same device add to that is in `offload_domains`.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.capabilities import Direction
from espproof.adapters.case import DeviceHappening, Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.offload import directions, for_the_device, pair
from espproof.conformance.requirements.ids import (
    DEVICE_NOTHING_LEFT,
    DEVICE_PACKETS,
    DEVICE_WHO,
    INCREMENT,
    NETDEV22_RULES,
    NEXT_HEADER,
)
from espproof.conformance.strategies import values

LOST, STATUS, INDEX, RESTORED = (f"NETDEV22-agent-{name}" for name in ("lost", "status", "index", "restored"))
MESSAGES: tuple[DeviceHappening, ...] = ("request-lost", "answer-lost", "answer-late")


def needs_the_agent(s: Scenario) -> None:
    """Requirements of this talk say nothing of other devices."""
    s.need("rules of NETDEV22", s.device.rules == "NETDEV22")


def carry(s: Scenario, sas: Sequence[Sa], number: int, about: str) -> None:
    """A packet on each SA: the one of that number arrives, or the next is sent."""
    for sa in sas:
        if sa.direction == "in":
            s.receive(sa, number, about)
        else:
            s.send(sa, about, s.small(sa))


def come_and_go(s: Scenario, there: list[Sa], direction: Direction, about: str, *, deletes: bool, **fixed: Any) -> None:
    """One of those that are there is deleted, or one more is added."""
    if there and deletes:
        gone = s.choose(there)
        there.remove(gone)
        s.delete(gone, about)
    else:
        made = for_the_device(s, direction, add=False, **fixed)
        s.add(made, about)
        there.append(made)


def live(s: Scenario, there: list[Sa], steps: int, about: str) -> None:
    """SAs come and go, and the device is reset; each time packets follow, and a look at the device."""
    for number in range(1, steps + 1):
        if s.draw(st.integers(0, 3)) == 0:
            s.befalls("reset", about)
        else:
            come_and_go(s, there, s.choose(directions(s)), about, deletes=s.draw(st.booleans()))
        carry(s, there, number, about)
        s.read_device(about)


@check(
    LOST,
    NETDEV22_RULES["messages"],
    DEVICE_NOTHING_LEFT,
    DEVICE_WHO,
    proved_by=(
        "offload-agent-silence-is-consent",
        "offload-agent-any-answer-will-do",
        "offload-agent-asked-anew",
        "offload-agent-one-transaction",
        "offload-agent-removal-with-the-key",
        "offload-frame-keeps-the-key",
        "offload-agent-key-left",
    ),
    weight=2.0,
)
def messages_lost(s: Scenario) -> None:
    """One message, or its answer, is lost or late before SAs come, go, or live through a reset."""
    needs_the_agent(s)
    s.need("delete_sa", s.caps.delete_sa)
    there = pair(s)
    for number in range(1, s.draw(st.integers(1, 4)) + 1):
        s.befalls(s.choose(MESSAGES), LOST)
        what = s.draw(st.integers(0, 4))
        if what == 0:
            s.befalls("reset", LOST)
        elif what == 1:
            refused = _that_is_refused(s, s.choose(directions(s)), add=False)
            s.add(refused, LOST)
        else:
            come_and_go(s, there, s.choose(directions(s)), LOST, deletes=what == 2)
        carry(s, there, number, LOST)
        s.read_device(LOST)


def _that_is_refused(s: Scenario, direction: Direction, *, add: bool = True) -> Sa:
    """An SA of its cipher, with a key of another size."""
    make = s.inbound_sa if direction == "in" else s.outbound_sa
    encr, size = s.choose(
        [
            (name, size)
            for name in s.device.encryption
            for size in s.caps.encryption.get(name, ())
            if size not in s.device.encryption[name]
        ]
    )
    return make(sequence=0, add=add, encr=encr, key_size=size, esn=False, udp=False)


@check(STATUS, DEVICE_WHO, proved_by=("offload-agent-status-ignored",))
def what_is_refused(s: Scenario) -> None:
    """SAs of its cipher with keys of a size that the agent has not, between others: it says so, and software does them."""
    needs_the_agent(s)
    direction = s.choose(directions(s))
    sas = [for_the_device(s, direction), _that_is_refused(s, direction)]
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        carry(s, sas, number, STATUS)
    s.read_device(DEVICE_WHO)


@check(
    NEXT_HEADER,
    NETDEV22_RULES["metadata"],
    NETDEV22_RULES["packets"],
    DEVICE_PACKETS,
    proved_by=(
        "offload-metadata-in-host-order",
        "offload-metadata-always",
        "offload-metadata-of-udp",
        "offload-agent-gets-the-trailer",
    ),
)
def what_goes_with_a_packet(s: Scenario) -> None:
    """Packets of every length and protocol, of SAs of the device and of software, are sent in turn."""
    needs_the_agent(s)
    s.need("direction out", s.can("out"))
    sas = [for_the_device(s, "out"), s.outbound_sa(sequence=0)]
    for _ in range(s.draw(st.integers(1, 4))):
        sa = s.choose(sas)
        about = s.draw(st.sampled_from((INCREMENT, NEXT_HEADER)))
        if about == NEXT_HEADER:
            s.send(sa, NEXT_HEADER, s.plain(sa, s.draw(st.integers(61, 254))))
        else:
            s.send(sa, INCREMENT, s.packet(sa, length=s.draw(values.lengths(s.longest))))
    s.read_device(DEVICE_PACKETS)


@check(
    INDEX,
    DEVICE_PACKETS,
    DEVICE_NOTHING_LEFT,
    proved_by=("offload-agent-tells-its-own-index", "offload-agent-spi-in-host-order"),
)
def which_sa_it_was(s: Scenario) -> None:
    """Inbound SAs come and go, so that indexes are used again; packets on all of them in turn."""
    needs_the_agent(s)
    s.need("delete_sa", s.caps.delete_sa)
    there: list[Sa] = []
    for number in range(1, s.draw(st.integers(2, 6)) + 1):
        come_and_go(s, there, "in", INDEX, deletes=len(there) > 1 and s.draw(st.booleans()))
        carry(s, there, number, INDEX)
    s.read_device(DEVICE_PACKETS)


@check(
    RESTORED,
    NETDEV22_RULES["cleared"],
    DEVICE_NOTHING_LEFT,
    DEVICE_PACKETS,
    proved_by=(
        "offload-reset-removes-nothing",
        "offload-reset-without-salts-of-the-agent",
        "offload-all-of-every-port",
    ),
    weight=0.5,
)
def after_a_reset_of_the_mac(s: Scenario) -> None:
    """Resets between packets: what is there is there again, once, and what was deleted is not."""
    needs_the_agent(s)
    sas = pair(s)
    number = 1
    if s.caps.delete_sa and s.draw(st.booleans()):
        gone = for_the_device(s, "in", add=False)
        s.add(gone, RESTORED)
        s.delete(gone, DEVICE_NOTHING_LEFT)
    for _ in range(s.draw(st.integers(1, 2))):
        carry(s, sas, number, RESTORED)
        s.befalls("reset", RESTORED)
        carry(s, sas, number + 1, RESTORED)
        number += 2
        s.read_device(RESTORED)
