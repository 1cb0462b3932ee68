"""Every sender with every receiver: opens the adapters once, walks the pairs sender by sender, counts and gathers."""

import fnmatch
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import espproof
from espproof.adapters.base import AdapterFailure, Transcript
from espproof.adapters.case import Case
from espproof.adapters.registry import open_adapter
from espproof.conformance.interop import histories, plan
from espproof.conformance.interop.exchange import Inapplicable, Pair, Red, Side
from espproof.conformance.interop.histories import History
from espproof.conformance.interop.result import Cell, Finding, InteropResult, Party
from espproof.conformance.strategies.options import Options
from espproof.conformance.verdict import Verdict
from espproof.reference.errors import Misuse

MAX_HANGS = 3
"""Hangs of one pair, each of which costs a time limit, after which the pair is left alone."""
Progress = Callable[[Cell, int, int], None]
"""Called after each pair with its cell, the number done and the number of all."""


def run(names: Sequence[str], *, only: str = "", progress: Progress | None = None) -> InteropResult:
    """All ordered pairs of these adapters. An adapter that cannot start is told in `parties`. `Misuse`: no such name."""
    started = time.perf_counter()
    parties: list[Party] = []
    sides: list[Side] = []
    with ExitStack() as stack:
        for name in dict.fromkeys(names):
            try:
                adapter = stack.enter_context(open_adapter(name))
                side = Side(name, adapter, adapter.capabilities())
                parties.append(Party(name=name, version=adapter.version, capabilities=side.caps))
                sides.append(side)
            except AdapterFailure as failure:
                parties.append(Party(name=name, failure=str(failure) or type(failure).__name__))
        result = InteropResult(espproof=espproof.__version__, only=only, parties=tuple(parties))
        try:
            for cell, findings in _cells(sides, only):
                result.cells.append(cell)
                result.findings += findings
                if progress is not None:
                    progress(cell, len(result.cells), len(sides) ** 2)
        except KeyboardInterrupt:
            result.whole = False
    if only and result.whole and sides and not any(cell.tried or cell.inapplicable for cell in result.cells):
        raise Misuse(f"no combination matches {only!r}")
    result.whole = result.whole and not any(cell.stopped for cell in result.cells)
    result.seconds = round(time.perf_counter() - started, 3)
    return result


def _cells(sides: Sequence[Side], only: str) -> Iterator[tuple[Cell, list[Finding]]]:
    for sender in sides:
        used: dict[Options, None] = {}
        sent: dict[Case, Transcript] = {}
        for receiver in sides:
            cell = Cell(sender=sender.name, receiver=receiver.name)
            try:
                shared = plan.common(sender.caps, receiver.caps)
                rows = plan.rows_of(shared, used)
            except plan.NothingInCommon as missing:
                cell.nothing = str(missing)
                yield cell, []
                continue
            used |= dict.fromkeys(rows)
            yield cell, _PairRun(Pair(sender, receiver, sent), cell).walk(rows, shared.max_packet, only)


class _PairRun:
    """The combinations of one pair, counted in its cell."""

    def __init__(self, pair: Pair, cell: Cell) -> None:
        self._pair, self._cell = pair, cell
        self._found: dict[str, Finding] = {}
        self._hangs = 0

    def walk(self, rows: Sequence[Options], limit: int, only: str) -> list[Finding]:
        for row in rows:
            for group in _groups(row, limit, only):
                self._together(row, group)
                if self._hangs >= MAX_HANGS:
                    self._cell.stopped = f"after {self._hangs} hangs"
                    return list(self._found.values())
        return list(self._found.values())

    def _together(self, row: Options, group: list[History]) -> None:
        """All histories of a group on one SA; if that does not go well, each on an SA of its own."""
        sender, receiver = self._pair.sender.caps, self._pair.receiver.caps
        lacks = sender.lacks(plan.outbound_sa(row, sender, 0)) or receiver.lacks(plan.inbound_sa(row, receiver, 0))
        if lacks:
            self._cell.inapplicable[lacks] = self._cell.inapplicable.get(lacks, 0) + len(group)
            return
        if len(group) > 1:
            try:
                self._pair.exchange(row, histories.chain(group))
            except Inapplicable:
                pass
            except Red as red:
                before = self._cell.red
                self._each(row, group)
                if self._cell.red == before:  # seen only after what the other histories left behind
                    self._note(red.finding)
                return
            else:
                self._cell.tried += len(group)
                return
        self._each(row, group)

    def _each(self, row: Options, group: list[History]) -> None:
        for history in group:
            try:
                self._pair.exchange(row, history)
            except Inapplicable as missing:
                what = str(missing)
                self._cell.inapplicable[what] = self._cell.inapplicable.get(what, 0) + 1
                continue
            except Red as red:
                self._note(red.finding)
            self._cell.tried += 1

    def _note(self, finding: Finding) -> None:
        self._cell.red += 1
        self._hangs += finding.verdict is Verdict.HANG
        known = self._found.get(finding.kind)
        if known is not None:
            finding.combinations = known.combinations + 1
        if known is None or _steps(finding) < _steps(known):
            self._found[finding.kind] = finding
        else:
            known.combinations += 1


def _steps(finding: Finding) -> int:
    case = finding.received or finding.sent
    return len(case.steps) if case is not None else 0


def _groups(row: Options, limit: int, only: str) -> Iterator[list[History]]:
    """Histories that can share an SA, as far as `only` (a pattern of combination names) lets them."""
    for group in (
        histories.fresh(row, limit),
        (histories.bursts(row),),
        *((one,) for one in histories.boundaries(row)),
    ):
        wanted = [one for one in group if not only or fnmatch.fnmatchcase(f"{plan.name_of(row)}/{one.kind}", only)]
        if wanted:
            yield wanted
