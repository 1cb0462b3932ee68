"""A host to which packets come together, and whose cipher finishes later: packets in flight.

    INPUT    … replay check ─► lifetime ─► [ the cipher ] ─► SA still valid ─► ICV ─► replay re-check ─► window ─► mode
    PROTECT  lifetime ─► number ─► [ the cipher ] ─► the next SA, if that is still there

What is in flight has met the stages in front of the cipher with the state that the SA had when it arrived; the window
moves when the cipher has finished and the ICV was right (RFC 4303 3.4.3), and not before. Therefore a number that came
twice meets the replay check twice: one that was received meanwhile is discarded. A packet whose SA is gone, or has ended,
when the cipher is done is discarded; one that was protected leaves, as it was the SA's while that was there.

Numbers are given in the order in which packets come, whatever the order in which ciphers finish. Where the cipher's queue
is full a packet is discarded in front of it, before it has a number. Appendix A3 of RFC 4303 is not tried in flight. The
ICV of AH is computed at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from espproof.reference import ah, ip
from espproof.reference.drops import DropReason
from espproof.reference.endpoint import Entry
from espproof.reference.errors import Malformed
from espproof.reference.esp import sequence_low, take_trailer
from espproof.reference.replay import ReplayVerdict
from espproof.reference.sequence import reconstruct
from espproof.reference.xfrm.coalescing import coalesced
from espproof.reference.xfrm.counters import INBOUND, Counter
from espproof.reference.xfrm.host import Emerging, Host, Side
from espproof.reference.xfrm.path import (
    INPUT,
    PROTECT,
    Arriving,
    Fate,
    Protecting,
    Stage,
    walk,
)
from espproof.reference.xfrm.states import State


class Arrival(NamedTuple):
    """A packet of those that enter together; as in `Host.enter`."""

    side: Side
    packet: bytes
    mark: int = 0
    segment: int = 0


@dataclass(slots=True)
class Opening:
    """An ESP packet on its way in that the cipher has. `number` is the whole one that it was taken to have when it came,
    None where it can have none; `result` is what the cipher will say."""

    packet: Arriving
    number: int | None
    result: bytes | DropReason


def _is_valid(one: Opening) -> Fate:
    """The SA that it came for is there, and no hard limit of it has been reached."""
    host, state = one.packet.host, one.packet.state
    gone = not host.states.has(state) or host.has_ended(state, one.packet.now)
    return Counter.IN_STATE_INVALID if gone else None


def _is_authentic(one: Opening) -> Fate:
    if isinstance(one.result, bytes):
        return None
    one.packet.state.entry.state.count_error(one.result)
    return INBOUND[one.result]


def _is_still_new(one: Opening) -> Fate:
    assert one.number is not None
    new = one.packet.state.entry.state.replay.check(one.number) is ReplayVerdict.NEW
    return None if new else Counter.IN_STATE_SEQ_ERROR


def _moves_the_window(one: Opening) -> Fate:
    assert one.number is not None
    assert isinstance(one.result, bytes)
    one.packet.state.entry.state.replay.advance(one.number)
    return None


def _has_a_trailer(one: Opening) -> Fate:
    assert isinstance(one.result, bytes)
    opened = take_trailer(one.result)
    if isinstance(opened, DropReason):
        one.packet.state.entry.state.count_error(opened)
        return INBOUND[opened]
    one.packet.opened = opened
    return None


_CIPHER = [stage.name for stage in INPUT].index("ICV, window, trailer")
BEFORE, AFTER = INPUT[:_CIPHER], INPUT[_CIPHER + 1 :]
RESUME = (
    Stage("the SA is valid", (Counter.IN_STATE_INVALID,), _is_valid),
    Stage("ICV", (Counter.IN_STATE_PROTO_ERROR,), _is_authentic),
    Stage("replay re-check", (Counter.IN_STATE_SEQ_ERROR,), _is_still_new),
    Stage("window", (), _moves_the_window),
    Stage("trailer", (Counter.IN_STATE_PROTO_ERROR,), _has_a_trailer),
)
"""Of a packet that comes back from the cipher; AFTER follows."""
_TRANSFORM = [stage.name for stage in PROTECT].index("transform")
_FOUND, _NUMBERED = PROTECT[:_TRANSFORM], PROTECT[_TRANSFORM:]

Emerged = tuple[Emerging, ...]


class _Flight(NamedTuple):
    """What the cipher has, of the packet with that place in its burst, and how it goes on."""

    place: int
    go_on: Callable[[], Emerged]


class AsynchronousHost(Host):
    """A `Host` that takes several packets together."""

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self._flights: list[_Flight] | None = None
        """What is in flight, the oldest first; None while the cipher answers at once."""
        self._queue = 0
        self._place = 0

    def enter_burst(
        self, arrivals: Iterable[Arrival], completions: Iterable[int | str] = (), room: int = 0, now: float = 0
    ) -> Emerged:
        """Packets enter together, before anything is waited for: what emerges, neighbours of one flow merged.

        `completions` tells what happens then: of the packet with that place (from 0) the cipher finishes what it has had
        longest, or an SA of that name is deleted (`Misuse` if there is none). What is in flight at the end finishes in its
        order. `room`: so many packets the cipher takes, 0 for any number. With neither, the cipher answers at once.
        """
        order = tuple(completions)
        if not order and not room:
            return _in_fewer([one for each in arrivals for one in self._enters(each, now)])
        self._flights, self._queue = [], room
        try:
            emerged: list[Emerging] = []
            for self._place, each in enumerate(arrivals):
                emerged += self._enters(each, now)
            for event in order:
                if isinstance(event, str):
                    self.states.delete(event)
                else:
                    emerged += self._finish(event)
            while self._flights:
                emerged += self._finish(self._flights[0].place)
            return _in_fewer(emerged)
        finally:
            self._flights = None

    def _enters(self, one: Arrival, now: float) -> Emerged:
        return self.enter(one.side, one.packet, one.mark, now, segment=one.segment)

    def _finish(self, place: int) -> Emerged:
        """The cipher is done with the oldest that it has of a packet; nothing happens if it has none."""
        assert self._flights is not None
        flight = next((one for one in self._flights if one.place == place), None)
        if flight is None:
            return ()
        self._flights.remove(flight)
        self._place = place
        return flight.go_on()

    def _is_full(self) -> bool:
        return self._flights is not None and 0 < self._queue <= len(self._flights)

    def _take_off(self, go_on: Callable[[], Emerged]) -> Emerged:
        assert self._flights is not None
        self._flights.append(_Flight(self._place, go_on))
        return ()

    # -------------------------------------------------------------------------------------------------------- inbound

    def _take_out(
        self, outer: ip.Packet, esp: bytes, mark: int, now: float, through: tuple[State, ...], *, encapsulated: bool
    ) -> Emerged:
        if self._flights is None or outer.protocol == ah.PROTOCOL_AH:
            return super()._take_out(outer, esp, mark, now, through, encapsulated=encapsulated)
        one = Arriving(self, outer, esp, encapsulated, mark, now, through)
        if self._dropped(walk(BEFORE, one)):
            return ()
        if self._is_full():
            self._dropped(Counter.IN_STATE_PROTO_ERROR)
            return ()
        opening = _opening(one)
        return self._take_off(lambda: self._opened(opening))

    def _opened(self, opening: Opening) -> Emerged:
        one = opening.packet
        if self._dropped(walk(RESUME, opening)) or self._dropped(walk(AFTER, one)):
            return ()
        try:
            parsed = ip.parse(one.inside)
        except Malformed:
            return ()
        return self._arrive(parsed, one.inside, one.mark, one.now, (*one.through, one.state))

    # ------------------------------------------------------------------------------------------------------- outbound

    def _sent(self, packet: bytes, bundle: list[State], through: tuple[State, ...], now: float) -> Emerged:
        if self._flights is None:
            return super()._sent(packet, bundle, through, now)
        return self._protect(packet, bundle, tuple(state.sa.name for state in bundle or through), now)

    def _protect(self, packet: bytes, left: list[State], names: tuple[str, ...], now: float) -> Emerged:
        """The SAs that are left, the innermost first; each is looked for again when its turn comes."""
        if not left:
            return self._out(packet, names, now)
        if not self.states.has(left[0]):
            self._dropped(Counter.OUT_STATE_INVALID)
            return ()
        step = Protecting(self, packet, left[0], now)
        if self._dropped(walk(_FOUND, step)):
            return ()
        if self._is_full():
            self._dropped(Counter.OUT_STATE_PROTO_ERROR)
            return ()
        if self._dropped(walk(_NUMBERED, step)):
            return ()
        if left[0].sa.protocol == "ah":
            return self._protect(step.packet, left[1:], names, now)
        return self._take_off(lambda: self._protect(step.packet, left[1:], names, now))


def _opening(one: Arriving) -> Opening:
    entry = one.state.entry
    assert isinstance(entry, Entry)
    if len(one.esp) < entry.codec.smallest:
        return Opening(one, None, DropReason.MALFORMED)
    number: int | None = sequence_low(one.esp)
    if entry.sa.esn:
        number = reconstruct(sequence_low(one.esp), entry.state.replay.highest, entry.state.replay.size)
    result = DropReason.INTEGRITY if number is None else entry.codec.open(one.esp, number)
    return Opening(one, number, result)


def _in_fewer(emerged: list[Emerging]) -> Emerged:
    """Neighbours that came out together, at a side where somebody takes super-packets, merged."""
    found: list[Emerging] = []
    for (side, through), some in groupby(emerged, lambda one: (one.side, one.through)):
        packets = [one.packet for one in some]
        merged = coalesced(packets) if side == "plain" else [(packet, 0) for packet in packets]
        found += [Emerging(side, packet, through, segment) for packet, segment in merged]
    return tuple(found)
