"""Lifetimes: RFC 4301 4.4.2.1.

Left open, and not judged: whether the packet that reaches a limit still passes, and which octets count; so an octet limit
is judged where every way of counting agrees.
"""

from hypothesis import strategies as st

from espproof.adapters.case import Lifetime, Sa
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import DELETED, INCREMENT
from espproof.conformance.strategies import wire

HARD = "RFC4301-4.4.2.1-lifetime-hard"
SOFT = "RFC4301-4.4.2.1-lifetime-soft"
BOTH_TYPES = "RFC4301-4.4.2.1-lifetime-both-types"
SIMULTANEOUS = "RFC4301-4.4.2.1-lifetime-simultaneous"
PARTIAL = "RFC4301-4.4.2.1-lifetime-partial-packet"
COUNTED = "RFC4301-4.4.2.1-lifetime-octets-counted"
PASSED_ONLY = "RFC4301-4.4.2.1-lifetime-passed-only"
OCTETS = 500
"""Behind the IP header of each packet, where octets are limited."""


def either_way(s: Scenario, lifetime: Lifetime) -> Sa:
    """An SA of either direction with that lifetime."""
    if s.can("out") and (not s.can("in") or s.draw(st.booleans())):
        return s.outbound_sa(sequence=0, lifetime=lifetime)
    return s.inbound_sa(sequence=0, lifetime=lifetime)


def carry(s: Scenario, sa: Sa, number: int, about: str, *, length: int = 16, behaviour: str = "") -> None:
    """One packet with so many octets behind its IP header."""
    packet = s.packet(sa, length=length, traffic_class=0, protocol=253)
    if sa.direction == "out":
        s.send(sa, about, packet=packet, behaviour=behaviour)
    else:
        s.receive(sa, number, about, packet=packet, behaviour=behaviour)


@check(HARD, proved_by=("lifetime-packets-not-counted", "lifetime-hard-limit-inbound"))
def hard_packets(s: Scenario) -> None:
    """An SA carries no more packets than its hard limit (or one less), either way."""
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    limit = s.draw(st.integers(2, 5))
    sa = either_way(s, Lifetime(hard_packets=limit))
    for number in range(1, limit + 3):
        carry(s, sa, number, HARD, behaviour="packet that reaches the hard limit" if number == limit else "")


@check(SOFT, proved_by=("lifetime-soft-is-hard",))
def soft_packets(s: Scenario) -> None:
    """A soft limit is signalled and stops nothing."""
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    sa = either_way(s, Lifetime(soft_packets=2))
    for number in range(1, 5):
        carry(s, sa, number, SOFT)
    s.read(sa, SOFT, "lifetime")


