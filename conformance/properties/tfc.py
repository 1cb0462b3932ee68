"""Traffic flow confidentiality: padding behind the inner packet and dummy packets (RFC 4303 2.6, 2.7)."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import ACCEPTED, DUMMY_DISCARDED, DUMMY_NEXT_HEADER, INCREMENT
from espproof.reference.algorithms import ENCRYPTION
from espproof.reference.esp import trailer

TFC = "RFC4303-2.7-tfc"
CUT_OFF = "RFC4303-2.7-tfc-discarded"
NOT_ASKED = "RFC4303-2.7-tfc-not-asked"
ANY_VALUE = "RFC4303-2.7-tfc-any-value"
PAD_LENGTH = "RFC4303-2.5-pad-length-without-tfc"
GENERATED = "RFC4303-2.6-dummy-generated"
FREE = "RFC4303-2.6-dummy-payload-free"
DISCARDED_SEPARATE = "RFC4303-3.4.4.1-dummy-discarded"
DISCARDED_COMBINED = "RFC4303-3.4.4.2-dummy-discarded"
LENGTH = "RFC4303-2.7-tfc-length-unmodified"
COMPLETE = "RFC4303-2.6-dummy-complete"
SIZES = (1, 2, 3, 4, 7, 16, 100, 255, 256, 1000)


@check(CUT_OFF, proved_by=("tfc-length-of-inner-octet", "tfc-padding-delivered-ipv6"))
def removed(s: Scenario) -> None:
    """Octets behind the inner packet are cut off by its length field."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    packet = s.packet(sa)
    s.need("a packet that small", len(packet) + 1000 < s.caps.max_packet - 168)
    s.receive(sa, 1, CUT_OFF, packet=packet, tfc=s.choose(SIZES))


@check(ANY_VALUE, proved_by=("tfc-padding-delivered", "tfc-padding-refused"))
def of_any_octets(s: Scenario) -> None:
    """What the TFC padding consists of does not matter, though it may look like padding or another packet."""
    sa = s.inbound_sa(sequence=0, mode="tunnel")
    payload, next_header = s.payload(sa)
    tfc = s.draw(st.sampled_from((payload, bytes(range(1, 41)), b"\xff" * 37, b"\x45" + bytes(30))))
    padding = s.peer(sa).codec.padding_length(len(payload + tfc))
    end = trailer(padding, next_header)
    s.receive_plaintext(sa, 1, payload + tfc + end, ANY_VALUE)


@check(NOT_ASKED, proved_by=("tfc-to-whole-blocks",))
def not_asked_for(s: Scenario) -> None:
    """Nothing stands between the inner packet and the padding unless somebody asked for it."""
    sa = s.outbound_sa(sequence=0, mode="tunnel")
    s.send(sa, NOT_ASKED, packet=s.packet(sa))


@check(TFC, LENGTH, PAD_LENGTH, proved_by=("tfc-in-inner-length", "tfc-in-pad-length", "tfc-in-one-octet"))
def added(s: Scenario) -> None:
    """Padding that is asked for is there, and the inner packet does not know of it."""
    s.need("tfc", s.caps.tfc)
    sa = s.outbound_sa(sequence=0, mode="tunnel")
    size = s.choose(SIZES)
    s.send(sa, PAD_LENGTH if size > 255 else LENGTH, tfc=size)


@check(
    DUMMY_DISCARDED,
    DISCARDED_SEPARATE,
    DISCARDED_COMBINED,
    FREE,
    proved_by=("tfc-dummy-delivered",),
)
def dummy_discarded(s: Scenario) -> None:
    """A dummy packet vanishes, whatever it contains, and the traffic goes on."""
    sa = s.inbound_sa(sequence=0)
    payload, _ = s.payload(sa)
    combined = DISCARDED_COMBINED if ENCRYPTION[sa.encr].aead else DISCARDED_SEPARATE
    content, rule = s.choose(((payload, combined), (b"", DUMMY_DISCARDED), (b"\x00" * 40, FREE), (b"\xff" * 33, FREE)))
    padding = s.peer(sa).codec.padding_length(len(content))
    s.receive_plaintext(sa, 1, content + trailer(padding, 59), rule)
    s.receive(sa, 2, ACCEPTED)


@check(
    DUMMY_NEXT_HEADER,
    COMPLETE,
    GENERATED,
    proved_by=("tfc-dummy-not-sent", "tfc-dummy-without-number", "tfc-dummy-like-any-other"),
)
def dummy_sent(s: Scenario) -> None:
    """A dummy packet is a whole ESP packet with next header 59, and takes a number like any other."""
    s.need("dummy", s.caps.dummy)
    sa = s.outbound_sa(sequence=0)
    s.send(sa, GENERATED, dummy=True)
    s.send(sa, COMPLETE, dummy=True)
    s.send(sa, INCREMENT)
