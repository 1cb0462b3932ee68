"""`corpus/regressions/`: one Case per file, each once the proof of a mistake; the suite's own tests replay them all.

What may be put there is decided here. A finding on the reference or on a seeded defect is ours. A finding on anything
else is somebody's software, perhaps released and in use: how to crash it goes to its makers first, and not into a
public corpus. It stays in the results folder, as a Case that its makers can replay.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import msgspec

from espproof.adapters.base import Adapter, Transcript
from espproof.adapters.case import Case, read, to_json
from espproof.fuzz.triage.result import Misbehaviour
from espproof.reference.errors import Misuse


def folder() -> Path:
    return Path(str(files("espproof.corpus"))) / "regressions"


def may_be_saved(adapter: str) -> None:
    """`Misuse` says why findings on this adapter are not put into the corpus, or that there is no corpus to change."""
    if adapter != "reference" and not adapter.startswith("seeded:"):
        raise Misuse(
            f"findings on {adapter} are not saved to corpus/regressions: the corpus is public, and what breaks released "
            "software goes to its makers first; hand them the case.json of the results folder"
        )
    if not (folder().resolve().parent.parent / "pyproject.toml").is_file():
        raise Misuse(
            "corpus/regressions belongs to a checkout of espproof, and this is an installed one: it is only read"
        )


def save(finding: Misbehaviour) -> Path | None:
    """Put a finding into the corpus; None if it does not reproduce, or has no expected outcome to be held against."""
    may_be_saved(finding.adapter)
    case = finding.case
    if not finding.reproduced or not case.steps or case.steps[0].expect is None:
        return None
    title = f"{finding.message[:150]} ({finding.adapter})"
    folder().mkdir(exist_ok=True)
    name = f"{finding.target}-{finding.adapter.removeprefix('seeded:')}-{finding.key}"
    path = folder() / f"{name}.json"
    path.write_bytes(to_json(msgspec.structs.replace(case, id=f"regressions/{name}", title=title), indent=1) + b"\n")
    return path


def all_cases() -> Iterator[tuple[Path, Case]]:
    """Every regression, with its file."""
    for path in sorted(folder().glob("*.json")):
        for case in read(path):
            yield path, case


def differences(case: Case, adapter: Adapter) -> list[str]:
    """Where the outcomes are not those that the Case expects; raises what the adapter raises."""
    got: Transcript = adapter.execute(case)
    return [
        f"step {number}: {outcome}, expected {step.expect}"
        for number, (step, outcome) in enumerate(zip(case.steps, got.steps, strict=True))
        if step.expect is not None and outcome != step.expect
    ]
