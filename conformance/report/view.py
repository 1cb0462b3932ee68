"""What a report shows, as plain values: requirements, runs, and each counterexample with its packets taken apart.

Everything here is JSON (dicts, lists, strings, numbers), made from results that may come from anywhere: a requirement or
check that this version does not know is shown by its id, octets are whatever they are. Links to documents are made here
and nowhere else.
"""

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddSa,
    Burst,
    Delivered,
    Outcome,
    Sa,
    Sent,
    State,
    Step,
    to_plain,
)
from espproof.adapters.steps import STEPS
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.oracle.compare import tell
from espproof.conformance.oracle.judgement import SETUP
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.replay.dissect import LAYERS, Field, dissect
from espproof.conformance.requirements.catalogue import Requirement, load, source
from espproof.conformance.results.check import Counterexample
from espproof.conformance.results.expectations import every_kind
from espproof.conformance.results.model import RunResult
from espproof.conformance.strategies.options import FACTORS, OptionSpace
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

MAX_SHOWN = 2048
"""Octets of a packet that a page shows; the files have them all."""
MAX_BURST = 64
"""Packets of a burst that a page shows."""
OWN = {
    "espproof-crash": "The implementation answers every case without dying.",
    "espproof-hang": "The implementation answers every case within the time limit.",
    "espproof-adapter-error": "The adapter speaks the protocol.",
    "espproof-setup": "SAs that the implementation declares it can hold are installed.",
}
"""What the suite itself demands, beyond the documents: id -> wording."""


def document_of(requirement: str) -> str:
    """`RFC4303` of `RFC4303-2.1-spi`; "espproof" for what the suite itself demands."""
    entry = load().get(requirement)
    if entry is not None:
        return entry.document
    return requirement.split("-", 1)[0] if requirement.startswith("RFC") else "espproof"  # of an earlier catalogue


def section_of(requirement: str) -> str:
    entry = load().get(requirement)
    if entry is not None:
        return entry.section
    parts = requirement.split("-", 2)
    return parts[1] if requirement.startswith("RFC") and len(parts) == 3 else ""


def url_of(requirement: str) -> str:
    """The section of the document on the RFC Editor's site, or where another document is; "" if the id names none."""
    if requirement in load() and not (document := source(document_of(requirement))).is_rfc:
        return document.url
    number, section = document_of(requirement).removeprefix("RFC"), section_of(requirement)
    if not (number.isascii() and number.isdigit()):
        return ""
    page = f"https://www.rfc-editor.org/rfc/rfc{number}"
    if not section.replace(".", "").isalnum() or not section.isascii():
        return page
    return f"{page}#section-{section}" if section[0].isdigit() else f"{page}#appendix-{section[0]}"


def level_of(requirement: str) -> str:
    entry = load().get(requirement)
    return entry.level.value if entry is not None else ("MUST" if _own(requirement) else "")


def text_of(requirement: str) -> str:
    entry = load().get(requirement)
    return entry.text if entry is not None else _own(requirement) or "This version's catalogue does not have it."


def _own(requirement: str) -> str:
    """The wording of what the suite itself demands; of a kind of crash or hang, that of all of them."""
    return OWN.get(requirement) or OWN.get(every_kind(requirement), "")


def verifying() -> dict[str, list[str]]:
    """Requirement -> the checks that name it."""
    found: dict[str, list[str]] = {}
    for check in all_checks().values():
        for requirement in check.verifies:
            found.setdefault(requirement, []).append(check.id)
    return found


# ------------------------------------------------------------------------------------------------------- requirements


def requirements(results: Iterable[RunResult]) -> list[dict[str, Any]]:
    """Every requirement of the catalogue, document by document, and what else the results speak of, at the front."""
    catalogue = load()
    said = {requirement for result in results for requirement in result.requirements}
    foreign = sorted(said - catalogue.keys())
    checks = verifying()
    return [_requirement(name, catalogue.get(name), checks.get(name, [])) for name in (*foreign, *catalogue)]


