"""The matrix: every pair of implementations, every combination, every history."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase

import espproof
from espproof.adapters.base import AdapterFailure
from espproof.adapters.registry import open_adapter
from espproof.conformance.interop.plan import combinations, common, courses, name_of, windows
from espproof.conformance.interop.result import Cell, Incompatibility, Interop
from espproof.conformance.interop.trial import MAX_FAILURES, Missing, Side, Trial
from espproof.conformance.strategies.options import Options
from espproof.reference.errors import Misuse


def meet(sender: Side, receiver: Side, known: list[Options], only: str = "*") -> Cell:
    """One cell of the matrix."""
    cell = Cell(sender=sender.name, receiver=receiver.name, missing={}, findings=[])
    shared = common(sender.caps, receiver.caps)
    if isinstance(shared, str):
        cell.missing[shared] = 1
        return cell
    sizes = windows(receiver.caps)
    for turn, row in enumerate(combinations(shared, known)):
        window = sizes[(turn + turn // len(sizes)) % len(sizes)]
        for course in courses(row.esn, window, sender.caps.start_of("out")):
            if not fnmatchcase(f"{name_of(row, window)}, {course.name}", only):
                continue
            if max(sender.failures, receiver.failures) >= MAX_FAILURES:
                missing: str | None = "an adapter that failed too often"
            else:
                missing = _try(cell, Trial(sender, receiver, row, window, course))
            if missing is not None:
                cell.missing[missing] = cell.missing.get(missing, 0) + 1
    return cell


def _try(cell: Cell, trial: Trial) -> str | None:
    """Count what comes of it; or what is missing."""
    missing = trial.missing()
    if missing is None:
        try:
            _count(cell, trial.run())
        except Missing as error:
            return str(error)
    return missing


def _count(cell: Cell, found: Incompatibility | None) -> None:
    if found is None:
        cell.right += 1
        return
    cell.wrong += 1
    for known in cell.findings:
        if known.kind == found.kind:
            known.count += 1
            return
    cell.findings.append(found)


def interop(names: Sequence[str], only: str = "", tick: Callable[[str], None] = lambda text: None) -> Interop:
    """Every one of these adapters into every one, itself included. `Misuse` for a name that is none."""
    started = time.perf_counter()
    sides: list[Side] = []
    failed: dict[str, str] = {}
    cells: list[Cell] = []
    known: list[Options] = []
    with ExitStack() as stack:
        for name in dict.fromkeys(names):
            try:
                adapter = stack.enter_context(open_adapter(name))
                sides.append(Side(name, adapter, adapter.capabilities()))
            except AdapterFailure as failure:
                failed[name] = f"{type(failure).__name__}: {failure}"
        for sender in sides:
            for receiver in sides:
                tick(f"{sender.name} to {receiver.name}")
                cells.append(meet(sender, receiver, known, f"*{only}*" if only else "*"))
            sender.sent.clear()
        versions = {side.name: side.adapter.version for side in sides}
    failed |= {side.name: "failed too often" for side in sides if side.failures >= MAX_FAILURES}
    if only and not any(cell.right or cell.wrong or cell.missing for cell in cells):
        raise Misuse(f"no combination has {only!r} in its name")
    seconds = round(time.perf_counter() - started, 3)
    return Interop(
        espproof=espproof.__version__, versions=versions, cells=cells, failed=failed, only=only, seconds=seconds
    )
