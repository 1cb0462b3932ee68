"""Does what is declared really work, and what works though it is not declared?

A probe is a case that the oracle judges. What is declared must come out right. What is not must be refused (`Unsupported`,
`Refused`); if it is carried out and right, that is information for the author (`run` could try more), if it is carried
out and wrong, a failure: a user who asks for it would believe to have it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from espproof.adapters.base import Transcript
from espproof.adapters.case import Case
from espproof.conformance.selfcheck.item import Grade, Item, NotApplicable, Trouble
from espproof.conformance.selfcheck.rig import Rig, refused

Besides = Callable[[Rig, Case, Transcript], str | None]
"""What the oracle does not look at: says what is wrong with a transcript, or None."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`what` is the capability in words; `make` builds the case (or raises `NotApplicable`).

    `judged` are changes of the capabilities for the oracle, so that it looks at what is probed. `optional`: the case
    may be carried out without what was asked for (a hint, a kind of packet), so that doing so undeclared is no fault.
    """

    what: str
    declared: bool
    make: Callable[[Rig], Case]
    judged: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False
    besides: Besides | None = None


def answer(probe: Probe, rig: Rig) -> Item:
    """Carry a probe out."""
    name = "capability." + probe.what.replace(" ", ".")
    try:
        case = probe.make(rig)
        got = rig.execute(case)
        want = rig.reference(case)
        wrong = rig.told(case, got, want, replace(rig.caps, **probe.judged))
    except NotApplicable as missing:
        return Item(id=name, grade=Grade.NOT_APPLICABLE, told=f"without {missing}")
    except Trouble as trouble:
        return Item(id=name, grade=Grade.FAIL, told=str(trouble), fix="answer every operation with an outcome.")
    if wrong is None and probe.besides is not None:
        wrong = probe.besides(rig, case, got)
    if probe.declared:
        return _declared(name, probe, wrong)
    if wrong is None:
        told = f"{probe.what} works though it is not declared"
        return Item(id=name, grade=Grade.UNDECLARED, told=told, fix=f"declare {probe.what}, and `run` will try it.")
    if refused(got, want) or probe.optional:
        return Item(id=name, grade=Grade.PASS, told="not declared, and not there")
    fix = f"answer Unsupported where {probe.what} is asked for, or declare it and do it."
    return Item(id=name, grade=Grade.FAIL, told=f"not declared, not refused, and wrong: {wrong}", fix=fix)


def _declared(name: str, probe: Probe, wrong: str | None) -> Item:
    if wrong is None:
        return Item(id=name, grade=Grade.PASS)
    fix = f"do not declare {probe.what}, or hand it over to the implementation."
    return Item(id=name, grade=Grade.FAIL, told=f"declared, and does not work: {wrong}", fix=fix)
