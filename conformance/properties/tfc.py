"""Traffic flow confidentiality: padding behind the inner packet and dummy packets (RFC 4303 2.6, 2.7)."""

from hypothesis import strategies as st

from espproof.conformance.checks import check
from espproof.conformance.scenario import Scenario

TFC = "RFC4303-2.7-tfc"
LENGTH = "RFC4303-2.7-tfc-length-unmodified"
NEXT_HEADER = "RFC4303-2.6-dummy-next-header"
DISCARDED = "RFC4303-2.6-dummy-discarded"
COMPLETE = "RFC4303-2.6-dummy-complete"
ACCEPTED = "RFC4303-3.4.4-accepted"
SIZES = (1, 2, 3, 4, 7, 16, 100, 255, 256, 1000)


@check(TFC, LENGTH, proved_by=("tfc-not-removed",))
def removed(s: Scenario) -> None:
    """Octets behind the inner packet are cut off by its length field."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    packet = s.packet(sa)
    s.need("a packet that small", len(packet) + 1000 < s.caps.max_packet - 168)
    s.receive(sa, 1, TFC, packet=packet, tfc=s.choose(SIZES))


@check(TFC, LENGTH)
def added(s: Scenario) -> None:
    """Padding that is asked for is there, and the inner packet does not know of it."""
    s.need("tfc", s.caps.tfc)
    sa = s.outbound_sa(sequence=0, mode="tunnel")
    s.send(sa, LENGTH, tfc=s.choose(SIZES))


@check(DISCARDED, COMPLETE, proved_by=("tfc-dummy-delivered",))
def dummy_discarded(s: Scenario) -> None:
    """A dummy packet vanishes, whatever it contains, and the traffic goes on."""
    sa = s.inbound_sa(sequence=0)
    payload, _ = s.payload(sa)
    content = s.draw(st.sampled_from((payload, b"", b"\x00" * 40, b"\xff" * 33)))
    padding = s.peer(sa).codec.padding_length(len(content))
    s.receive_plaintext(sa, 1, content + bytes(range(1, padding + 1)) + bytes([padding, 59]), DISCARDED)
    s.receive(sa, 2, ACCEPTED)


@check(NEXT_HEADER, COMPLETE)
def dummy_sent(s: Scenario) -> None:
    """A dummy packet is a whole ESP packet with next header 59, and takes a number like any other."""
    s.need("dummy", s.caps.dummy)
    sa = s.outbound_sa(sequence=0)
    s.send(sa, NEXT_HEADER, dummy=True)
    s.send(sa, "RFC4303-3.3.3-increment")