def _requirement(name: str, entry: Requirement | None, checks: list[str]) -> dict[str, Any]:
    return {
        "id": name,
        "document": document_of(name),
        "section": section_of(name),
        "level": level_of(name),
        "text": text_of(name),
        "url": url_of(name),
        "waived": (entry.waived or "") if entry is not None else "",
        "observe": (entry.observe or "") if entry is not None else "",
        "with": list(entry.verified_with) if entry is not None else [],
        "checks": checks,
    }


def checks() -> dict[str, dict[str, Any]]:
    """Every check of this version: what it does, and since which version."""
    return {check.id: _check(check) for check in all_checks().values()}


def _check(check: Check) -> dict[str, Any]:
    return {"family": check.family, "summary": check.summary, "since": check.since, "verifies": list(check.verifies)}


# --------------------------------------------------------------------------------------------------------------- runs


def run(result: RunResult) -> dict[str, Any]:
    """The head of one run: figures, and what each requirement and each check came to."""
    return {
        **{name: getattr(result, name) for name in _FIGURES},
        "verdicts": [
            {"verdict": verdict.value, "count": list(result.requirements.values()).count(verdict)}
            for verdict in reversed(Verdict)
        ],
        "cells": cells(result),
        "checks": {
            check.check: {"verdict": check.verdict.value, "examples": check.examples, "missing": check.missing}
            for check in result.checks
        },
        "capabilities": capabilities(result.capabilities),
        "inapplicable": inapplicable(result),
        "behaviours": behaviours(result),
        "pairs": pairs(result),
    }


_FIGURES = (
    "adapter", "adapter_version", "espproof", "profile", "seed", "only", "whole", "not_whole_because", "cases",
    "seconds", "pairs_covered", "pairs_total", "digest", "drawn_with", "expectations",
)  # fmt: skip


def cells(result: RunResult) -> dict[str, dict[str, Any]]:
    """Requirement -> verdict and why. What no check could try is inapplicable if that is what its checks said."""
    found = {requirement: _cell(verdict) for requirement, verdict in result.requirements.items()}
    for requirement in result.lacking:
        found[requirement]["note"] = f"should be there: {load()[requirement].support or 'what it is verified with'}"
    for requirement, missing in _out_of_reach(result).items():
        if found.setdefault(requirement, _cell(Verdict.INAPPLICABLE))["verdict"] == Verdict.INAPPLICABLE.value:
            found[requirement]["note"] = "without " + ", ".join(missing)
    for requirement, reason in result.expected.items():
        if requirement in found:
            found[requirement] |= {"note": f"expected: {reason}", "expected": True}
    for requirement in result.unexpected:
        if result.requirements.get(requirement) is Verdict.PASS:
            found[requirement] |= {"note": "passes, though the expectation file lists a deviation", "news": True}
    return found


def _cell(verdict: Verdict, note: str = "") -> dict[str, Any]:
    return {"verdict": verdict.value, "note": note, "expected": False, "news": False}


def _out_of_reach(result: RunResult) -> dict[str, list[str]]:
    """Requirement -> missing capabilities, where every check that ran for it was inapplicable."""
    known = all_checks()
    found: dict[str, list[str]] = {}
    for check in result.checks:
        if check.verdict is Verdict.INAPPLICABLE and check.check in known:
            for requirement in known[check.check].verifies:
                missing = found.setdefault(requirement, [])
                if check.missing not in missing:
                    missing.append(check.missing)
    return found


def inapplicable(result: RunResult) -> list[dict[str, Any]]:
    """Missing capability -> the checks that needed it, most checks first."""
    missing: dict[str, list[str]] = {}
    for check in result.checks:
        if check.verdict is Verdict.INAPPLICABLE:
            missing.setdefault(check.missing, []).append(check.check)
    ordered = sorted(missing.items(), key=lambda item: (-len(item[1]), item[0]))
    return [{"missing": what, "checks": names} for what, names in ordered]


def behaviours(result: RunResult) -> list[dict[str, Any]]:
    """What the documents leave open, and what this implementation does, over all checks."""
    counts: dict[str, dict[str, int]] = {}
    for check in result.checks:
        for behaviour, told in check.behaviours.items():
            row = counts.setdefault(behaviour, {})
            for outcome, count in told.items():
                row[outcome] = row.get(outcome, 0) + count
    return [{"behaviour": name, "told": [{"outcome": o, "count": c} for o, c in row.items()]}
            for name, row in sorted(counts.items())]  # fmt: skip


