"""Sequence histories: which numbers a sender uses, and in which order they arrive, some twice and some never.

Numbers are counted from the start of the SA: 1 is its first packet. What must come out follows from two plain facts:
what is new and not older than the window is delivered, nothing is delivered twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from espproof.adapters.capabilities import Capabilities
from espproof.conformance.interop.plan import longest_packet, shortest_packet
from espproof.conformance.strategies.options import Options

_MANY = 8
"""Packets of a history that needs just several."""
_JUMP = 10
"""Numbers that are lost beyond a whole window."""
_ACROSS = 6
"""Packets on either side of a boundary."""
_BURST = 40
"""More than the 32 that many implementations handle at once."""


@dataclass(frozen=True, slots=True)
class History:
    """`sent` are numbers, ascending; `sizes` octets of the packet of each; `arrivals` numbers in order of arrival.

    `start` is the SA's `sequence` on both sides.
    """

    kind: str
    sent: tuple[int, ...]
    sizes: tuple[int, ...]
    arrivals: tuple[int, ...]
    start: int = 0
    burst: bool = False


def fresh(row: Options, limit: int) -> tuple[History, ...]:
    """Histories that an SA can live through one after the other, from its first packet on."""
    shortest, longest = shortest_packet(row), longest_packet(row, limit)
    sweep = (*range(shortest, shortest + 34), *range(128, longest - 17, 211), *range(longest - 17, longest + 1))
    histories = [_history("in-order", row, range(1, len(sweep) + 1), sizes=sweep)]
    window = row.replay_window
    if window:
        few = range(1, min(_MANY, window) + 1)
        histories.append(_history("duplicates", row, few, (*(n for n in few for _ in range(2)), *few)))
        histories.append(_history("older-than-window", row, (1, 2, 3, window + 2), (window + 2, 2, 1, 3)))
    if window or not row.esn:  # without a window the high half cannot be guessed backwards
        width = window or _MANY
        inside = sorted({1, 2, 3, width // 2 + 1, width - 1, width} & set(range(1, width + 1)))
        histories.append(_history("reordered", row, inside, (inside[-1], *inside[0:-1:2], *inside[1:-1:2])))
    after = 3 + window + _JUMP
    late = (after + 2, after, after + 1) if window > 2 else (after, after + 1, after + 2)
    histories.append(_history("loss", row, (1, 2, 3, *sorted(late)), (1, 2, 3, *late)))
    return tuple(histories)


def bursts(row: Options) -> History:
    """Everything at once: more packets than fit a batch, a few of them twice where that must be seen."""
    numbers = range(1, _BURST + 1)
    twice = (_BURST - 1, _BURST - 1, _BURST) if row.replay_window > 1 else ()
    return _history("burst", row, numbers, (*numbers, *twice), burst=True)


def boundaries(row: Options) -> tuple[History, ...]:
    """The ends of the 32-bit numbers: ESN goes on behind them, and without ESN nothing is sent any more."""
    numbers = range(1, 2 * _ACROSS + 1)
    if not row.esn:
        return (_history("last-numbers", row, numbers, range(1, _ACROSS + 1), start=2**32 - 1 - _ACROSS),)
    swapped = [n - 1 if n % 2 else n + 1 for n in numbers][1:-1]  # 2^32 arrives before 2^32 - 1
    order = (1, *swapped, numbers[-1]) if row.replay_window > 1 else numbers
    starts = {"wrap": 2**32 - 1 - _ACROSS, "wrap-high": 0x0102030500000000 - 1 - _ACROSS}
    return tuple([_history(kind, row, numbers, order, start=start) for kind, start in starts.items()])


def _history(
    kind: str, row: Options, sent: Sequence[int], arrivals: Sequence[int] = (), *,
    sizes: Sequence[int] = (), start: int = 0, burst: bool = False,
) -> History:  # fmt: skip
    shortest = shortest_packet(row)
    sizes = sizes or [shortest + 7 * number % 61 for number in sent]
    return History(kind, tuple(sent), tuple(sizes), tuple(arrivals or sent), start, burst)


def chain(histories: Sequence[History]) -> History:
    """One history after the other on one SA."""
    base, sent, arrivals = 0, [], []
    for one in histories:
        sent += [base + number for number in one.sent]
        arrivals += [base + number for number in one.arrivals]
        base = sent[-1]
    kinds = "+".join(one.kind for one in histories)
    sizes = tuple(size for one in histories for size in one.sizes)
    first = histories[0]
    return History(kinds, tuple(sent), sizes, tuple(arrivals), first.start, first.burst)


def lacking(history: History, sender: Capabilities, receiver: Capabilities, fill: int) -> str | None:
    """The capability for want of which a history is not possible; gaps of up to `fill` numbers need none."""
    if history.start and not sender.set_sequence:
        return "set_sequence of the sender"
    if history.start and not receiver.set_sequence:
        return "set_sequence of the receiver"
    widest = max(b - a for a, b in zip((0, *history.sent), history.sent, strict=False))
    return "set_sequence of the sender" if widest > fill and not sender.set_sequence else None


def delivered(arrivals: Sequence[int], window: int) -> list[bool]:
    """For each arrival whether it must come out; `window` 0 lets everything through. Start: nothing received."""
    seen: set[int] = set()
    highest, out = 0, []
    for number in arrivals:
        new = not window or (number not in seen and number > highest - window)
        out.append(new)
        if new:
            seen.add(number)
            highest = max(highest, number)
    return out
