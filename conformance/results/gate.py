"""What a gate tells apart: between two results, and in one result against its expectations.

A gate is only of use if nobody has to read a log to know what kind of thing has happened. Each kind has an exit status
of its own; of several the first in this list counts:

    new-failure         1   a requirement fails, crashes, hangs or is in conflict that did not before, or not in that way
    adapter-error       3   the adapter could not run, or did not answer as an adapter must
    fewer-cases         5   less was tried: a check drew fewer cases, was left out, or the run was ended early
    shrunk-capability   6   the adapter declares less than before
    newly-lacking       8   what should be supported, and was, is not declared any more
    newly-inapplicable  7   a requirement that was put to the test no longer is
    unexpected-pass     4   a known deviation is gone: good news, and the record of it must go too
    new-warning         0   a SHOULD that was met is not met any more: told, and no reason to stop

Status 0 is "as expected", 2 wrong usage.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.conformance.oracle.verdict import NEWS, Verdict
from espproof.conformance.requirements.catalogue import load
from espproof.conformance.results.check import CheckResult
from espproof.conformance.results.model import RunResult
from espproof.reference.errors import Misuse


class Kind(Enum):
    """What kind of change; the order is that of precedence."""

    NEW_FAILURE = "new-failure"
    ADAPTER_ERROR = "adapter-error"
    FEWER_CASES = "fewer-cases"
    SHRUNK_CAPABILITY = "shrunk-capability"
    NEWLY_LACKING = "newly-lacking"
    NEWLY_INAPPLICABLE = "newly-inapplicable"
    UNEXPECTED_PASS = "unexpected-pass"  # noqa: S105 -- a kind of change
    NEW_WARNING = "new-warning"


STATUS: Mapping[Kind, int] = {
    Kind.NEW_FAILURE: 1,
    Kind.ADAPTER_ERROR: 3,
    Kind.UNEXPECTED_PASS: 4,
    Kind.FEWER_CASES: 5,
    Kind.SHRUNK_CAPABILITY: 6,
    Kind.NEWLY_LACKING: 8,
    Kind.NEWLY_INAPPLICABLE: 7,
    Kind.NEW_WARNING: 0,
}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `what` is a requirement, a check or a capability; `message` one sentence for people."""

    kind: Kind
    adapter: str
    what: str
    message: str


def status_of(changes: Iterable[Change]) -> int:
    """The exit status: that of the first kind, in the order of `Kind`, of which there is a change."""
    kinds = {change.kind for change in changes}
    return next((STATUS[kind] for kind in Kind if kind in kinds), 0)


# ---------------------------------------------------------------------------------------- one result, its expectations


def of_run(result: RunResult) -> tuple[Change, ...]:
    """What is news in a result that `results.compare` has held against its expectations."""
    return tuple(_ranked(_of_run(result)))


def _of_run(result: RunResult) -> Iterator[Change]:
    name = result.adapter
    for requirement in result.unexpected:
        verdict = result.requirements[requirement]
        if verdict is Verdict.PASS:
            kind, message = Kind.UNEXPECTED_PASS, "passes, though it is listed as a deviation"
        elif verdict is Verdict.ADAPTER_ERROR:
            kind, message = Kind.ADAPTER_ERROR, _told(result, requirement)
        else:
            kind, message = Kind.NEW_FAILURE, f"{verdict.value}: {_told(result, requirement)}"
        yield Change(kind=kind, adapter=name, what=requirement, message=message)
    if not result.whole:
        yield Change(kind=Kind.FEWER_CASES, adapter=name, what="run", message=f"not whole: {result.not_whole_because}")


def _told(result: RunResult, requirement: str) -> str:
    """What was seen; of a requirement that is verified with others, which of them is not met."""
    seen = {found.requirement: found.message for found in result.counterexamples}
    if requirement in seen:
        return seen[requirement]
    entry = load().get(requirement)
    wrong = [other for other in (entry.verified_with if entry is not None else ()) if other in seen]
    return f"with {', '.join(wrong)}" if wrong else "no counterexample is on record"


# -------------------------------------------------------------------------------------------------------- two results


def between(old: RunResult, new: RunResult) -> tuple[Change, ...]:
    """What has changed. `Misuse` if the two are not of the same adapter, profile and selection of checks."""
    for field in ("adapter", "profile", "only"):
        before, now = getattr(old, field), getattr(new, field)
        if before != now:
            raise Misuse(f"results of different runs: {field} is {before or 'all'!r} and {now or 'all'!r}")
    return tuple(_ranked([*_verdicts(old, new), *_fewer(old, new), *_shrunk(old, new)]))


def pairs(old: Sequence[RunResult], new: Sequence[RunResult]) -> tuple[Change, ...]:
    """The changes of several adapters, matched by name; one that is missing now has no cases at all."""
    now = {result.adapter: result for result in new}
    found: list[Change] = []
    for before in old:
        after = now.get(before.adapter)
        if after is None:
            found.append(
                Change(kind=Kind.FEWER_CASES, adapter=before.adapter, what="run", message="no result any more")
            )
        else:
            found += between(before, after)
    return tuple(_ranked(found))


