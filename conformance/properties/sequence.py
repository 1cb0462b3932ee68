"""Sequence number generation and its end: RFC 4303 2.2 and 3.3.3."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import FIRST_ONE, INCREMENT, NO_CYCLE, NO_FRAGMENTS
from espproof.conformance.strategies import wire

HIGH_NOT_SENT = "RFC4303-2.2.1-high-not-sent"
ROLLOVER = "RFC4303-3.3.3-rollover-without-replay"
IMPLICIT_IV = "RFC8750-7-no-overlap"
RESET = "RFC4303-2.2-reset-before-cycle"


@check(FIRST_ONE, proved_by=("sequence-first-is-zero", "sequence-first-probe-is-zero"))
def first_packet(s: Scenario) -> None:
    """The first packet of an SA has number 1, the next one 2, be they asked for or sent before anybody could ask."""
    asked_for = s.caps.start_of("out") == 0
    s.need("an SA's first packet", asked_for or s.caps.tells_early)
    sa = s.outbound_sa(sequence=0)
    s.read(sa, FIRST_ONE, "early")
    s.send(sa, FIRST_ONE if asked_for else INCREMENT, packet=s.packet(sa))
    s.send(sa, INCREMENT)


@check(INCREMENT, proved_by=("sequence-probes-not-counted",))
def increments(s: Scenario) -> None:
    """Each packet has the next number, wherever the numbering starts, whatever the packets are."""
    sa = s.outbound_sa(sequence=None)
    start = int(sa.sequence)
    for number in range(start + 1, start + s.draw(st.integers(3, 7))):
        crossing = HIGH_NOT_SENT if sa.esn else NO_CYCLE
        s.send(sa, INCREMENT if number >> 32 == start >> 32 else crossing)
    s.read(sa, INCREMENT, "sequence")


@check(NO_CYCLE, RESET, proved_by=("sequence-cycles-esn", "sequence-restarts-after-overflow"))
def overflow(s: Scenario) -> None:
    """The last number is used, and after it nothing is sent any more."""
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(tuple(sorted(s.caps.esn)))
    last = 2**64 - 1 if esn else 2**32 - 1
    left = s.draw(st.integers(0, 3))
    sa = s.outbound_sa(sequence=last - left, esn=esn)
    for _ in range(left):
        s.send(sa, INCREMENT)
    s.send(sa, NO_CYCLE)
    s.send(sa, RESET)
    s.read(sa, NO_CYCLE, "sequence")


@check(INCREMENT, proved_by=("sequence-esn-stops-at-32-bits", "sequence-esn-skips-low-zero"))
def burst(s: Scenario) -> None:
    """Packets that are handed over together get consecutive numbers in their order."""
    sa = s.outbound_sa(sequence=None)
    count = s.draw(st.sampled_from((2, 3, 8, 33)))
    room = s.last_number(sa) - int(sa.sequence)
    s.send_burst(sa, [s.small(sa)] * min(count, max(room, 1)), INCREMENT)
    s.send(sa, INCREMENT)


@check(NO_CYCLE, proved_by=("sequence-burst-high-of-last", "sequence-cycles-esn"))
def burst_across_the_end(s: Scenario) -> None:
    """A burst that is longer than the numbers left is sent as far as they go."""
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(tuple(sorted(s.caps.esn)))
    left = s.draw(st.integers(0, 3))
    sa = s.outbound_sa(sequence=(2**64 - 1 if esn else 2**32 - 1) - left, esn=esn)
    s.send_burst(sa, [s.small(sa)] * (left + 2), NO_CYCLE)


@check(INCREMENT, proved_by=("sequence-one-counter-for-all",))
def two_senders(s: Scenario) -> None:
    """Each SA counts for itself."""
    one, two = s.outbound_sa(sequence=None), s.outbound_sa(sequence=None)
    for first in s.draw(st.lists(st.booleans(), min_size=2, max_size=6)):
        s.send(one if first else two, INCREMENT)


@check(ROLLOVER, records=True)
def rollover(s: Scenario) -> None:
    """Whether the number may start again when the receiver is known not to look at it is recorded."""
    s.need("set_sequence", s.caps.set_sequence)
    s.need("32-bit sequence numbers", False in s.caps.esn)
    sa = s.outbound_sa(sequence=2**32 - 1, esn=False, add=False)
    s.need("an explicit IV", s.iv_size(sa) or sa.encr == "ENCR_NULL")
    s.send(
        s.with_fields(sa, replay_window=0), ROLLOVER, behaviour="sequence number after the last one, anti-replay off"
    )


@check(IMPLICIT_IV, proved_by=("sequence-cycles-esn", "sequence-cycles-to-one"))
def implicit_iv(s: Scenario) -> None:
    """With an implicit IV the number must not start again, whether anybody looks for replays or not."""
    s.need("set_sequence", s.caps.set_sequence)
    names = tuple(name for name in s.caps.encryption if name.endswith("_IIV"))
    s.need("an implicit IV", names)
    esn = s.choose(tuple(sorted(s.caps.esn)))
    sa = s.outbound_sa(sequence=(2**64 if esn else 2**32) - 2, esn=esn, encr=names, add=False)
    sa = s.with_fields(sa, replay_window=s.choose((64, 0)))
    s.send(sa, INCREMENT)
    s.send(sa, IMPLICIT_IV)


@check(INCREMENT, NO_FRAGMENTS, proved_by=("sequence-number-of-the-unsent",))
def unsent_take_no_number(s: Scenario) -> None:
    """A packet that cannot be sent takes no number, alone and within a burst of packets of all sizes."""
    s.need("transport mode", "transport" in s.caps.modes)
    sa = s.outbound_sa(sequence=None, mode="transport")
    s.need("room for packets", s.last_number(sa) - int(sa.sequence) > 20)
    piece = wire.fragment(s.of_length(sa, 64), 64)
    s.send(sa, INCREMENT)
    s.send(sa, NO_FRAGMENTS, packet=piece)
    s.send(sa, INCREMENT)
    drawn = s.draw(st.lists(st.sampled_from((16, 0, 1, 300, 1000)), min_size=2, max_size=6))
    s.send_burst(sa, [s.of_length(sa, length) if length else piece for length in drawn], INCREMENT)
    s.send(sa, INCREMENT)


@check(NO_CYCLE, INCREMENT, proved_by=("sequence-last-lost-to-the-unsent",))
def unsent_at_the_end(s: Scenario) -> None:
    """The last number is there for the last packet, though others could not be sent before it."""
    s.need("set_sequence", s.caps.set_sequence)
    s.need("transport mode", "transport" in s.caps.modes)
    esn = s.choose(tuple(sorted(s.caps.esn)))
    sa = s.outbound_sa(sequence=(2**64 if esn else 2**32) - 2, esn=esn, mode="transport")
    piece = wire.fragment(s.of_length(sa, 64), 64)
    for _ in range(s.draw(st.integers(1, 3))):
        s.send(sa, NO_FRAGMENTS, packet=piece)
    s.send(sa, INCREMENT)
    s.send(sa, NO_CYCLE)
