"""Verdicts: the closed set of what can be said about an implementation and a requirement, and how they combine.

Nobody rewrites a verdict. `WARNING` is a SHOULD that is not met, never a MUST; what a document leaves open is recorded
as behaviour beside the verdict and has no verdict of its own.
"""

from enum import Enum

from espproof.adapters.base import Crashed, Hung


class Verdict(Enum):
    """From the best to the worst that can be said; `combine` keeps the worst."""

    PASS = "pass"  # noqa: S105 -- a verdict
    INAPPLICABLE = "inapplicable"
    """A capability that the check needs is not declared; the result names it."""
    LACKS = "lacks"
    """The document wants it to be there (MUST or SHOULD be supported), and it is not declared."""
    WARNING = "warning"
    ORACLE_CONFLICT = "oracle-conflict"
    """Two independent oracles disagree with each other: nothing is said about the implementation."""
    ADAPTER_ERROR = "adapter-error"
    HANG = "hang"
    CRASH = "crash"
    FAIL = "fail"


_ORDER = {verdict: rank for rank, verdict in enumerate(Verdict)}

_FAILURES: dict[type[Exception], Verdict] = {Crashed: Verdict.CRASH, Hung: Verdict.HANG}


def of_failure(failure: Exception) -> Verdict:
    """What it says of an implementation that its adapter raised this; what is no `AdapterFailure` is its own mistake."""
    return _FAILURES.get(type(failure), Verdict.ADAPTER_ERROR)


NEWS = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.ORACLE_CONFLICT, Verdict.ADAPTER_ERROR})
"""Verdicts that make a run end with another exit status than 0, unless they are expected."""


def combine(verdicts: list[Verdict]) -> Verdict:
    """The verdict of a requirement that several checks verify: the worst, but `pass` beats `inapplicable`."""
    said = [verdict for verdict in verdicts if verdict is not Verdict.INAPPLICABLE]
    return max(said, key=_ORDER.__getitem__, default=Verdict.INAPPLICABLE)
