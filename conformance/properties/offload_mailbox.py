"""A function of the chip among others: SAs by way of the PF, which knows whose they are.

The others are not in the cases: whoever makes the device (`niantic:vf`) puts them beside the function that is asked.
"""

from hypothesis import strategies as st

from espproof.adapters.case import Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.properties.offload import directions, for_the_device
from espproof.conformance.properties.offload_agent import carry, live
from espproof.conformance.requirements.ids import DEVICE_NOTHING_LEFT, DEVICE_PACKETS, DEVICE_WHO

RESET, INBOUND = "IXGBE-mailbox-reset", "IXGBE-mailbox-inbound"


def _needs_a_mailbox(s: Scenario) -> None:
    """Requirements of these drivers say nothing of other devices."""
    s.need("rules of X550", s.device.rules == "X550")
    s.need("neighbours on the device", s.device.neighbours)


@check(
    DEVICE_PACKETS,
    DEVICE_NOTHING_LEFT,
    proved_by=(
        "offload-mailbox-trusts-all",
        "offload-mailbox-anybody-deletes",
        "offload-mailbox-alike-taken",
        "offload-mailbox-keeps-the-key",
        "offload-mailbox-half-an-address",
    ),
)
def beside_others(s: Scenario) -> None:
    """Whenever an SA of ours is added, one neighbour asks for some and for ours to be deleted, and another, who is not
    trusted, does too."""
    _needs_a_mailbox(s)
    sas: list[Sa] = []
    for number in range(1, s.draw(st.integers(1, 3)) + 1):
        sas.append(s.join(for_the_device(s, s.choose(directions(s)), add=False), DEVICE_PACKETS))
        carry(s, sas[-1:], 1, DEVICE_PACKETS)
        s.read_device(DEVICE_NOTHING_LEFT)
        carry(s, sas[:-1], number + 1, DEVICE_PACKETS)


@check(
    RESET,
    DEVICE_NOTHING_LEFT,
    DEVICE_WHO,
    proved_by=("offload-mailbox-old-handles", "offload-mailbox-reset-leaves-sas", "offload-mailbox-nobody-receives"),
    weight=2.0,
)
def around_resets(s: Scenario) -> None:
    """SAs of ours come and go, and the function is reset, or the chip with all functions."""
    _needs_a_mailbox(s)
    s.need("delete_sa", s.caps.delete_sa)
    live(s, [], s.draw(st.integers(2, 7)), RESET)


@check(INBOUND, DEVICE_WHO, proved_by=("offload-mailbox-outbound-too",))
def both_directions(s: Scenario) -> None:
    """An SA of each direction with the device's cipher: the inbound one is the device's."""
    _needs_a_mailbox(s)
    s.need("outbound", "out" in s.caps.directions)
    inbound = for_the_device(s, "in")
    outbound = s.outbound_sa(
        sequence=0, mode="transport", encr=inbound.encr, key_size=len(inbound.encr_key), auth=inbound.auth
    )
    sas = [inbound, outbound]
    for number in range(1, s.draw(st.integers(1, 2)) + 1):
        carry(s, sas, number, INBOUND)
    s.read_device(INBOUND)
