"""What one check says of one implementation: its verdict, its counterexamples, and what its cases have put to the test."""

import msgspec

from espproof.adapters.base import Transcript
from espproof.adapters.case import Case
from espproof.conformance.oracle.verdict import Verdict


class Counterexample(msgspec.Struct, frozen=True, kw_only=True):
    """The shortest case that was found for one requirement. `got` and `want` are the outcomes, step by step.

    `opinions`: what other implementations do with it, by name, where they were asked (`tiers`).
    """

    requirement: str
    check: str
    verdict: Verdict
    step: int
    message: str
    case: Case
    got: Transcript | None
    want: Transcript
    opinions: dict[str, str] = {}


class CheckResult(msgspec.Struct, kw_only=True):
    """What one check said. `tried` are the requirements that its cases put to the test.

    `recalled`: how many of the `examples` were drawn by an earlier run. `spent`: seconds in the reference, in the adapter
    and in the comparison; the rest of `seconds` made the cases. `carried_out`: how many SAs and steps it was asked for
    ("operations"), how many packets came with them ("packets"), and what befell its device ("device events").
    `cut`: why not all of its cases were tried, "" if they were.
    """

    check: str
    verdict: Verdict
    missing: str = ""
    cut: str = ""
    examples: int = 0
    recalled: int = 0
    seconds: float = 0.0
    spent: dict[str, float] = {}
    carried_out: dict[str, int] = {}
    digest: str = ""
    tried: tuple[str, ...] = ()
    counterexamples: tuple[Counterexample, ...] = ()
    behaviours: dict[str, dict[str, int]] = {}
    pairs: tuple[str, ...] = ()
    first_finding: dict[str, int] = {}
