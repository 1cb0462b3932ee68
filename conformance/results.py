"""The result of a run: what is printed, written and compared. Its JSON Schema is `corpus/schema/result.schema.json`.

A run that is not whole (interrupted, a worker lost, a limit reached) says so in `whole`, everywhere it is shown.
"""

import fnmatch
import hashlib
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import from_plain, to_json, to_plain
from espproof.conformance import atomic
from espproof.conformance.checks import all_checks
from espproof.conformance.requirements.catalogue import Requirement, load
from espproof.conformance.runner import CheckResult, Counterexample
from espproof.conformance.verdict import NEWS, Verdict, combine
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Misuse

FORMAT = "espproof-result"
VERSION = 1
MAX_FILE = 512 << 20
"""Octets of the largest result file that is read."""
MAX_NAME = 80
"""Letters of a file name that is made from the name of an adapter, which may be a long command."""
COUNTEREXAMPLES = "counterexamples"
"""Folder below a result folder: one folder per adapter, in it the files of each counterexample by requirement."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known deviation: of which requirement, with which verdict, why, and by which clause.

    `checks` are patterns of the checks that find it; found by any other, it is news. Without them it covers the
    requirement whoever finds it, and hides whatever else goes wrong there.
    """

    id: str
    verdict: Verdict = Verdict.FAIL
    checks: tuple[str, ...] = ()
    reason: str
    clause: str


