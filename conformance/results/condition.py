"""Of what a known deviation is known: a condition on SAs; and the SAs and the outcome that a counterexample is about."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Literal

import msgspec

from espproof.adapters.capabilities import Direction, Mode
from espproof.adapters.case import AddSa, Burst, Delivered, Emerged, Outcome, Sa
from espproof.adapters.steps import STEPS, operation
from espproof.conformance.results.check import Counterexample
from espproof.reference.errors import Misuse

OutcomeKind = Literal[
    "sent", "delivered", "dropped", "passed", "burst", "state", "done", "refused", "emerged", "counters", "events"
]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of an SA; what is left out may be anything. `windows` are sizes in packets and ranges of them, "33-63".

    Algorithms are patterns of IANA names; `outer` is the IP version of the SA's addresses.
    """

    direction: Direction | None = None
    mode: Mode | None = None
    encryption: tuple[str, ...] = ()
    integrity: tuple[str, ...] = ()
    esn: bool | None = None
    udp: bool | None = None
    outer: Literal[4, 6] | None = None
    windows: tuple[str, ...] = ()

    def sizes(self) -> tuple[range, ...]:
        """The windows as numbers; `Misuse` for one that is no number and no range."""
        return tuple(_sizes(words) for words in self.windows)

    def holds_of(self, sa: Sa) -> bool:
        wanted = (self.direction, self.mode, self.esn, self.udp, self.outer)
        has = (sa.direction, sa.mode, sa.esn, sa.udp is not None, _version(sa) if self.outer else None)
        return (
            all(one in (None, other) for one, other in zip(wanted, has, strict=True))
            and _named(sa.encr, self.encryption)
            and _named(sa.auth, self.integrity)
            and (not self.windows or any(sa.replay_window in sizes for sizes in self.sizes()))
        )


def _named(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def _sizes(words: str) -> range:
    first, _, last = words.partition("-")
    try:
        return range(int(first), int(last or first) + 1)
    except ValueError:
        raise Misuse(f"window {words!r}: a number of packets, or a range as in '33-63'") from None


def _version(sa: Sa) -> int | None:
    try:
        return ip_address(sa.destination).version
    except ValueError:
        return None


def concerned(found: Counterexample) -> tuple[Sa, ...]:
    """The SAs that the step which shows it may be about: the one that it names, or to which a packet was delivered, or
    should have been; else all that could have been meant."""
    sas = {sa.name: sa for sa in found.case.sas}
    sas |= {step.sa.name: step.sa for step in found.case.steps if isinstance(step, AddSa)}
    if not 0 <= found.step < len(found.case.steps):
        return tuple(sas.values())
    step = found.case.steps[found.step]
    kind = STEPS[type(step)]
    names = {
        name for outcomes in (found.got, found.want) if outcomes for name in _delivered(outcomes.steps[found.step])
    }
    names |= {name for name in (kind.sa(step),) if name is not None}
    told = tuple(sas[name] for name in sorted(names) if name in sas)
    return told or tuple(sa for sa in sas.values() if kind.direction in (None, sa.direction))


def outcome_of(found: Counterexample) -> str:
    """What was done in the step which shows it; "" where nothing was, as in a crash."""
    if found.got is None or not 0 <= found.step < len(found.got.steps):
        return ""
    return operation(type(found.got.steps[found.step]))


def _delivered(outcome: Outcome) -> Iterator[str]:
    """Names of the SAs whose packets came out, or that packets were protected with."""
    for one in outcome.results if isinstance(outcome, Burst) else (outcome,):
        if isinstance(one, Delivered) and one.sa is not None:
            yield one.sa
        elif isinstance(one, Emerged):
            yield from (name for packet in one.packets for name in packet.through)
