"""What an interop run says, as data. Its JSON Schema is `corpus/schema/interop.schema.json`:

`python -m espproof.conformance.interop.result > FILE`.
"""

import fnmatch
import json
import sys
import tomllib
from pathlib import Path

import msgspec

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Case, json_schema, to_json, to_plain
from espproof.conformance import atomic
from espproof.conformance.results import file_name
from espproof.conformance.verdict import Verdict
from espproof.reference.errors import Misuse

FORMAT = "espproof-interop"
FOLDER = "interop"
"""Below a report folder: one folder per pair, in it the cases of its findings."""


class Finding(msgspec.Struct, kw_only=True):
    """One kind of thing that goes wrong between two implementations, with its shortest case.

    `at` counts the packets of that case from 0; `sequence` is the whole number that the packet should have, `length` the
    octets of the packet inside. `combinations` is how many show it. `sent` and `received` are the two sides of the case.
    """

    sender: str
    receiver: str
    kind: str
    verdict: Verdict
    combination: str
    expected: str
    got: str
    at: int = 0
    sequence: int = 0
    length: int = 0
    combinations: int = 1
    sent: Case | None = None
    received: Case | None = None
    reason: str = ""
    """Why it is expected; empty: it is news."""


class Cell(msgspec.Struct, kw_only=True):
    """One sender and one receiver. `tried` combinations, of which `red` are not as they should be."""

    sender: str
    receiver: str
    tried: int = 0
    red: int = 0
    inapplicable: dict[str, int] = {}
    nothing: str = ""
    """What they have not in common, if they have no SA in common."""
    stopped: str = ""
    """Why combinations were left out, if some were."""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation; `failure` if it could not be started."""

    name: str
    version: str = ""
    capabilities: Capabilities | None = None
    failure: str = ""


class InteropResult(msgspec.Struct, kw_only=True):
    """All pairs. `stale` are expectations that did not come."""

    format: str = FORMAT
    version: int = 1
    espproof: str
    only: str = ""
    seconds: float = 0.0
    whole: bool = True
    parties: tuple[Party, ...]
    cells: list[Cell] = []
    findings: list[Finding] = []
    stale: list[str] = []

    @property
    def news(self) -> bool:
        """Whether anything is not as expected."""
        return bool(self.stale) or not self.whole or any(not one.reason for one in self.findings)


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known deviation; `sender` and `receiver` are names or patterns (`*`)."""

    sender: str
    receiver: str
    kind: str
    reason: str
    clause: str

    def concerns(self, one: Finding | Cell) -> bool:
        """Whether it is about this pair."""
        return fnmatch.fnmatchcase(one.sender, self.sender) and fnmatch.fnmatchcase(one.receiver, self.receiver)


def read_expectations(path: Path) -> tuple[Expectation, ...]:
    """The `[[deviation]]` entries of a TOML file; `Misuse` with the reason if it is not one."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(msgspec.convert(content.get("deviation", []), list[Expectation]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Misuse(f"{path}: {error}") from error


def compare(result: InteropResult, expectations: tuple[Expectation, ...]) -> None:
    """Fill in which findings are expected, and which expectations did not come though all was tried."""
    for entry in expectations:
        met = [one for one in result.findings if entry.concerns(one) and one.kind == entry.kind]
        for finding in met:
            finding.reason = entry.reason
        if not met and not result.only and any(entry.concerns(cell) and cell.tried for cell in result.cells):
            result.stale.append(f"{entry.sender} to {entry.receiver}: {entry.kind}")


def write(result: InteropResult, folder: Path) -> None:
    """`interop/result.json` and the cases of each finding. Each file appears whole or not at all."""
    for one in result.findings:
        pair = folder / FOLDER / f"{file_name(one.sender)}-{file_name(one.receiver)}"
        for side, case in (("sent", one.sent), ("received", one.received)):
            if case is not None:
                atomic.write(pair / f"{one.kind}-{side}.json", to_json(case, indent=1))
    atomic.write(folder / FOLDER / "result.json", json.dumps(to_plain(result), indent=1).encode())


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(json_schema(InteropResult), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