class _ExpectationFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`extends` is a file in the same folder, of which all holds but `without`; an entry of the same id replaces its."""

    extends: str = ""
    without: tuple[str, ...] = ()
    deviation: tuple[Expectation, ...] = ()


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
    unexpected: tuple[str, ...] = ()
    """Requirements that are news: a failure that is not expected, or an expected one that did not come."""
    expected: dict[str, str] = {}
    """Requirement -> reason, for deviations that the expectation file lists and that were found."""
    elsewhere: dict[str, tuple[str, ...]] = {}
    """Requirement -> checks that found a listed deviation and are not among those that the file lists for it."""
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
    documents of algorithms that are not declared are inapplicable as a whole.
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
    foreign = _foreign(caps) if caps is not None else set()
    for entry in load().values():
        others = [verdicts[other] for other in entry.verified_with if other in verdicts]
        if others and len(others) == len(entry.verified_with):
            verdicts[entry.id] = _softened(combine(others), entry.level)
        if entry.document in foreign and not asked.isdisjoint((entry.id, *entry.verified_with)):
            verdicts[entry.id] = Verdict.INAPPLICABLE
    return dict(sorted(verdicts.items()))


def _foreign(caps: Capabilities) -> set[str]:
    """The documents of algorithms of which none is declared."""
    documents = {name: one.rfc.replace(" ", "") for name, one in ENCRYPTION.items()}
    documents |= {name: one.rfc.replace(" ", "") for name, one in INTEGRITY.items()}
    here = {documents[name] for name in (*caps.encryption, *caps.integrity)}
    return set(documents.values()) - here


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


def read_expectations(path: Path, below: tuple[Path, ...] = ()) -> tuple[Expectation, ...]:
    """The `[[deviation]]` entries of a TOML file, and of the one that it extends; `Misuse` with what is wrong.

    `below` are the files that extend this one.
    """
    if path in below:
        raise Misuse(f"{path}: it extends itself")
    own = _expectation_file(path)
    if not own.extends:
        return own.deviation
    base = read_expectations(path.with_name(own.extends), (*below, path))
    strangers = set(own.without) - {entry.id for entry in base}
    if strangers:
        raise Misuse(f"{path}: without {', '.join(sorted(strangers))}, which {own.extends} does not have")
    replaced = {*own.without, *(entry.id for entry in own.deviation)}
    return (*(entry for entry in base if entry.id not in replaced), *own.deviation)


def _expectation_file(path: Path) -> _ExpectationFile:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _ExpectationFile)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Misuse(f"{path}: {error}") from error


def write_expectations(result: RunResult, path: Path) -> None:
    """What this run found, as an expectation file whose reasons a human must fill in."""
    entries = []
    for requirement, verdict in result.requirements.items():
        known = load().get(requirement)
        if verdict in NEWS and not (known is not None and known.verified_with):
            reason = result.expected.get(requirement, "not examined yet")
            entries.append(
                f"[[deviation]]\nid = {requirement!r}\nverdict = {verdict.value!r}\nreason = {reason!r}\n"
                f"clause = {requirement.rsplit('-', 1)[0]!r}\n"
            )
    path.write_text("\n".join(entries), encoding="utf-8")


def compare(result: RunResult, expectations: tuple[Expectation, ...]) -> None:
    """Fill in what is news and what is expected. Verdicts stay as they are.

    What somebody has examined and listed as a failure stays expected where two oracles do the same. That a deviation is
    gone is known only when all checks of its requirement have run, and thoroughly.
    """
    listed = {entry.id: entry for entry in expectations}
    thorough = result.whole and result.profile != "quick"
    news: list[str] = []
    expected: dict[str, str] = {}
    elsewhere: dict[str, tuple[str, ...]] = {}
    derived: list[Requirement] = []
    for requirement, verdict in result.requirements.items():
        known = load().get(requirement)
        if known is not None and known.verified_with:
            derived.append(known)
            continue
        entry = listed.get(requirement)
        known_as = {verdict, Verdict.FAIL} if verdict is Verdict.ORACLE_CONFLICT else {verdict}
        if verdict in NEWS and entry is not None and entry.verdict in known_as:
            others = _finders(result, requirement, but=entry.checks) if entry.checks else ()
            if others:
                elsewhere[requirement] = others
                news.append(requirement)
            else:
                expected[requirement] = entry.reason
        elif verdict in NEWS or (entry and verdict is Verdict.PASS and thorough and _all_ran(result, requirement)):
            news.append(requirement)
    for one in derived:  # they stand and fall with others, which are judged, and are no news of their own
        wrong = [other for other in one.verified_with if result.requirements.get(other) in NEWS]
        if result.requirements[one.id] in NEWS and wrong and all(other in expected for other in wrong):
            expected[one.id] = f"follows {', '.join(wrong)}"
    result.unexpected, result.expected, result.elsewhere = tuple(news), expected, elsewhere


def _all_ran(result: RunResult, requirement: str) -> bool:
    """Whether all checks that verify it were part of the run."""
    verifying = {check.id for check in all_checks().values() if requirement in check.verifies}
    return not result.only or (bool(verifying) and verifying <= {check.check for check in result.checks})


def _finders(result: RunResult, requirement: str, but: tuple[str, ...]) -> tuple[str, ...]:
    """The checks that found it and match none of those patterns."""
    return tuple(
        check.check
        for check in result.checks
        if any(found.requirement == requirement for found in check.counterexamples)
        and not any(fnmatch.fnmatchcase(check.check, pattern) for pattern in but)
    )


def plain(result: RunResult) -> dict[str, Any]:
    """The JSON object of a result."""
    return {**to_plain(result), "counterexamples": [to_plain(found) for found in result.counterexamples]}


def read_result(path: Path) -> RunResult:
    """Read a result file; `Misuse` says what is wrong with it."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise Misuse(f"{path}: larger than {MAX_FILE >> 20} MiB, not a result file")
        content = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise Misuse(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misuse(f"{path}: damaged or not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("version") != VERSION:
        raise Misuse(f"{path}: not an {FORMAT} of version {VERSION}")
    content.pop("counterexamples", None)
    try:
        return from_plain(content, RunResult)
    except Misuse as error:
        raise Misuse(f"{path}: {error}") from error


def file_name(text: str) -> str:
    """A file name for an adapter or a requirement, without its ending: harmless whatever the text is, and its own.

    A text that had to be changed gets a hash of itself, so that two of them never share a file; the colon of
    `seeded:defect` just becomes an underscore.
    """
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in text)
    name = name.lstrip(".")[:MAX_NAME]
    if name and name == text.replace(":", "_", 1):
        return name
    return f"{name}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


def write(result: RunResult, folder: Path) -> list[Path]:
    """`<adapter>.json` and one case file per counterexample, in a folder that is made if need be; the files written.

    Each file appears whole or not at all. `OSError` names the one that could not be written.
    """
    name = file_name(result.adapter)
    files = {folder / f"{name}.json": msgspec.json.format(msgspec.json.encode(plain(result)), indent=1)}
    for found in result.counterexamples:
        path = folder / COUNTEREXAMPLES / name / f"{file_name(found.requirement)}.json"
        files[path] = to_json(found.case, indent=1)
    for path, content in files.items():
        atomic.write(path, content)
    return list(files)
