"""Anti-replay: RFC 4303 3.4.3, Appendix A2.1. The same window serves 32-bit and extended sequence numbers."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from espproof.adapters.case import Sa, SequenceNumber
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import (
    AFTER_ICV,
    BOUNDS,
    BURST,
    CHECK_FIRST,
    COUNTS,
    DUMMY_DISCARDED,
    DUPLICATE,
    ECN_DROP,
    ICV_WRONG,
    LEFT,
    MALFORMED,
    NEW,
    SELECTORS,
    WINDOW,
)
from espproof.conformance.strategies import packets, wire
from espproof.conformance.strategies.history import History, border_sizes, deltas, jumps, late, rings, same_place
from espproof.reference import ip
from espproof.reference.esp import NEXT_HEADER_DUMMY, trailer

FRESH = "RFC4303-3.4.3-counter-zero"
OFF = "RFC4303-3.4.3-disabled-no-check"
SIZES = ("RFC4303-3.4.3-window-32", "RFC4303-3.4.3-window-64-default", "RFC4303-3.4.3-window-other")


@check(
    NEW,
    DUPLICATE,
    proved_by=("anti-replay-duplicate-in-window", "anti-replay-not-checked", "anti-replay-high-big-endian"),
)
def duplicate(s: Scenario) -> None:
    """A packet that was accepted is rejected when it comes again."""
    sa = s.windowed_sa()
    number = min(int(sa.sequence) + 1, s.last_number(sa))
    s.need("room for a packet", number > sa.sequence)
    packet = s.receive(sa, number, NEW)
    s.arrives(packet, DUPLICATE)
    if number < s.last_number(sa):
        s.receive(sa, number + 1, NEW)


@check(*SIZES, proved_by=("anti-replay-window-one-long", "anti-replay-window-one-short"))
def sizes(s: Scenario) -> None:
    """The window is as large as the SA says: its leftmost number is accepted, the one before it is not."""
    windows = s.caps.replay_windows
    s.need("anti-replay", windows)
    known = [size for size in (32, 64) if windows is not None and windows.allows(size)]
    for size in (*known, None):
        sa = s.windowed_sa(sequence=0) if size is None else s.windowed_sa(sequence=0, replay_window=size)
        about = {32: SIZES[0], 64: SIZES[1]}.get(sa.replay_window, SIZES[2])
        highest = sa.replay_window + 5
        s.receive(sa, highest, NEW)
        s.receive(sa, highest - sa.replay_window, about)
        s.receive(sa, highest - sa.replay_window + 1, about)


@check(
    CHECK_FIRST,
    DUPLICATE,
    proved_by=("anti-replay-duplicate-in-window", "anti-replay-not-checked", "anti-replay-after-icv"),
)
def forged_duplicate(s: Scenario) -> None:
    """A number that was received is found out before the ICV is looked at, and costs no cryptography."""
    sa = s.windowed_sa(sequence=0)
    s.receive(sa, 7, NEW)
    s.receive_forged(sa, 7, CHECK_FIRST)
    s.receive(sa, 7, DUPLICATE)


@check(
    NEW,
    DUPLICATE,
    LEFT,
    WINDOW,
    weight=3.0,
    proved_by=("anti-replay-left-edge-not-tested", "anti-replay-window-one-long", "anti-replay-shift-modulo-word"),
)
def history(s: Scenario) -> None:
    """Any order of arrival, around the edges of the window: each number is accepted once, and only inside."""
    sa = s.windowed_sa()
    past = History(sa)
    for delta in s.draw(st.lists(deltas(sa.replay_window), min_size=1, max_size=12)):
        number = past.near(delta)
        s.receive(sa, number, past.about(number))
        past.arrived(number)
    s.read(sa, WINDOW, "sequence")


@check(
    NEW,
    LEFT,
    DUPLICATE,
    proved_by=("anti-replay-left-edge-not-tested", "anti-replay-window-one-long", "anti-replay-bitmap-published-late"),
)
def edges(s: Scenario) -> None:
    """The left edge itself is inside the window, the number before it is not; a jump forgets what it leaves behind."""
    sa = s.windowed_sa(sequence=0)
    size = sa.replay_window
    first = 1 + s.draw(st.integers(0, 3))
    jump = s.draw(st.sampled_from((size - 1, size, size + 1, 2 * size - 1, 2 * size, 2, size // 2 + 1)))
    past = History(sa)
    for number in (first, first + jump, first + 1, first, first + jump - size, first + jump - size + 1, first + jump):
        if number > 0:
            s.receive(sa, number, past.about(number))
            past.arrived(number)


@check(
    NEW,
    DUPLICATE,
    WINDOW,
    proved_by=("anti-replay-window-one-short", "anti-replay-duplicate-in-window", "anti-replay-bitmap-not-restored"),
)
def preset(s: Scenario) -> None:
    """A window that was set when the SA was made is honoured bit by bit."""
    s.need("set_window", s.caps.set_window and s.caps.set_sequence)
    base = s.windowed_sa(add=False)
    reach = min(base.replay_window, int(base.sequence))
    offsets = s.draw(st.sets(st.integers(0, max(reach - 1, 0)), max_size=6)) if base.sequence else set()
    sa = s.with_fields(base, received_offsets=tuple(sorted(offsets - {0})))
    past = History(sa)
    tried = sorted({*offsets, 0, 1, 31, 32, reach - 1, *(offset + 1 for offset in offsets)})
    for offset in tried:
        number = int(sa.sequence) - offset
        if 0 <= offset < reach and number > 0:
            s.receive(sa, number, past.about(number))
            past.arrived(number)
    s.read(sa, WINDOW, "received_offsets")


@check(
    AFTER_ICV,
    DUPLICATE,
    proved_by=("anti-replay-duplicate-in-window", "anti-replay-not-checked", "anti-replay-advance-before-icv"),
)
def forged(s: Scenario) -> None:
    """A packet with a wrong ICV leaves the window where it was, however far ahead its number is."""
    sa = s.windowed_sa()
    past = History(sa)
    number = past.near(s.draw(st.sampled_from((1, 2, 3))))
    s.need("room for a packet", number > past.highest)
    ahead = past.near(s.draw(st.sampled_from((1, 2, sa.replay_window, sa.replay_window + 1, 5000, 2**31 - 5))))
    s.receive_forged(sa, ahead, ICV_WRONG)
    s.receive_forged(sa, number, ICV_WRONG)
    s.read(sa, AFTER_ICV, "sequence")
    s.receive(sa, number, AFTER_ICV)
    past.arrived(number)
    s.receive(sa, past.highest, DUPLICATE)


@check(BURST, weight=2.0, proved_by=("anti-replay-burst-status-ignored", "anti-replay-burst-checked-first"))
def burst(s: Scenario) -> None:
    """Packets that arrive together fare as if they had come one by one: duplicates inside the burst, the first one bad."""
    sa = s.windowed_sa()
    past = History(sa)
    packets = []
    for delta in s.draw(st.lists(deltas(min(sa.replay_window, 128)), min_size=2, max_size=8)):
        number = past.near(delta)
        if s.draw(st.sampled_from((False, False, False, True))):
            packets.append(s.forge(s.peer(sa).protect(s.small(sa), number), sa))
        else:
            packets.append(s.peer(sa).protect(s.small(sa), number))
            past.arrived(number)
    s.burst_arrives(packets, BURST)
    s.receive(sa, past.highest, past.about(past.highest))


@check(BURST, proved_by=("anti-replay-burst-checked-first", "anti-replay-burst-status-ignored"))
def long_burst(s: Scenario) -> None:
    """More packets than a batch usually holds, in a shuffled order and with duplicates."""
    sa = s.windowed_sa(sequence=0)
    numbers = [1 + (7 * index) % 40 for index in range(s.draw(st.sampled_from((33, 40, 48, 70))))]
    s.burst_arrives([s.peer(sa).protect(s.small(sa), number) for number in numbers], BURST)
    s.receive(sa, 1, DUPLICATE if sa.replay_window >= 40 else LEFT)


@check(FRESH, proved_by=("anti-replay-counter-from-one",))
def fresh(s: Scenario) -> None:
    """A fresh SA accepts number 1, and the first numbers in any order."""
    sa = s.windowed_sa(sequence=0)
    past = History(sa)
    for number in s.draw(st.lists(st.sampled_from((1, 2, 3, 31, 32, 33)), min_size=1, max_size=5)):
        s.receive(sa, number, FRESH if past.is_new(number) else past.about(number))
        past.arrived(number)


@check(OFF, proved_by=("anti-replay-off-means-size-zero",))
def off(s: Scenario) -> None:
    """With anti-replay off, duplicates and old numbers are accepted."""
    sa = s.inbound_sa(sequence=None, replay_window=0, esn=False)
    number = min(int(sa.sequence) + 5, s.last_number(sa))
    packet = s.receive(sa, number, OFF)
    s.arrives(packet, OFF)
    s.receive(sa, max(1, number - 100), OFF)


@check(
    LEFT,
    DUPLICATE,
    NEW,
    proved_by=("anti-replay-left-edge-not-tested", "anti-replay-not-checked", "anti-replay-size-ignored"),
)
def end_of_32_bits(s: Scenario) -> None:
    """Without ESN nothing comes after 2^32 - 1: the numbers that follow it are old ones."""
    s.need("set_sequence", s.caps.set_sequence)
    sa = s.windowed_sa(sequence=2**32 - 1 - s.draw(st.integers(1, 70)), esn=False)
    past = History(sa)
    for number in (2**32 - 1, past.highest + 1, 1, 2, 2**32 - 1, past.near(-sa.replay_window), 2**31):
        s.receive(sa, number, past.about(number))
        past.arrived(number)


@check(NEW, WINDOW, proved_by=("anti-replay-position-not-restored", "anti-replay-high-big-endian"))
def read_back(s: Scenario) -> None:
    """The state that can be read is the state that was set, then moved by traffic."""
    s.need("read_state sequence", "sequence" in s.caps.read_state)
    sa = s.windowed_sa()
    s.read(sa, WINDOW, "sequence")
    past = History(sa)
    for delta in s.draw(st.lists(deltas(min(sa.replay_window, 256)), max_size=4)):
        number = past.near(delta)
        s.receive(sa, number, past.about(number))
        past.arrived(number)
        s.read(sa, WINDOW, "sequence")


def bordering(s: Scenario, **fixed: Any) -> Sa:
    """An SA whose window is about as large as words or blocks of its bit map, and starts near their borders."""
    sizes = border_sizes(s.caps)
    s.need("anti-replay", sizes)
    base = s.windowed_sa(add=False, **{"sequence": 0, **fixed})
    size = s.choose(sizes)
    start = int(base.sequence)
    if not start and s.caps.set_sequence:
        start = s.draw(st.sampled_from((0, 1, 31, 32, 63, 64, size - 1, size, size + 1, 2 * size, 4096, 2**31 - size)))
    return s.with_fields(base, replay_window=size, sequence=SequenceNumber(max(start, 0)))


def around_borders(s: Scenario, sa: Sa, about: Callable[[Sa, History, int], str]) -> None:
    """A few steps, with late numbers at the ends of the window; fill it, jump ahead, and try late numbers at its ends and
    around its words, twice each; and once more."""
    past = History(sa)
    size = sa.replay_window

    def arrives(number: int) -> None:
        if 0 < number <= past.last:
            s.receive(sa, number, about(sa, past, number))
            past.arrived(number)

    for _ in range(5):
        for place in (size, size - 1):
            arrives(past.highest - place)
        arrives(past.near(1))
    for _ in range(2):
        filled = [past.highest]
        for step in range(s.draw(st.sampled_from((3, 0, 40, 70)))):
            filled.append(past.near(1 if step % 7 else 2))
            arrives(filled[-1])
        arrives(past.near(s.draw(jumps(size))))
        for number in (filled[0], filled[-1], filled[-1] + 1, filled[len(filled) // 2]):
            for ring in rings(size):
                again = same_place(past, number, ring)
                if again is not None:
                    arrives(again)
        chosen = s.draw(st.lists(st.sampled_from(late(size)), min_size=4, max_size=10, unique=True))
        for place in (*chosen, chosen[0], size - 1, size - 2, size):
            arrives(past.highest - place)
        arrives(past.highest + 1)


@check(NEW, LEFT, DUPLICATE, weight=2.0, proved_by=("anti-replay-word-not-cleared", "anti-replay-ring-not-cleared"))
def borders(s: Scenario) -> None:
    """Windows around the sizes of words and blocks, up to the largest: nothing stays behind a jump, nothing is lost."""
    around_borders(s, bordering(s), lambda sa, past, number: past.about(number))


@check(NEW, DUPLICATE, proved_by=("anti-replay-word-not-cleared", "anti-replay-ring-not-cleared"))
def every_place(s: Scenario) -> None:
    """After a jump each place of the window is free, and after a packet each is taken."""
    sa = bordering(s)
    past = History(sa)
    size = min(sa.replay_window, 260)
    for number in range(past.highest + 1, past.highest + 1 + s.draw(st.sampled_from((8, 70, size)))):
        s.receive(sa, number, past.about(number))
        past.arrived(number)
    ahead = past.near(s.draw(jumps(sa.replay_window)))
    s.receive(sa, ahead, past.about(ahead))
    past.arrived(ahead)
    first = s.draw(st.sampled_from((1, max(sa.replay_window - size, 1))))
    for place in (*range(first, first + size), *range(first, first + size, 7)):
        if past.highest - place > 0:
            s.receive(sa, past.highest - place, past.about(past.highest - place))
            past.arrived(past.highest - place)


@check(COUNTS, weight=2.0, proved_by=("anti-replay-advanced-behind-trailer", "anti-replay-advanced-on-delivery"))
def not_delivered(s: Scenario) -> None:
    """A packet with a right ICV and a wrong trailer, or a dummy, counts: its number comes once, and moves the window."""
    _counts(s, *_undelivered(s))


@check(COUNTS, proved_by=("anti-replay-advanced-on-delivery",))
def not_delivered_behind_trailer(s: Scenario) -> None:
    """The same where the trailer is right, and what is inside is not: version, length, ECN, selector."""
    _counts(s, *_undelivered(s, inside=True))


def _counts(s: Scenario, sa: Sa, about: str, undelivered: Callable[[int], bytes]) -> None:
    size = sa.replay_window
    number = s.draw(st.sampled_from((2, 1, size, size + 1, size + 7)))
    s.arrives(undelivered(number), about)
    if number > size:
        s.receive(sa, number - size, COUNTS)  # first, as the same number, where it is accepted, moves the window too
    s.receive(sa, number, COUNTS)
    s.receive(sa, number + 1, NEW)


@check(COUNTS, proved_by=("anti-replay-advanced-behind-trailer", "anti-replay-advanced-on-delivery"))
def not_delivered_then_a_burst(s: Scenario) -> None:
    """The same where what follows comes at once: one whose number was used, and a fresh one."""
    sa, about, undelivered = _undelivered(s)
    number = s.draw(st.sampled_from((1, 5, sa.replay_window + 3)))
    s.arrives(undelivered(number), about)
    s.burst_arrives([s.peer(sa).protect(s.small(sa), one) for one in (number, number + 1)], COUNTS)
    s.receive(sa, number + 2, NEW)


@check(COUNTS, proved_by=("anti-replay-advanced-on-delivery", "anti-replay-counted-behind-burst"))
def not_delivered_in_a_burst(s: Scenario) -> None:
    """The same within one burst: the number of what is not delivered is used for what comes behind it, and later."""
    sa, _, undelivered = _undelivered(s)
    number = s.draw(st.sampled_from((2, 1, sa.replay_window, sa.replay_window + 3)))
    peer = s.peer(sa)
    again = [peer.protect(s.small(sa), number), peer.protect(s.small(sa), number + 1)]
    s.burst_arrives([undelivered(number), *again[: s.choose((2, 1))]], COUNTS)
    if number > sa.replay_window:
        s.receive(sa, number - sa.replay_window, COUNTS)
    s.receive(sa, number, COUNTS)
    s.receive(sa, number + 2, NEW)


def _undelivered(s: Scenario, *, inside: bool = False) -> tuple[Sa, str, Callable[[int], bytes]]:
    """An inbound SA, and packets for it by their number whose ICV is right, and of which nothing may be delivered.

    With the requirement that says why not. The trailer tells, or what is `inside` a tunnel.
    """
    if inside:
        sa = s.windowed_sa(sequence=0, add=False, ecn="normal", mode="tunnel")
        kinds = ["version", "length", *(["ecn"] if s.caps.ecn else []), *(["selector"] if s.caps.selectors else [])]
    else:
        sa = s.windowed_sa(sequence=0, add=False, ecn="normal")
        kinds = ["padding", "dummy"]
    kind = s.choose(kinds)
    packet = s.small(sa)
    if kind == "selector":
        sa = s.with_fields(sa, selectors=(s.selector(ip.parse(packet), fits=True),))
    else:
        s.with_fields(sa)
    peer = s.peer(sa)
    payload, next_header = s.payload(sa)
    padding = peer.codec.padding_length(len(payload))

    def sealed(content: bytes, end: bytes) -> Callable[[int], bytes]:
        return lambda number: peer.seal(packet, content + end, number)

    match kind:
        case "padding":
            return (
                sa,
                BOUNDS,
                sealed(payload + bytes(padding), bytes([min(255, len(payload) + padding + 1), next_header])),
            )
        case "dummy":
            return sa, DUMMY_DISCARDED, sealed(payload, trailer(padding, NEXT_HEADER_DUMMY))
        case "version":
            return sa, MALFORMED, sealed(payload, trailer(padding, 4 if next_header == 41 else 41))
        case "length":
            return sa, MALFORMED, sealed(_longer(payload), trailer(padding, next_header))
        case "ecn":
            plain = s.packet(sa, traffic_class=0, length=24)
            return sa, ECN_DROP, lambda number: wire.hop(peer.protect(plain, number), traffic_class=3)
    other = s.choose(s.versions(sa))
    stranger = packets.build(packets.Recipe(version=other, length=16), *packets.hosts(other, "out"))
    return sa, SELECTORS, lambda number: peer.protect(stranger, number)


def _longer(packet: bytes) -> bytes:
    """An IP packet whose header says one octet more than there is."""
    if packet[0] >> 4 == 6:
        return ip.with_field(packet, ip.IPV6_PAYLOAD_LENGTH, len(packet) - 40 + 1)
    return ip.with_checksum(ip.with_field(packet[:20], ip.IPV4_TOTAL_LENGTH, len(packet) + 1)) + packet[20:]
