"""What a run spends on an implementation that dies or hangs: each time costs a new process, or a time limit.

Bounds, so that a run ends in good time whatever is wrong, and has seen a little of everything rather than all of the
first thing:

    a check     a quarter of what is left of the run's seconds, so that the first ones can make their cases short;
    the run     its seconds; from then on, and in a check that has had its share, steps are taken one by one, cases with a
                step that it has died of are left out, and a check may die twice more;
    in the end  nothing is tried any more: after `LAST` times the seconds, or when it has answered nothing in so many
                checks in a row (`IN_A_ROW`).

What is not tried is told (`CheckResult.cut`), and the run is not whole. Nothing here concerns an implementation that
answers.

The first silence is waited for as long as the adapter waits. An implementation that was seen to hang is given less from
then on for each answer, but always several times what its slowest case took as a whole.
"""

from dataclasses import dataclass, field

from espproof.adapters.case import Case, Step

SECONDS_PER_EXAMPLE = 1.5
"""Seconds of a run for each example of its profile: 22 at profile quick."""
LAST = 2.0
"""After so many times its seconds a run tries nothing more."""
IN_A_ROW = 20
"""Checks without an answer in between, more than there are families: it answers nothing at all."""
_SHARE = 0.25
_SHORTEST, _TIMES_SLOWEST = 2.0, 4
"""Seconds to wait for an answer once it was seen to hang: at least, and in cases as slow as the slowest."""


@dataclass
class Patience:
    """One for all checks of a run that one process carries out.

    `seconds` is what deaths and hangs may cost, `lost` what they have cost, `slowest` the longest that a case took which
    was answered.
    """

    seconds: float
    lost: float = 0.0
    slowest: float = 0.0
    hangs: bool = False
    in_a_row: int = 0
    is_dead: bool = False
    deadly: set[tuple[type[Step], str]] = field(default_factory=set)
    """What it has died of: kinds of steps, with the requirement that they put to the test."""

    @classmethod
    def of(cls, examples: int) -> "Patience":
        """For a run whose checks of weight 1 draw so many examples."""
        return cls(seconds=examples * SECONDS_PER_EXAMPLE)

    @property
    def share(self) -> float:
        """Seconds that the next check may lose; 0 if it is to end with the first death."""
        return max(0.0, self.seconds - self.lost) * _SHARE

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing more is tried."""
        answers = self.in_a_row < IN_A_ROW
        return self.lost >= self.seconds * (LAST if answers else 1.0)

    def died(self, seconds: float, last: Step | None = None, *, first: bool = True) -> None:
        """So many seconds went into a case that was not answered.

        `last` is the step in which it died, if it is known; `first` says that it is the check's first death.
        """
        self.lost += seconds
        self.in_a_row += first
        self.is_dead = True
        if last is not None:
            self.deadly.add((type(last), last.requirement or ""))

    def is_deadly(self, case: Case) -> bool:
        """Whether the case has a step that it has died of before."""
        return any((type(step), step.requirement or "") in self.deadly for step in case.steps)

    def answered(self, seconds: float) -> bool:
        """A case was answered within so many seconds. True if none took longer before.

        The first one after a death has started a new process.
        """
        self.in_a_row = 0
        if self.is_dead:
            self.is_dead = False
            self.lost += seconds
            return False
        slowest, self.slowest = self.slowest, max(self.slowest, seconds)
        return self.slowest > slowest

    def limit(self) -> float | None:
        """Seconds to wait for an answer; None for as long as the adapter likes."""
        return max(_SHORTEST, _TIMES_SLOWEST * self.slowest) if self.hangs else None
