"""The result of a run: what is printed, written and compared. Its JSON Schema is `corpus/schema/result.schema.json`.

A run that is not whole (interrupted, a worker lost, a limit reached) says so in `whole`, everywhere it is shown.
"""

from collections import Counter
from collections.abc import Mapping

import msgspec

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import to_json
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import Verdict, combine
from espproof.conformance.requirements.catalogue import load
from espproof.conformance.results.check import CheckResult, Counterexample
from espproof.conformance.results.support import lacking
from espproof.reference.ah import GMAC
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

FORMAT = "espproof-result"
VERSION = 1


class RunResult(msgspec.Struct, kw_only=True):
    """One adapter, one profile, one seed."""

    format: str = FORMAT
    version: int = VERSION
    espproof: str
    adapter: str
    adapter_version: str
    profile: str
    seed: int
    only: str = ""
    whole: bool
    not_whole_because: str = ""
    cases: int
    recalled: int = 0
    """How many of the cases were drawn by an earlier run of the same suite and seed."""
    seconds: float
    verdicts: dict[str, int]
    requirements: dict[str, Verdict]
    untried: tuple[str, ...] = ()
    """Requirements that the checks verify and that no case has reached: a larger profile draws more."""
    expectations: str = ""
    """The expectation file that it was held against; of those beside adapters the path in the package."""
    unexpected: tuple[str, ...] = ()
    """Requirements that are news: a failure that is not expected, or an expected one that did not come."""
    expected: dict[str, str] = {}
    """Requirement -> reason, for deviations that the expectation file lists and that were found."""
    elsewhere: dict[str, tuple[str, ...]] = {}
    """Requirement -> checks that found something under it that is not as the file lists it."""
    pairs_covered: int = 0
    pairs_total: int = 0
    digest: str = ""
    """Of all cases: the same for the same suite, seed and capabilities, as long as `drawn_with` is the same."""
    drawn_with: str = ""
    """The library that drew the cases, with its version: another one may draw others."""
    capabilities: Capabilities
    checks: tuple[CheckResult, ...]

    @property
    def interrupted(self) -> bool:
        """Whether the user ended it."""
        return self.not_whole_because.startswith("interrupted")

    @property
    def lacking(self) -> tuple[str, ...]:
        """Requirements that want something to be there which is not, in the order of the catalogue."""
        return tuple(one for one in load() if self.requirements.get(one) is Verdict.LACKS)

    @property
    def counterexamples(self) -> tuple[Counterexample, ...]:
        """The shortest one per requirement; of a deviation that is found elsewhere than listed, from there."""
        shortest: dict[str, Counterexample] = {}
        for check in self.checks:
            for found in check.counterexamples:
                if check.check not in self.elsewhere.get(found.requirement, (check.check,)):
                    continue
                known = shortest.get(found.requirement)
                if known is None or _size(found) < _size(known):
                    shortest[found.requirement] = found
        return tuple(shortest.values())


def _size(found: Counterexample) -> tuple[int, int]:
    return len(found.case.steps), len(to_json(found.case))


def requirement_verdicts(
    checks: tuple[CheckResult, ...], levels: Mapping[str, str], caps: Capabilities | None = None
) -> dict[str, Verdict]:
    """The verdict of each requirement that a check tried or could not try; a SHOULD that is not met is a warning.

    A requirement that is verified with others has the worst of their verdicts, once all of them have one. With `caps`,
    documents of algorithms that are not declared are inapplicable as a whole (but for what AH has tried of those that are
    declared for AH alone), and what should be there and is not declared is lacking, where no check found anything to say
    of it.
    """
    said: dict[str, list[Verdict]] = {}
    for check in checks:
        if check.verdict is Verdict.INAPPLICABLE:
            for requirement in all_checks()[check.check].verifies:
                said.setdefault(requirement, []).append(Verdict.INAPPLICABLE)
        for requirement in check.tried:
            said.setdefault(requirement, []).append(Verdict.PASS)
        for found in check.counterexamples:
            verdict = _softened(found.verdict, levels.get(found.requirement, ""))
            said.setdefault(found.requirement, []).append(verdict)
    verdicts = {requirement: combine(one) for requirement, one in said.items()}
    asked = {requirement for check in checks for requirement in all_checks()[check.check].verifies}
    foreign, of_ah = _foreign(caps) if caps is not None else (set(), set())
    lacked = [one for one in load().values() if caps is not None and lacking(one, caps) and one.document not in foreign]
    for entry in lacked:
        if entry.id in asked and verdicts.get(entry.id, Verdict.INAPPLICABLE) is Verdict.INAPPLICABLE:
            verdicts[entry.id] = Verdict.LACKS
    for entry in load().values():
        others = [verdicts[other] for other in entry.verified_with if other in verdicts]
        if others and len(others) == len(entry.verified_with):
            verdicts[entry.id] = _softened(combine(others), entry.level)
        is_foreign = entry.document in foreign and not (entry.document in of_ah and entry.id in verdicts)
        if is_foreign and not asked.isdisjoint((entry.id, *entry.verified_with)):
            verdicts[entry.id] = Verdict.INAPPLICABLE
    for entry in lacked:
        if verdicts.get(entry.id) is Verdict.INAPPLICABLE:
            verdicts[entry.id] = Verdict.LACKS
    return dict(sorted(verdicts.items()))


def _foreign(caps: Capabilities) -> tuple[set[str], set[str]]:
    """The documents of algorithms of which none is declared for ESP, and of these the ones of which AH has some."""
    documents = {name: one.rfc.replace(" ", "") for name, one in ENCRYPTION.items()}
    documents |= {name: one.rfc.replace(" ", "") for name, one in INTEGRITY.items()}
    documents[GMAC] = documents["ENCR_NULL_AUTH_AES_GMAC"]
    here = {documents[name] for name in (*caps.encryption, *caps.integrity)}
    of_ah = {documents[name] for name in (caps.host.ah if caps.host is not None else ())}
    return set(documents.values()) - here, of_ah - here


def untried(checks: tuple[CheckResult, ...], verdicts: Mapping[str, Verdict]) -> tuple[str, ...]:
    """What these checks verify and their cases have not reached: no verdict, and no silence either."""
    ran = {requirement for check in checks for requirement in all_checks()[check.check].verifies}
    derived = {entry.id for entry in load().values() if entry.verified_with and ran.issuperset(entry.verified_with)}
    return tuple(sorted((ran | derived) - verdicts.keys()))


def _softened(verdict: Verdict, level: str) -> Verdict:
    """A SHOULD that is not met is a warning."""
    return Verdict.WARNING if verdict is Verdict.FAIL and level.startswith("SHOULD") else verdict


def count(requirements: dict[str, Verdict]) -> dict[str, int]:
    counted = Counter(verdict.value for verdict in requirements.values())
    return {verdict.value: counted[verdict.value] for verdict in Verdict}
