"""Tiers of oracles: what other implementations do with the cases that a run has found.

The first tier are the vectors, published ones among them, which the reference passes; the second is the reference, which
judges every case. The third are independent implementations, asked only about counterexamples. Each executes the case
and is judged as the implementation under test was. If two of them depart in the same requirement, it is the reference
that stands alone: the verdict is `oracle-conflict`, nothing is said about the implementation, and somebody has to read
the RFC. A SHOULD stays a warning: that two others do not follow it either is their right.
"""

from collections.abc import Sequence
from contextlib import ExitStack

import msgspec

from espproof.adapters.base import Adapter, AdapterFailure
from espproof.adapters.registry import open_adapter
from espproof.conformance.oracle.judge import ESP, Oracle
from espproof.conformance.oracle.judgement import Incapable
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.requirements.catalogue import levels
from espproof.conformance.results.check import CheckResult, Counterexample

AGREES = "does as the reference"
DEPARTS = "departs in the same requirement"
ENOUGH = 2
"""Independent implementations that must say the same against the reference."""


def ask(checks: tuple[CheckResult, ...], oracles: Sequence[str], oracle: Oracle = ESP) -> tuple[CheckResult, ...]:
    """The same results, each failing counterexample with what every oracle does. `AdapterError` if one cannot start."""
    if not any(found.verdict is Verdict.FAIL for check in checks for found in check.counterexamples):
        return checks
    with ExitStack() as stack:
        opened = [(name, stack.enter_context(open_adapter(name))) for name in dict.fromkeys(oracles)]
        return tuple(_asked(check, opened, oracle) for check in checks)


def _asked(check: CheckResult, oracles: Sequence[tuple[str, Adapter]], oracle: Oracle) -> CheckResult:
    found = tuple(
        _with_opinions(one, oracles, oracle) if one.verdict is Verdict.FAIL else one for one in check.counterexamples
    )
    verdict = found[0].verdict if found else check.verdict
    return msgspec.structs.replace(check, counterexamples=found, verdict=verdict)


def _with_opinions(found: Counterexample, oracles: Sequence[tuple[str, Adapter]], oracle: Oracle) -> Counterexample:
    opinions = {name: _opinion(found, adapter, oracle) for name, adapter in oracles}
    against = sum(opinion == DEPARTS for opinion in opinions.values())
    is_must = levels().get(found.requirement, "").startswith("MUST")
    verdict = Verdict.ORACLE_CONFLICT if against >= ENOUGH and is_must else found.verdict
    return msgspec.structs.replace(found, opinions=opinions, verdict=verdict)


def _opinion(found: Counterexample, adapter: Adapter, oracle: Oracle) -> str:
    """What one implementation does with the case, in a few words."""
    caps = adapter.capabilities()
    missing = next((what for sa in found.case.every_sa() if (what := caps.lacks(sa))), None)
    if missing is not None:
        return f"cannot: {missing}"
    try:
        got = adapter.execute(found.case)
    except AdapterFailure as failure:
        return f"{type(failure).__name__.lower()}: {failure}"
    judgement = oracle.judge(found.case, got, oracle.expected(found.case), caps)
    if isinstance(judgement, Incapable):
        return f"cannot: {judgement.what}"
    departed = [finding.requirement for finding in judgement.findings]
    if found.requirement in departed:
        return DEPARTS
    return f"departs elsewhere: {', '.join(dict.fromkeys(departed))}" if departed else AGREES
