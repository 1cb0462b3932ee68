"""Packet format and outbound processing as a whole: RFC 4303 section 2 and 3.3."""

from espproof.conformance.checks import check
from espproof.conformance.outbound import EVERY_PACKET, TUNNEL
from espproof.conformance.scenario import Scenario
from espproof.conformance.shown import RIGHT_PACKET


@check(*EVERY_PACKET, *TUNNEL, *RIGHT_PACKET, weight=2.0)
def protects(s: Scenario) -> None:
    """Any packet on any SA leaves as a well-formed ESP packet that its peer can open."""
    sa = s.outbound_sa(sequence=None)
    s.send(sa, "RFC4303-3.3.3-increment", packet=s.packet(sa))
    s.send(sa, "RFC4303-3.3.3-increment")


@check("RFC4303-3.4.4-accepted", *RIGHT_PACKET, weight=2.0)
def opens(s: Scenario) -> None:
    """Any right packet on any SA is delivered as it was."""
    sa = s.inbound_sa(sequence=None)
    start = int(sa.sequence)
    s.receive(sa, start + 1, "RFC4303-3.4.4-accepted", packet=s.packet(sa))