def capabilities(caps: Capabilities) -> list[dict[str, Any]]:
    """Declared capabilities, one row each; `there` is false where the implementation has nothing of the kind."""
    plain = to_plain(caps)
    plain["encryption"] = [
        f"{encr} ({'/'.join(str(8 * size) for size in sizes)})" for encr, sizes in plain["encryption"].items()
    ]
    return [
        {"name": name.replace("_", " "), "value": _said(value), "there": value not in (False, None, [], ())}
        for name, value in plain.items()
    ]


def _said(value: Any) -> str:
    match value:
        case None:
            return "none"
        case True | False:
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name} {_said(part)}" for name, part in value.items())
        case list() | tuple():
            return ", ".join(_said(part) for part in value) or "none"
    return str(value)


def pairs(result: RunResult) -> dict[str, Any]:
    """Pairs of SA options: covered and possible for each two options, and the names of those not covered."""
    covered = {pair for check in result.checks for pair in check.pairs}
    possible = _possible(result.capabilities)
    rows = [
        {"options": key, "covered": sum(pair in covered for pair in of_key), "possible": len(of_key)}
        for key, of_key in possible.items()
    ]
    missing = sorted(pair for of_key in possible.values() for pair in of_key if pair not in covered)
    return {"rows": rows, "missing": [pair.replace(",", " with ") for pair in missing]}


def _possible(caps: Capabilities) -> Mapping[str, list[str]]:
    """Options two by two -> the pairs of values that can stand together; {} for capabilities of no known algorithm."""
    sizes = {size for encr in caps.encryption.values() for size in encr}
    if not caps.encryption.keys() <= ENCRYPTION.keys() or not set(caps.integrity) <= INTEGRITY.keys():
        return {}
    if len(sizes) > 16 or not (caps.encryption and caps.integrity and caps.modes and caps.families and caps.esn):
        return {}
    found: dict[str, list[str]] = {}
    order = {name: rank for rank, name in enumerate(FACTORS)}
    for first, second in sorted(OptionSpace(caps).pairs, key=lambda pair: (order[pair[0][0]], order[pair[1][0]])):
        text = f"{first[0]}={first[1]},{second[0]}={second[1]}"
        found.setdefault(f"{first[0]} × {second[0]}", []).append(text)
    return found


# ---------------------------------------------------------------------------------------------------- counterexamples


def counterexample(found: Counterexample) -> dict[str, Any]:
    """One counterexample: SAs, then step by step what was expected beside what came."""
    case = found.case
    known = (*case.sas, *(step.sa for step in case.steps if isinstance(step, AddSa)))
    shown = _Shown(known)
    got = found.got
    setup = [
        {"sa": _sa(sa), "got": shown.outcome(came), "want": shown.outcome(right)}
        for sa, came, right in _beside(case.sas, got.setup if got else (), found.want.setup)
    ]
    steps = [
        _step(shown, number, step, came, right, silent=got is None)
        for number, (step, came, right) in enumerate(
            _beside(case.steps, got.steps if got else (), found.want.steps), start=1
        )
    ]
    return {
        "check": found.check,
        "message": found.message,
        "opinions": [f"{oracle} {opinion}" for oracle, opinion in found.opinions.items()],
        "step": 0 if found.step == SETUP else found.step + 1,
        "setup": setup,
        "steps": steps,
        "packets": shown.packets,
    }


def _beside(things: Iterable[Any], got: Iterable[Any], want: Iterable[Any]) -> list[tuple[Any, Any, Any]]:
    """Each thing with its two outcomes, None where a (damaged) file has none."""
    return [row for row in zip_longest(things, got, want) if row[0] is not None]


