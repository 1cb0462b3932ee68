"""Lifetimes: RFC 4301 4.4.2.1. Whether the packet that reaches a limit still passes is left open and not judged."""

from hypothesis import strategies as st

from espproof.adapters.case import Lifetime, Sa
from espproof.conformance.checks import check
from espproof.conformance.scenario import Scenario

HARD = "RFC4301-4.4.2.1-lifetime-hard"
SOFT = "RFC4301-4.4.2.1-lifetime-soft"


@check(HARD, proved_by=("lifetime-hard-packets",))
def hard_packets(s: Scenario) -> None:
    """An SA carries no more packets than its hard limit (or one less), either way."""
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    limit = s.draw(st.integers(2, 5))
    lifetime = Lifetime(hard_packets=limit)
    if s.can("out") and s.draw(st.booleans()):
        sa = s.outbound_sa(sequence=0, lifetime=lifetime)
        for number in range(1, limit + 3):
            s.send(sa, HARD, behaviour="packet that reaches the hard limit" if number == limit else "")
    else:
        sa = s.inbound_sa(sequence=0, lifetime=lifetime)
        for number in range(1, limit + 3):
            s.receive(sa, number, HARD, behaviour="packet that reaches the hard limit" if number == limit else "")


@check(SOFT)
def soft_packets(s: Scenario) -> None:
    """A soft limit is signalled and stops nothing."""
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    sa = (
        s.outbound_sa(sequence=0, lifetime=Lifetime(soft_packets=2))
        if s.can("out")
        else s.inbound_sa(sequence=0, lifetime=Lifetime(soft_packets=2))
    )
    for number in range(1, 5):
        _carry(s, sa, number)
    s.read(sa, SOFT, "lifetime")


@check(HARD, SOFT)
def seconds(s: Scenario) -> None:
    """Time ends an SA without traffic: soft, then hard."""
    s.need("lifetime seconds", "seconds" in s.caps.lifetimes)
    hard = s.draw(st.integers(3, 100_000))
    lifetime = Lifetime(soft_seconds=hard // 2, hard_seconds=hard)
    out = s.can("out") and s.draw(st.booleans())
    sa = s.outbound_sa(sequence=0, lifetime=lifetime) if out else s.inbound_sa(sequence=0, lifetime=lifetime)
    _carry(s, sa, 1)
    s.wait(hard // 2 + 1, SOFT)
    _carry(s, sa, 2)
    s.read(sa, SOFT, "lifetime")
    s.wait(hard, HARD)
    _carry(s, sa, 3)


@check(HARD)
def hard_octets(s: Scenario) -> None:
    """Once far more octets than the hard limit have passed, nothing passes any more."""
    s.need("lifetime octets", "octets" in s.caps.lifetimes)
    sa = (
        s.outbound_sa(sequence=0, lifetime=Lifetime(hard_octets=300))
        if s.can("out")
        else s.inbound_sa(sequence=0, lifetime=Lifetime(hard_octets=300))
    )
    size = len(s.small(sa))
    sure = 300 // (size + 200)
    for number in range(1, 24):
        passed = number <= sure
        beyond = (number - 1) * 16 > 300
        _carry(s, sa, number, "" if passed or beyond else "which octets count")


def _carry(s: Scenario, sa: Sa, number: int, behaviour: str = "") -> None:
    if sa.direction == "out":
        s.send(sa, HARD, behaviour=behaviour)
    else:
        s.receive(sa, number, HARD, behaviour=behaviour)