def _ranked(changes: Iterable[Change]) -> list[Change]:
    order = {kind: rank for rank, kind in enumerate(Kind)}
    return sorted(changes, key=lambda change: order[change.kind])


def _verdicts(old: RunResult, new: RunResult) -> Iterator[Change]:
    cut_short = _cut_short(old, new)
    for requirement in sorted(old.requirements.keys() | new.requirements.keys()):
        before, now = old.requirements.get(requirement), new.requirements.get(requirement)
        kind = _kind(before, now)
        if kind is None or (now is None and requirement in cut_short):
            continue
        was = before.value if before else "not tried"
        is_ = now.value if now else "not tried"
        told = f": {_told(new, requirement)}" if kind in (Kind.NEW_FAILURE, Kind.ADAPTER_ERROR) else ""
        yield Change(kind=kind, adapter=new.adapter, what=requirement, message=f"{was} → {is_}{told}")


def _cut_short(old: RunResult, new: RunResult) -> set[str]:
    """What checks did not come to that found something, then or now: they draw other cases, and the finding is told."""
    found = {check.check for check in (*old.checks, *new.checks) if check.counterexamples}
    cut = {requirement for check in old.checks if check.check in found for requirement in check.tried}
    return cut | {entry.id for entry in load().values() if cut.intersection(entry.verified_with)}


def _kind(before: Verdict | None, now: Verdict | None) -> Kind | None:
    """What a pair of verdicts means; `None` stands for "not tried"."""
    if now == before:
        return None
    if now is Verdict.ADAPTER_ERROR:
        return Kind.ADAPTER_ERROR
    if now in NEWS:
        return Kind.NEW_FAILURE
    if before in _NOT_PUT_TO_THE_TEST:
        return Kind.NEW_WARNING if now is Verdict.WARNING else None
    if now in _NOT_PUT_TO_THE_TEST:
        if _of_the_suite(before):
            return None
        return Kind.NEWLY_LACKING if now is Verdict.LACKS else Kind.NEWLY_INAPPLICABLE
    if before in NEWS or before is Verdict.WARNING:
        return Kind.UNEXPECTED_PASS
    return Kind.NEW_WARNING


_NOT_PUT_TO_THE_TEST = (None, Verdict.INAPPLICABLE, Verdict.LACKS)


def _of_the_suite(before: Verdict | None) -> bool:
    """Verdicts that stand under a name of the suite's own (`espproof-crash`), which is not tried but happens."""
    return before in (Verdict.CRASH, Verdict.HANG, Verdict.ADAPTER_ERROR)


def _fewer(old: RunResult, new: RunResult) -> Iterator[Change]:
    if not new.whole and old.whole:
        message = f"not whole: {new.not_whole_because}"
        yield Change(kind=Kind.FEWER_CASES, adapter=new.adapter, what="run", message=message)
    now: dict[str, CheckResult] = {check.check: check for check in new.checks}
    for before in old.checks:
        after = now.get(before.check)
        if before.verdict is not Verdict.PASS or (after is not None and after.verdict is not Verdict.PASS):
            continue  # inapplicable is told as that, and one that finds something ends when it has found it
        cases = after.examples if after is not None else 0
        if cases < before.examples:
            message = f"{cases} cases, {before.examples} before{_other_cases(old, new)}"
            yield Change(kind=Kind.FEWER_CASES, adapter=new.adapter, what=before.check, message=message)


def _other_cases(old: RunResult, new: RunResult) -> str:
    """Why fewer may be nobody's fault: other versions of Hypothesis draw other cases."""
    if old.drawn_with == new.drawn_with:
        return ""
    return f"; drawn with {new.drawn_with or 'what is not known'}, before with {old.drawn_with or 'what is not known'}"


def _shrunk(old: RunResult, new: RunResult) -> Iterator[Change]:
    for field in Capabilities.__struct_fields__:
        lost = _lost(getattr(old.capabilities, field), getattr(new.capabilities, field))
        if lost:
            yield Change(kind=Kind.SHRUNK_CAPABILITY, adapter=new.adapter, what=field, message=f"no longer {lost}")


def _lost(before: Any, now: Any) -> str:
    """What of a capability is gone, in words; "" for nothing."""
    if isinstance(before, bool):
        return "there" if before and not now else ""
    if isinstance(before, int):
        return f"{before}, but {now}" if now < before else ""
    if isinstance(before, tuple):
        return ", ".join(str(one) for one in before if one not in now)
    if isinstance(before, dict):
        gone = {name: [size for size in sizes if size not in now.get(name, ())] for name, sizes in before.items()}
        return ", ".join(
            f"{name} ({'/'.join(str(8 * size) for size in sizes)})" for name, sizes in gone.items() if sizes
        )
    if isinstance(before, ReplayWindows):
        return _windows(before, now)
    return ""


def _windows(before: ReplayWindows, now: ReplayWindows | None) -> str:
    """Windows are fewer if one of the sizes at either end, or no window at all, is not allowed any more."""
    if now is None:
        return "any replay window"
    ends = (before.minimum, before.maximum, before.minimum + before.step, *([0] if before.off else []))
    gone = [size for size in ends if before.allows(size) and not now.allows(size)]
    return ", ".join(f"a window of {size}" if size else "off" for size in dict.fromkeys(gone))