class _Shown:
    """The packets of one counterexample, each shown once however often it occurs."""

    def __init__(self, sas: Iterable[Sa]) -> None:
        self._sas = tuple(sas)
        self._known: dict[tuple[bytes, bool], int] = {}
        self.packets: list[dict[str, Any]] = []

    def packet(self, octets: bytes, *, plain: bool) -> int:
        """The number of a packet in `packets`."""
        key = (bytes(octets), plain)
        if key not in self._known:
            self._known[key] = len(self.packets)
            self.packets.append(_octets(bytes(octets), dissect(octets, self._sas, plain=plain)))
        return self._known[key]

    def outcome(self, outcome: Outcome | None) -> dict[str, Any] | None:
        """What an outcome says, with its packets and, of a state, its rows."""
        if outcome is None:
            return None
        parts = outcome.results[:MAX_BURST] if isinstance(outcome, Burst) else (outcome,)
        packets = [
            {"packet": self.packet(part.packet, plain=isinstance(part, Delivered)), "says": tell(part)}
            for part in parts
            if isinstance(part, Sent | Delivered)
        ]
        if isinstance(outcome, State):
            packets = [{"packet": self.packet(one, plain=False), "says": "early"} for one in outcome.early or ()]
        rows = [[name, _number(value)] for name, value in _state(outcome)] if isinstance(outcome, State) else []
        says = tell(outcome)
        if isinstance(outcome, Delivered) and outcome.sa:
            says += f" by SA {outcome.sa}"
        if isinstance(outcome, Burst):
            rows = [[f"packet {n}", tell(part)] for n, part in enumerate(parts, start=1)]
        return {"says": says, "packets": packets, "rows": rows}


def _octets(octets: bytes, fields: tuple[Field, ...]) -> dict[str, Any]:
    return {"hex": octets[:MAX_SHOWN].hex(), "size": len(octets), "fields": [_field(field) for field in fields]}


def _field(field: Field) -> list[Any]:
    """Start, end, layer number, name, value, and of a ciphertext that was opened its plaintext."""
    plain: list[Any] = [field.start, field.end, LAYERS.index(field.layer), field.name, field.value]
    return [*plain, _octets(field.plaintext, field.inner)] if field.plaintext else plain


def _state(state: State) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in to_plain(state).items() if name not in ("result", "early")]


def _number(value: Any) -> str:
    if isinstance(value, list):
        text = ", ".join(map(str, value[:64]))
        return text + ("…" if len(value) > 64 else "") or "none"
    return str(value)


def _step(
    shown: _Shown, number: int, step: Step, got: Outcome | None, want: Outcome | None, *, silent: bool
) -> dict[str, Any]:
    kind = STEPS[type(step)]
    return {
        "number": number,
        "does": kind.told(step),
        "requirement": step.requirement or "",
        "behaviour": step.behaviour,
        "note": step.note,
        "in": [shown.packet(one, plain=kind.direction == "out") for one in kind.packets(step)[:MAX_BURST]],
        "sa": _sa(step.sa) if isinstance(step, AddSa) else None,
        "got": shown.outcome(got),
        "want": shown.outcome(want),
        "silent": silent,
    }


def _sa(sa: Sa) -> dict[str, Any]:
    """An SA in one line, and every parameter that is not the default."""
    said = [sa.direction + "bound", f"SPI {sa.spi:#010x}", sa.mode, sa.encr.removeprefix("ENCR_")]
    said += [sa.auth.removeprefix("AUTH_")] if sa.auth != "NONE" else []
    said += ["ESN"] if sa.esn else []
    said += [f"UDP {sa.udp.source_port} → {sa.udp.destination_port}"] if sa.udp is not None else []
    default = Sa(name="-", direction="in", spi=0, mode="tunnel", source="", destination="", encr="")
    rows = [
        [name.replace("_", " "), _parameter(name, value)]
        for name, value in to_plain(sa).items()
        if name in _ALWAYS or getattr(sa, name) != getattr(default, name)
    ]
    return {"name": sa.name, "says": " · ".join(said), "rows": rows}


_ALWAYS = frozenset({"direction", "spi", "mode", "source", "destination", "encr", "auth", "esn", "sequence"})


def _parameter(name: str, value: Any) -> str:
    if name == "spi":
        return f"{value:#010x} ({value})"
    if name == "sequence":
        return f"0x{value}"
    if name == "lifetime":
        return _said({part.replace("_", " "): limit for part, limit in value.items() if limit is not None}) or "none"
    if name == "selectors":
        return "; ".join(_said(selector) for selector in value)
    return _said(value)
