"""One finding again, without a fuzzer: `python -m espproof.fuzz.engines.reproduce`, order in, answer out.

Minimising executes inputs that are known to break things, so it happens in a process of its own with limits; `run`
ends it when it takes too long. An input is smaller when it is shorter, or as long with fewer octets that are not zero;
what counts as the same finding is its signature.
"""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator

import msgspec

from espproof.adapters import registry
from espproof.adapters.base import Hung
from espproof.adapters.case import Case, from_json, to_json
from espproof.fuzz.targets import Target, by_name
from espproof.fuzz.targets.comparison import with_outcomes
from espproof.fuzz.triage.signature import Signature, signature

MAX_TRIES = 20_000
PER_INPUT = 5
"""Seconds after which an input hangs."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to reproduce. `key` "" takes the first finding for the one that is meant."""

    target: str
    adapter: str
    octets: str
    key: str = ""
    seconds: float = 5.0
    memory: int = 4 << 30


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`signature` None: the input shows nothing (any more). `tries` is how many inputs were executed."""

    signature: Signature | None
    octets: str
    case: Case
    tries: int


def reproduce(order: Order) -> Answer:
    """Find out what the input shows, and the smallest input within the time that shows the same."""
    octets = bytes.fromhex(order.octets)
    with registry.open_adapter(order.adapter) as adapter:
        target = by_name(order.target)(adapter)
        shown = what_it_shows(target, octets)
        if shown is None or (order.key and shown.key != order.key):
            return Answer(signature=None, octets=order.octets, case=_told(target.case(octets)), tries=1)
        small, tries = minimise(target, octets, shown.key, seconds=order.seconds)
        again = shown if small == octets else what_it_shows(target, small) or shown
        return Answer(signature=again, octets=small.hex(), case=_told(target.case(small)), tries=tries)


def what_it_shows(target: Target, octets: bytes) -> Signature | None:
    """The signature of what comes out, None for nothing."""
    try:
        with _alarm(PER_INPUT):
            target.one_input(octets)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return signature(error)
    return None


def minimise(
    target: Target, octets: bytes, key: str, *, seconds: float, clock: Callable[[], float] = time.monotonic
) -> tuple[bytes, int]:
    """The smallest input that shows the finding `key`, and how many were tried. Bounded by time and `MAX_TRIES`."""
    end, tries, best = clock() + seconds, 0, octets
    seen = {octets}
    progress = True
    while progress:
        progress = False
        for candidate in target.simpler(best):
            if clock() >= end or tries >= MAX_TRIES:
                return best, tries
            if _size(candidate) >= _size(best) or candidate in seen:
                continue
            seen.add(candidate)
            tries += 1
            shown = what_it_shows(target, candidate)
            if shown is not None and shown.key == key:
                best, progress = candidate, True
                break
    return best, tries


def _size(octets: bytes) -> tuple[int, int]:
    return len(octets), len(octets) - octets.count(0)


def _told(case: Case) -> Case:
    """The Case with the outcomes of the reference, unless it is the reference that fails."""
    try:
        with _alarm(PER_INPUT):
            return with_outcomes(case)
    except Exception:
        return case


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise Hung(f"no answer within {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    order = from_json(sys.stdin.buffer.read(), Order)
    resource.setrlimit(resource.RLIMIT_AS, (order.memory, order.memory))
    answers = os.dup(1)
    os.dup2(2, 1)  # what an implementation prints is not our answer
    answer = reproduce(order)
    with os.fdopen(answers, "wb") as out:
        out.write(to_json(answer))


if __name__ == "__main__":
    main()
