"""What is tried between two implementations: combinations of what both can do, and histories of sequence numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Literal

import msgspec

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Octets, Sa, SequenceNumber, UdpEncapsulation
from espproof.conformance.strategies import packets, sas
from espproof.conformance.strategies.options import Options, OptionSpace, pairs_of, window_sizes
from espproof.reference.algorithms import ENCRYPTION

LARGEST_WINDOW = 65
"""Larger windows are tried only where there is no smaller one: the history needs three windows of packets."""
BEFORE_WRAP = 6
"""Packets that a history near the end of the 32-bit numbers sends before the low half wraps."""
EMPTY = "no upper layer"
"""The last arrival of a course is an IP header alone. It comes last, as there are receivers that take none."""
_LENGTHS = (*range(1, 20), 47, 48, 63, 64, 65, 127, 128, 255, 256, 511, 576, 1000, 1279, 1280)
"""Octets of the upper layer: all alignments, then the usual edges; the largest packet comes last."""


@dataclass(frozen=True, slots=True)
class Course:
    """A history: which packets of the sender arrive in which order. `start` is the number of the last packet before."""

    name: str
    start: int
    count: int
    """Packets that the sender is given: more than arrive, so that it sends the same for receivers of all windows."""
    arrivals: tuple[tuple[str, int], ...]
    """(what is being tried, index of the sender's packet)"""
    burst: bool = False
    ends: bool = False
    """The numbers are used up within it: what the sender is given beyond them must be dropped."""


# ------------------------------------------------------------------------------------------------------- combinations


def common(sender: Capabilities, receiver: Capabilities) -> Capabilities | str:
    """What both can do, as far as it makes SAs that have to be the same; or in words what they have not in common."""
    encryption = {
        name: sizes
        for name, own in sender.encryption.items()
        if (sizes := tuple(size for size in own if size in receiver.encryption.get(name, ())))
    }
    integrity = tuple(one for one in sender.integrity if one in receiver.integrity)
    modes = tuple(one for one in sender.modes if one in receiver.modes)
    families = tuple(one for one in sender.families if one in receiver.families)
    esn = tuple(one for one in sender.esn if one in receiver.esn)
    together = {
        name: sizes
        for name, sizes in encryption.items()
        if any((auth == "NONE") == ENCRYPTION[name].aead for auth in integrity)
    }
    needs: dict[str, object] = {
        "direction out of the sender": "out" in sender.directions,
        "direction in of the receiver": "in" in receiver.directions,
        "encryption in common": encryption,
        "encryption and integrity in common": together,
        "mode in common": modes,
        "family in common": families,
        "kind of sequence numbers in common": esn,
    }
    if missing := [name for name, there in needs.items() if not there]:
        return f"no {missing[0]}"
    aead = {ENCRYPTION[name].aead for name in together}
    return Capabilities(
        encryption=together,
        integrity=tuple(auth for auth in integrity if (auth == "NONE") in aead),
        modes=modes,
        families=families,
        esn=esn,
        udp=tuple(version for version in sender.udp if version in receiver.udp),
        replay_windows=None,  # the receiver's own affair: see `windows`
    )


@cache
def _space(shared: bytes) -> OptionSpace:
    """The space of these capabilities, in JSON: many pairs have the same in common."""
    return OptionSpace(msgspec.json.decode(shared, type=Capabilities))


def combinations(shared: Capabilities, known: list[Options]) -> list[Options]:
    """A pairwise cover. Rows that other pairs have brought up are taken first, as their packets are there already."""
    space = _space(msgspec.json.encode(shared))
    left = set(space.pairs)
    chosen = []
    for row in [*known, *space.rows]:
        covered = pairs_of(row)
        if covered <= space.pairs and covered & left:
            left -= covered
            chosen.append(row)
    known += [row for row in chosen if row not in known]
    return chosen


def windows(caps: Capabilities) -> list[int]:
    """The receiver's windows, which the rows take in turn."""
    sizes = window_sizes(caps)
    small = [size for size in sizes if size <= LARGEST_WINDOW]
    return (small or [min(sizes)])[:4] + ([0] if 0 in small[4:] else [])


def name_of(row: Options, window: int) -> str:
    parts = [f"{row.encr}-{8 * row.key_size}" if row.key_size else row.encr]
    parts += [row.auth] if row.auth != "NONE" else []
    parts += [row.mode, row.family, *(["ESN"] if row.esn else []), *(["UDP"] if row.udp else [])]
    return " ".join([*parts, f"window {window}" if window else "no window"])


def sa_of(row: Options, caps: Capabilities, direction: Literal["in", "out"], window: int, sequence: int) -> Sa:
    """One side's view of the SA. What only its own header fields need are values that this side has."""
    return Sa(
        name="sa",
        direction=direction,
        spi=0x0A1B2C3D,
        mode="tunnel" if row.mode == "tunnel" else "transport",
        **sas.ends(int(row.family[3]), "out"),  # both sides mean the same SA
        encr=row.encr,
        auth=row.auth,
        **sas.secrets(0x2E5B, row.encr, row.key_size, row.auth),
        esn=row.esn,
        sequence=SequenceNumber(sequence),
        replay_window=window,
        udp=UdpEncapsulation() if row.udp else None,
        **caps.simplest(),
    )


def inner_packets(sa: Sa, family: str, course: Course, limit: int) -> list[Octets]:
    """Inner packets of mixed lengths and protocols, Not-ECT, without options; the largest has `limit` octets."""
    version = int(family[0])
    if sa.mode == "tunnel":
        ends = packets.hosts(version, "out")
    else:
        ends = (ip_address(sa.source).packed, ip_address(sa.destination).packed)
    head = 20 if version == 4 else 40
    lengths = [length for length in _LENGTHS if length < limit - head - 8]
    made = []
    for index in range(course.count):
        empty = (EMPTY, index) in course.arrivals
        protocol = packets.UDP if index % 3 == 1 and not empty else packets.EXPERIMENTAL
        head_here = head + (8 if protocol == packets.UDP else 0)
        length = lengths[index] if index < len(lengths) else 1 + index % 16
        if index == len(lengths):
            length = limit - head_here
        if empty:
            length = 0
        recipe = packets.Recipe(version=version, protocol=protocol, length=length, identification=0x1D2C + index)
        made.append(Octets(packets.build(recipe, *ends)))
    return made


# ----------------------------------------------------------------------------------------------------------- histories


def courses(esn: bool, window: int, start: int = 0) -> list[Course]:
    """The histories of an SA. Without a window nothing is said about packets that come twice or late."""
    sweep = len(_LENGTHS) + 1
    arrivals = [("in order", index) for index in range(sweep)]
    burst = list(arrivals)
    at = sweep
    if window:
        twice = "received twice"
        arrivals += [(twice, index) for index in (at - 1, at, at, at + 1, at + 1, at)]
        burst += [(twice, sweep - 1), (twice, sweep - 2)]
        at += 2
        inside = (at + window - 1, at, at + 1, at + window // 2, at + window - 2)
        arrivals += [("late, inside the window", index) for index in inside]
        at += window
        arrivals += [("late, beyond the window", index) for index in (at + window, at, at + 1)]
        at += window + 1
    jump = max(window, 32)
    arrivals += [("loss of more than the window", index) for index in (at + jump, at + jump + 1)]
    arrivals += [("received before the loss", at - 1)] if window else []
    most = sweep + 3 * max(window, LARGEST_WINDOW) + 6
    arrivals += [(EMPTY, most - 1)]
    wrap = "across 2^32" if esn else "the last numbers"
    count = 2 * BEFORE_WRAP
    order = list(range(count if esn else BEFORE_WRAP))
    if esn and window:
        late = BEFORE_WRAP - 2  # from before the boundary, when numbers beyond it have been received
        order = [*range(late), *range(late + 1, count), late, late]
    last = tuple((wrap, index) for index in order)
    return [
        Course("one by one", start, most, tuple(arrivals)),
        Course("burst", start, sweep, tuple(burst), burst=True),
        Course(wrap, 2**32 - 1 - BEFORE_WRAP, count, last, ends=not esn),
    ]


def due(numbers: Sequence[int], window: int) -> list[bool]:
    """Which of these arrivals come out: those that are new and not older than the window; all, if there is none."""
    highest, seen, result = 0, set(), []
    for number in numbers:
        new = not window or (number not in seen and number > highest - window)
        seen.add(number)
        highest = max(highest, number)
        result.append(new)
    return result
