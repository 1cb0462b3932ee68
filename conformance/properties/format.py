"""Packet format and outbound processing as a whole: RFC 4303 section 2 and 3.3."""

from espproof.conformance.checks import check
from espproof.conformance.scenario import Scenario

INNER = "RFC4303-3.1.2-inner-unchanged"


@check("RFC4303-3.3.3-increment", INNER)
def protects(s: Scenario) -> None:
    """Any packet on any SA leaves as a well-formed ESP packet that its peer can open."""
    sa = s.outbound_sa(sequence=None)
    s.send(sa, "RFC4303-3.3.3-increment", packet=s.packet(sa))
    s.send(sa, "RFC4303-3.3.3-increment")


@check("RFC4303-3.4.4-accepted")
def opens(s: Scenario) -> None:
    """Any right packet on any SA is delivered as it was."""
    sa = s.inbound_sa(sequence=None)
    start = int(sa.sequence)
    s.receive(sa, start + 1, "RFC4303-3.4.4-accepted", packet=s.packet(sa))
