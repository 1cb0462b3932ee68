"""The audit log, of who has one that can be read: RFC 4303 section 4."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.compare import LOGGED
from espproof.conformance.requirements.ids import (
    ACCEPTED,
    DUMMY_DISCARDED,
    DUPLICATE,
    ICV_WRONG,
    INCREMENT,
    KEEPALIVE,
    NEW,
    NO_CYCLE,
    NO_SA,
)
from espproof.reference.esp import NEXT_HEADER_DUMMY, trailer

NO_SA_LOGGED, REPLAY_LOGGED = LOGGED["no-sa"], LOGGED["replay"]
ICV_LOGGED, OVERFLOW_LOGGED = LOGGED["integrity"], LOGGED["sequence-overflow"]


@check(NO_SA_LOGGED, proved_by=("audit-no-sa-forgotten", "audit-addresses-swapped"))
def no_sa(s: Scenario) -> None:
    """A packet that belongs to no SA is recorded, with what its headers say."""
    s.need("audit", s.caps.audit)
    sa = s.inbound_sa(sequence=0)
    for _ in range(s.draw(st.integers(1, 3))):
        s.arrives(s.stranger(sa), NO_SA)
    s.read_audit(NO_SA_LOGGED)
    s.receive(sa, 1, ACCEPTED)
    s.read_audit(NO_SA_LOGGED)


@check(REPLAY_LOGGED, proved_by=("audit-replay-as-integrity", "audit-high-half-of-number"))
def replay(s: Scenario) -> None:
    """A duplicate is recorded, with its number as it stands in the packet, and so is one left of the window."""
    s.need("audit", s.caps.audit)
    sa = s.windowed_sa()
    number = int(sa.sequence) + 1
    s.need("room for a packet", number < s.last_number(sa))
    packet = s.receive(sa, number, NEW)
    for _ in range(s.draw(st.integers(1, 3))):
        s.arrives(packet, DUPLICATE)
    s.read_audit(REPLAY_LOGGED)


@check(ICV_LOGGED, proved_by=("audit-icv-of-combined-forgotten", "audit-addresses-swapped"))
def wrong_icv(s: Scenario) -> None:
    """A packet whose ICV is wrong is recorded, of separate and of combined algorithms, alone and in a burst."""
    s.need("audit", s.caps.audit)
    sa = s.inbound_sa(sequence=0)
    forged = [s.forge(s.peer(sa).protect(s.small(sa), number), sa) for number in (1, 3)]
    if s.draw(st.booleans()):
        s.burst_arrives([forged[0], s.peer(sa).protect(s.small(sa), 2), forged[1]], ICV_WRONG)
    else:
        for packet in forged:
            s.arrives(packet, ICV_WRONG)
    s.read_audit(ICV_LOGGED)


@check(OVERFLOW_LOGGED, proved_by=("audit-overflow-forgotten",))
def overflow(s: Scenario) -> None:
    """That an SA has no number left is recorded when a packet cannot be sent for it."""
    s.need("audit", s.caps.audit)
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(tuple(sorted(s.caps.esn)))
    sa = s.outbound_sa(sequence=(2**64 if esn else 2**32) - 2, esn=esn)
    s.send(sa, INCREMENT)
    s.read_audit(OVERFLOW_LOGGED)
    s.send(sa, NO_CYCLE)
    s.read_audit(OVERFLOW_LOGGED)


@check(DUMMY_DISCARDED, KEEPALIVE, proved_by=("audit-dummy-recorded",))
def no_error(s: Scenario) -> None:
    """Dummies and keepalives indicate no error, and neither does right traffic."""
    s.need("audit", s.caps.audit)
    sa = s.inbound_sa(sequence=0)
    payload, _ = s.payload(sa)
    end = trailer(s.peer(sa).codec.padding_length(len(payload)), NEXT_HEADER_DUMMY)
    s.receive_plaintext(sa, 1, payload + end, DUMMY_DISCARDED)
    s.receive(sa, 2, ACCEPTED)
    s.read_audit(DUMMY_DISCARDED)
    if sa.udp is not None:
        s.arrives(s.peer(sa).datagram(b"\xff"), KEEPALIVE)
        s.read_audit(KEEPALIVE)
