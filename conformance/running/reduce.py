"""Makes a counterexample shorter than its strategy could draw it: steps and SAs that it does not need are left out.

Hypothesis shrinks what was drawn; a sweep over twenty lengths stays a sweep over twenty lengths. A Case is data and the
oracle judges any Case, so steps can be taken away one by one as long as the same thing goes wrong. The number of tries
is bounded: each is one execution by the implementation.
"""

from collections.abc import Callable

import msgspec

from espproof.adapters.case import Case
from espproof.adapters.steps import STEPS

MAX_TRIES = 80
PACKETS, STEPS_OF_A_TRY = 2000, 50
"""So many packets, or steps, cost as much as one try more: a case of a long life cannot be tried often."""


def reduce(case: Case, still_fails: Callable[[Case], bool], tries: int = MAX_TRIES) -> Case:
    """The case without what is not needed for `still_fails`, which the case itself fulfils."""
    left = tries

    def keep(smaller: Case) -> bool:
        nonlocal left
        left -= cost(smaller)
        return left >= 0 and still_fails(smaller)

    size = len(case.steps) // 2
    while size and left > 0:
        start = len(case.steps) - size
        while start >= 0 and left > 0:
            smaller = without_steps(case, start, start + size)
            if smaller.steps and keep(smaller):
                case = smaller
            start -= size
        size //= 2
    for sa in case.sas[::-1]:
        if sa.name not in used(case):
            smaller = msgspec.structs.replace(case, sas=tuple(one for one in case.sas if one is not sa))
            if keep(smaller):
                case = smaller
    return case


def cost(case: Case) -> int:
    """How many tries the execution of a case counts for."""
    packets = sum(len(STEPS[type(step)].packets(step)) for step in case.steps)
    return 1 + packets // PACKETS + len(case.steps) // STEPS_OF_A_TRY


def without_steps(case: Case, start: int, end: int) -> Case:
    """The case without the steps from `start` up to `end`."""
    return msgspec.structs.replace(case, steps=case.steps[:start] + case.steps[end:])


def used(case: Case) -> set[str]:
    """The SAs that steps name. An inbound packet names none: only an execution tells whether its SA is needed."""
    return {name for step in case.steps if (name := STEPS[type(step)].sa(step)) is not None}
