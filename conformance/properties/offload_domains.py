"""One device for several: SAs of others that differ in the domain alone, others who forge, who send what comes, and who
take all that there is of a table which is everybody's.

The others are not in the cases: whoever makes the device (`fortville:vf`) puts them beside the function that is asked.
"""

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.offload import AADS, directions, for_the_device, pair
from espproof.conformance.properties.offload_agent import carry, come_and_go, live, needs_the_agent
from espproof.conformance.requirements.ids import DEVICE_NOTHING_LEFT, DEVICE_PACKETS, DEVICE_WHO, NETDEV22_RULES

KEY, MAILBOX, UNTRUSTED, HAIRPIN, POOL = (
    f"NETDEV22-domains-{name}" for name in ("key", "mailbox", "untrusted", "hairpin", "pool")
)
_FEW = 16
"""So many SAs a case can add."""


def _needs_neighbours(s: Scenario) -> None:
    needs_the_agent(s)
    s.need("neighbours on the device", s.device.neighbours)


@check(KEY, *AADS, DEVICE_PACKETS, proved_by=("offload-domain-without-vlan", "offload-domain-of-the-receiver"))
def equal_but_for_the_domain(s: Scenario) -> None:
    """Packets in both directions, while a neighbour has an SA with the same SPI and destination for each of ours."""
    _needs_neighbours(s)
    sas = pair(s)
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        carry(s, sas, number, KEY)
    s.read_device(DEVICE_PACKETS)


@check(
    MAILBOX, DEVICE_NOTHING_LEFT, DEVICE_WHO, proved_by=("offload-vf-leaves-its-sas", "offload-vf-takes-others-along")
)
def through_the_pf(s: Scenario) -> None:
    """SAs of a virtual function come and go, and it is reset: of ours the device has those that are there, and of others
    all that they have."""
    _needs_neighbours(s)
    s.need("delete_sa", s.caps.delete_sa)
    live(s, pair(s), s.draw(st.integers(1, 4)), MAILBOX)


@check(
    UNTRUSTED,
    DEVICE_NOTHING_LEFT,
    DEVICE_PACKETS,
    NETDEV22_RULES["packets"],
    proved_by=("offload-forged-bit-passes", "offload-forged-command-passes"),
)
def beside_a_forger(s: Scenario) -> None:
    """Whenever an SA of ours is added, a function that is not trusted forges commands, metadata and requests."""
    _needs_neighbours(s)
    sas = pair(s)
    carry(s, sas, 1, UNTRUSTED)
    sas.append(s.join(for_the_device(s, s.choose(directions(s)), add=False), UNTRUSTED))
    carry(s, sas, 2, UNTRUSTED)
    s.read_device(UNTRUSTED)


@check(HAIRPIN, DEVICE_PACKETS, proved_by=("offload-hairpin-without-vlan", "offload-hairpin-unopened"))
def from_the_next_function(s: Scenario) -> None:
    """What arrives was sent by another function of the device, on SAs of the device and of software."""
    _needs_neighbours(s)
    sas = [for_the_device(s, "in"), s.inbound_sa(sequence=0)]
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        carry(s, sas, number, HAIRPIN)
    s.read_device(DEVICE_PACKETS)


@check(
    POOL,
    DEVICE_WHO,
    DEVICE_NOTHING_LEFT,
    proved_by=("offload-pool-without-shares", "offload-pool-full-and-nobody-told"),
)
def more_than_there_is_room_for(s: Scenario) -> None:
    """As many SAs of one direction as there is room for, and some more, of which the device takes what it likes."""
    _needs_neighbours(s)
    direction = s.choose(directions(s))
    most = s.device.most.get(direction, _FEW + 1)
    s.need("a table that a case can fill", most <= _FEW)
    s.need("delete_sa", s.caps.delete_sa)
    sas: list[Sa] = []
    for _ in range(most + s.draw(st.integers(0, 4))):
        come_and_go(s, sas, direction, POOL, deletes=False, mode="tunnel")
    carry(s, sas, 1, POOL)
    s.read_device(POOL)
    s.delete(gone := s.choose(sas), POOL)
    carry(s, [sa for sa in sas if sa is not gone], 2, POOL)
    s.read_device(POOL)
