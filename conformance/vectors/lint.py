"""What must be true of the corpus, so that others can build on it. Each complaint says what to do about it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from espproof.adapters.case import (
    AddSa,
    Case,
    CaseFile,
    DeleteSa,
    Delivered,
    Dropped,
    Inbound,
    Outbound,
    Refused,
    Sent,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.requirements.catalogue import levels
from espproof.conformance.vectors import files
from espproof.conformance.vectors.judge import compare
from espproof.reference.errors import Misuse

PROVENANCE = "PROVENANCE.md"
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def lint(folder: Path = files.FOLDER) -> Iterator[str]:
    """Every complaint, one line each; nothing if all is well."""
    contents: dict[str, CaseFile] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            contents[path.stem] = files.read(path)
        except Misuse as error:
            yield str(error)
            continue
        yield from _canonical(path, contents[path.stem])
    yield from _expected_files(contents)
    yield from _ids(contents, files.read_ids(folder))
    yield from _provenance(folder.parent / PROVENANCE, contents)
    known = levels()
    for name, content in contents.items():
        yield from _flags(name, content)
        for case in content.cases:
            yield from (f"{name}: {case.id}: {wrong}" for wrong in _case(case, known))


def _canonical(path: Path, content: CaseFile) -> Iterator[str]:
    octets = path.read_bytes()
    if octets != files.text(content):
        yield f"{path.name}: not in canonical form: `espproof vectors build`"
    try:
        plain = json.loads(octets, object_pairs_hook=_each_name_once)
    except ValueError as error:
        yield f"{path.name}: a plain JSON reader says: {error}"
    else:
        if [case["id"] for case in plain["cases"]] != [case.id for case in content.cases]:
            yield f"{path.name}: a plain JSON reader finds other vectors"


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two members with the same name one reader takes the first, another the last (RFC 8259 4)."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("an object has two members of one name")
    return dict(pairs)


def _expected_files(contents: dict[str, CaseFile]) -> Iterator[str]:
    wanted = {content.name for content in files.CONTENTS}
    for name in sorted(wanted - contents.keys()):
        yield f"{name}.json is missing: `espproof vectors build`"
    for name in sorted(contents.keys() - wanted):
        yield f"{name}.json is not made by the tool: add it to `conformance/vectors/files.py`"


def _ids(contents: dict[str, CaseFile], published: dict[str, str]) -> Iterator[str]:
    cases = [case for content in contents.values() for case in content.cases]
    for name, count in Counter(case.id for case in cases).items():
        if count > 1:
            yield f"{name}: {count} vectors have this id"
        if not _ID.fullmatch(name) or len(name) > 64:
            yield f"{name}: an id is lower-case words with hyphens, at most 64 characters"
    digests = {case.id: files.digest(case) for case in cases}
    for name in sorted(published.keys() - digests.keys()):
        yield f"{name}: is in {files.IDS} but in no file: ids are for ever, bring it back"
    for name in sorted(digests.keys() - published.keys()):
        yield f"{name}: is not in {files.IDS}: `espproof vectors build`"
    for name in sorted(digests.keys() & published.keys()):
        if digests[name] != published[name]:
            yield f"{name}: has other octets than were published: give it a new id"


def _provenance(path: Path, contents: dict[str, CaseFile]) -> Iterator[str]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    for name in contents:
        if f"{name}.json" not in text:
            yield f"{path.name}: does not say where {name}.json is from"


def _flags(name: str, content: CaseFile) -> Iterator[str]:
    used = {flag for case in content.cases for flag in case.flags}
    for flag in sorted(used - content.flags.keys()):
        yield f"{name}: flag {flag} is not explained in the file"
    for flag in sorted(content.flags.keys() - used):
        yield f"{name}: flag {flag} is explained and not used"
    for flag, text in content.flags.items():
        if len(text) < 40:
            yield f"{name}: flag {flag}: say what the mistake is and what it costs"


def _case(case: Case, known: Any) -> Iterator[str]:
    for what in ("title", "source", "requirements", "confirmed_by", "steps"):
        if not getattr(case, what):
            yield f"no {what}"
    for name in {*case.requirements, *(step.requirement for step in case.steps if step.requirement)}:
        if name not in known:
            yield f"no requirement {name} in the catalogue"
    for index, step in enumerate(case.steps):
        if step.requirement not in case.requirements:
            yield f"step {index}: its requirement is not one of the case's"
        if step.expect is None and not step.behaviour:
            yield f"step {index}: nothing is expected"
        if not isinstance(step, AddSa | DeleteSa | Inbound | Outbound):
            yield f"step {index}: {type(step).__name__} is not for vectors: many implementations lack it"
    outcomes = [step.expect for step in case.steps]
    negative = any(isinstance(outcome, Dropped | Refused) for outcome in outcomes)
    positive = any(isinstance(outcome, Delivered | Sent) for outcome in outcomes)
    if negative and not positive and not any(isinstance(outcome, Refused) for outcome in outcomes):
        yield "only discards: who discards everything passes; add the right packet"
    if negative and not case.flags:
        yield "discards something and has no flag that says which mistake it catches"
    adapter = ReferenceAdapter()
    result = compare(case, adapter.execute(case), adapter.capabilities())
    if result.verdict is not Verdict.PASS:
        yield f"the reference disagrees at step {result.step}: {result.message or result.missing}"