@check(HARD, SOFT, BOTH_TYPES, proved_by=("lifetime-added-at-lost", "lifetime-hard-limit-inbound"))
def seconds(s: Scenario) -> None:
    """Time ends an SA without traffic: soft, then hard."""
    s.need("lifetime seconds", "seconds" in s.caps.lifetimes)
    hard = s.draw(st.integers(4, 100_000))
    sa = either_way(s, Lifetime(soft_seconds=hard // 2, hard_seconds=hard))
    carry(s, sa, 1, HARD)
    s.wait(hard // 2 + 1, SOFT)
    carry(s, sa, 2, SOFT)
    s.read(sa, SOFT, "lifetime")
    s.wait(hard, HARD)
    carry(s, sa, 3, HARD)
    carry(s, sa, 4, BOTH_TYPES)


@check(HARD, BOTH_TYPES, proved_by=("lifetime-hard-limit-outbound", "lifetime-octets-not-counted"))
def hard_octets(s: Scenario) -> None:
    """Once more octets than the hard limit have passed, however they are counted, nothing passes any more."""
    s.need("lifetime octets", "octets" in s.caps.lifetimes)
    sa = either_way(s, Lifetime(hard_octets=4 * OCTETS))
    for number in range(1, 3):
        carry(s, sa, number, HARD, length=OCTETS)
    for number in range(3, 6):
        carry(s, sa, number, HARD, length=OCTETS, behaviour="packet around the hard octet limit")
    carry(s, sa, 6, HARD, length=OCTETS)
    carry(s, sa, 7, BOTH_TYPES, length=OCTETS)


@check(SIMULTANEOUS, proved_by=("lifetime-first-limit-alone",))
def whichever_comes_first(s: Scenario) -> None:
    """An SA with a limit in seconds and one in octets ends at the first that is reached."""
    s.need("lifetime seconds", "seconds" in s.caps.lifetimes)
    s.need("lifetime octets", "octets" in s.caps.lifetimes)
    if s.draw(st.booleans()):
        sa = either_way(s, Lifetime(hard_seconds=100, hard_octets=10**9))
        carry(s, sa, 1, SIMULTANEOUS)
        s.wait(101, SIMULTANEOUS)
    else:
        sa = either_way(s, Lifetime(hard_seconds=10**6, hard_octets=OCTETS))
        carry(s, sa, 1, SIMULTANEOUS, length=OCTETS, behaviour="packet around the hard octet limit")
        carry(
            s,
            sa,
            1 if sa.direction == "out" else 2,
            SIMULTANEOUS,
            length=OCTETS,
            behaviour="packet around the hard octet limit",
        )
    carry(s, sa, 3, SIMULTANEOUS, length=OCTETS)


@check(PARTIAL, proved_by=("lifetime-room-not-looked-at",))
def larger_than_what_is_left(s: Scenario) -> None:
    """A packet of more octets than the lifetime has is discarded, and not only the ones behind it."""
    s.need("lifetime octets", "octets" in s.caps.lifetimes)
    sa = either_way(s, Lifetime(hard_octets=300))
    carry(s, sa, 1, PARTIAL, length=1000)


@check(COUNTED, proved_by=("lifetime-octets-counted-twice", "lifetime-octets-not-counted"))
def octets_are_counted(s: Scenario) -> None:
    """The octet counter moves with the traffic, by no less than the payloads and no more than the whole packets."""
    s.need("read_state octets", "octets" in s.caps.read_state)
    sa = either_way(s, Lifetime())
    for number in range(1, s.draw(st.integers(2, 4))):
        carry(s, sa, number, COUNTED, length=s.draw(st.sampled_from((16, 500, 1000))))
    s.read(sa, COUNTED, "octets")


@check(SIMULTANEOUS, proved_by=("lifetime-two-limits-at-once", "lifetime-first-limit-alone"))
def both_at_once(s: Scenario) -> None:
    """An SA that reaches its limits of packets and of seconds together ends once, and stays ended."""
    s.need("lifetime seconds", "seconds" in s.caps.lifetimes)
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    sa = either_way(s, Lifetime(hard_packets=2, hard_seconds=50))
    carry(s, sa, 1, SIMULTANEOUS)
    carry(s, sa, 2, SIMULTANEOUS, behaviour="packet that reaches the hard limit")
    carry(s, sa, 3, SIMULTANEOUS)
    s.wait(51, SIMULTANEOUS)
    carry(s, sa, 4, SIMULTANEOUS)


@check(DELETED, proved_by=("lifetime-timer-of-the-deleted",))
def timer_of_the_deleted(s: Scenario) -> None:
    """When the time of a deleted SA would have been over, the one that has its SPI by then goes on."""
    s.need("lifetime seconds", "seconds" in s.caps.lifetimes)
    seconds = s.draw(st.integers(4, 100_000))
    old = either_way(s, Lifetime(hard_seconds=seconds))
    s.delete(old, DELETED)
    for _ in range(s.draw(st.integers(0, 3))):  # a timer may know its SA by where it was in memory
        s.add(s.inbound_sa(add=False) if old.direction == "in" else s.outbound_sa(add=False), DELETED)
    new = s.changed(old, name=f"{old.name}-again", lifetime=Lifetime(), **s.fresh_keys(old, 1))
    s.add(new, DELETED)
    s.wait(seconds + 1, DELETED)
    carry(s, new, 1, DELETED)


def useless(s: Scenario, sa: Sa, received: bytes, length: int) -> list[bytes]:
    """Packets for an inbound SA that nobody with its key has made, or has made a second time: `received` was taken."""
    packet = s.of_length(sa, length)
    right = s.peer(sa).protect(packet, 9)
    esp = s.peer(sa).esp_length(right)
    made = {
        "forged": s.forge(right, sa),
        "stranger": wire.spi(right, esp, sa.spi ^ 0x5A5A0000),
        "short": s.peer(sa).wrap(packet, right[len(right) - esp :][: s.peer(sa).codec.smallest - 1]),
        "other number": s.peer(sa).wrap(
            packet, right[len(right) - esp :][:4] + bytes(3) + b"\x05" + right[len(right) - esp + 8 :]
        ),
    }
    if sa.replay_window:
        made["replay"] = received
    kinds = s.draw(st.lists(st.sampled_from(sorted(made)), min_size=4, max_size=8))
    return [made[kind] for kind in kinds]


@check(PASSED_ONLY, proved_by=("lifetime-forged-counted", "lifetime-replays-counted"))
def used_up_by_nobody_else(s: Scenario) -> None:
    """Forgeries, replays, pieces and packets for nobody use up no lifetime: all of it is left for right packets."""
    kinds = [kind for kind in ("packets", "octets") if kind in s.caps.lifetimes]
    s.need("lifetime packets or octets", kinds)
    kind = s.choose(kinds)
    soft = s.draw(st.booleans())
    limit = 4 if kind == "packets" else 4 * OCTETS
    lifetime = Lifetime(**{f"{'soft' if soft else 'hard'}_{kind}": limit})
    sa = s.inbound_sa(sequence=0, lifetime=lifetime)
    first = s.receive(sa, 1, PASSED_ONLY, packet=s.of_length(sa, OCTETS))
    bad = useless(s, sa, first, OCTETS)
    if s.draw(st.booleans()):
        s.burst_arrives(bad, PASSED_ONLY)
    else:
        for packet in bad:
            s.arrives(packet, PASSED_ONLY)
    s.receive(sa, 2, PASSED_ONLY, packet=s.of_length(sa, OCTETS))
    s.read(sa, PASSED_ONLY, "lifetime")


@check(PASSED_ONLY, proved_by=("lifetime-unsent-counted",))
def used_up_by_nothing_unsent(s: Scenario) -> None:
    """A packet that is not sent, as it is a fragment or too big, uses up no lifetime either, and no number."""
    s.need("lifetime packets", "packets" in s.caps.lifetimes)
    s.need("transport mode", "transport" in s.caps.modes)
    sa = s.outbound_sa(sequence=0, mode="transport", lifetime=Lifetime(hard_packets=4))
    piece = wire.fragment(s.of_length(sa, 64), 64)
    s.send(sa, INCREMENT)
    for _ in range(s.draw(st.integers(3, 6))):
        s.send(sa, PASSED_ONLY, packet=piece)
    s.send(sa, PASSED_ONLY)
    s.send(sa, PASSED_ONLY)


@check(SOFT, proved_by=("lifetime-soft-octets-never",))
def soft_octets(s: Scenario) -> None:
    """A soft limit of octets is signalled when more have passed, however they are counted, and not before."""
    s.need("lifetime octets", "octets" in s.caps.lifetimes)
    s.need("read_state lifetime", "lifetime" in s.caps.read_state)
    sa = either_way(s, Lifetime(soft_octets=4 * OCTETS))
    carry(s, sa, 1, SOFT, length=OCTETS)
    s.read(sa, SOFT, "lifetime")
    for number in range(2, 7):
        carry(s, sa, number, SOFT, length=OCTETS)
    s.read(sa, SOFT, "lifetime")


@check(SOFT, proved_by=("lifetime-soft-ends", "lifetime-soft-octets-never"))
def soft_stops_nothing(s: Scenario) -> None:
    """Behind a soft limit of any unit the SA goes on."""
    s.need("lifetimes", s.caps.lifetimes)
    kind = s.choose(s.caps.lifetimes)
    sa = either_way(s, Lifetime(**{f"soft_{kind}": {"packets": 1, "octets": OCTETS // 2, "seconds": 10}[kind]}))
    carry(s, sa, 1, SOFT, length=OCTETS)
    if kind == "seconds":
        s.wait(11, SOFT)
    carry(s, sa, 2, SOFT, length=OCTETS)
    carry(s, sa, 3, SOFT, length=OCTETS)
    s.read(sa, SOFT, "lifetime")


@check(PARTIAL, records=True)
def smaller_behind_too_large(s: Scenario) -> None:
    """Whether a smaller packet may pass behind one that was too large for what is left of an octet limit is recorded."""
    s.need("lifetime octets", "octets" in s.caps.lifetimes)
    sa = either_way(s, Lifetime(hard_octets=2 * OCTETS))
    carry(s, sa, 1, PARTIAL, length=2 * OCTETS + 200, behaviour="packet larger than the octet limit")
    carry(s, sa, 2, PARTIAL, length=16, behaviour="smaller packet behind one that was too large")
