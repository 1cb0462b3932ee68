"""One combination: the sender protects what a history asks for, the receiver gets it, and what comes out is compared.

No reference is asked: what went in comes out octet for octet, in its order and once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from espproof.adapters.base import Adapter, AdapterFailure, Crashed, Hung, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
    Done,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Outcome,
    Sent,
    Step,
    Unsupported,
)
from espproof.conformance.interop import plan
from espproof.conformance.interop.histories import History, delivered, lacking
from espproof.conformance.interop.result import Finding
from espproof.conformance.outbound import forwarded
from espproof.conformance.strategies.options import Options
from espproof.conformance.verdict import Verdict

MAX_FILL = 300
"""Numbers of a gap that are sent and lost; across a longer one the sender's SA is set to a later number."""
MAX_TRIES = 40
"""Executions to make one case shorter."""
_FAILURES: dict[type[AdapterFailure], Verdict] = {Crashed: Verdict.CRASH, Hung: Verdict.HANG}


class Inapplicable(Exception):
    """The combination needs what one of the two cannot do; carries its name."""


class Red(Exception):
    """Something is not as it should be."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.kind)
        self.finding = finding


@dataclass
class Side:
    """An open adapter, by the name it was asked for."""

    name: str
    adapter: Adapter
    caps: Capabilities


@dataclass
class Pair:
    """A sender and a receiver; `sent` remembers what the sender has answered to a case."""

    sender: Side
    receiver: Side
    sent: dict[Case, Transcript] = field(default_factory=dict)

    def exchange(self, row: Options, history: History) -> None:
        """Let one combination happen. Raises `Red` with what is wrong first, `Inapplicable`, or nothing."""
        missing = lacking(history, self.sender.caps, self.receiver.caps, MAX_FILL)
        if missing:
            raise Inapplicable(missing)
        inner = {number: plan.packet(row, number, size)
                 for number, size in zip(history.sent, history.sizes, strict=True)}  # fmt: skip
        wire, cases = self._send(row, history, inner)
        arrivals = [number for number in history.arrivals if number in wire]
        try:
            self._receive(row, history, inner, wire, arrivals)
        except Red as red:
            finding = red.finding if red.finding.verdict is Verdict.HANG else self._shorter(
                red.finding, arrivals, lambda fewer: self._receive(row, history, inner, wire, fewer)
            )  # fmt: skip
            finding.sent = cases[0]
            raise Red(finding) from red

    # ---------------------------------------------------------------------------------------------------- sending

    def _send(self, row: Options, history: History, inner: dict[int, Octets]) -> tuple[dict[int, Octets], list[Case]]:
        """The packet of each number that can be sent, and the cases that made them."""
        last = (2**64 if row.esn else 2**32) - 1 - history.start
        wire: dict[int, Octets] = {}
        cases = []
        for first, numbers in _runs(history.sent):
            packets = {n: inner.get(n) or plan.packet(row, n, plan.shortest_packet(row)) for n in numbers}
            try:
                case, sent = self._protect(row, history, first - 1, packets, last)
            except Red as red:
                if red.finding.kind != "not-sent":
                    raise
                raise Red(self._one_alone(red, row, history, inner)) from red
            cases.append(case)
            wire |= sent
        return wire, cases

    def _one_alone(self, red: Red, row: Options, history: History, inner: dict[int, Octets]) -> Finding:
        """What is not sent, as the only packet of its case if it is not sent then either."""
        number = red.finding.sequence - history.start
        if number in inner and not history.start:
            try:
                self._protect(row, history, 0, {1: inner[number]}, 2**32 - 1)
            except Red as alone:
                return alone.finding
            except Inapplicable:
                pass
        return red.finding

    def _protect(
        self, row: Options, history: History, before: int, packets: dict[int, Octets], last: int
    ) -> tuple[Case, dict[int, Octets]]:
        sa = plan.outbound_sa(row, self.sender.caps, history.start + before)
        steps: tuple[Step, ...]
        if history.burst:
            steps = (OutboundBurst(sa=sa.name, packets=tuple(packets.values())),)
        else:
            steps = tuple([Outbound(sa=sa.name, packet=packet) for packet in packets.values()])
        case = Case(version=1, title=f"{plan.name_of(row)}/{history.kind}, sending", sas=(sa,), steps=steps)
        if case not in self.sent:
            self.sent[case] = self._execute(self.sender, case, "sender", f"{plan.name_of(row)}/{history.kind}")
        outcomes = self._outcomes(self.sender, case, self.sent[case], row, history)
        wire: dict[int, Octets] = {}
        for at, (number, outcome) in enumerate(zip(packets, outcomes, strict=True)):
            if (number <= last) != isinstance(outcome, Sent):
                kind, expected = ("not-sent", "sent") if number <= last else ("sent-after-last", "dropped")
                raise Red(self._finding(
                    row, history, kind, expected, _told(outcome), at, number, packets[number], sent=case
                ))  # fmt: skip
            if isinstance(outcome, Sent):
                wire[number] = outcome.packet
        return case, wire

    # -------------------------------------------------------------------------------------------------- receiving

    def _receive(
        self, row: Options, history: History, inner: dict[int, Octets], wire: dict[int, Octets], arrivals: Sequence[int]
    ) -> None:
        sa = plan.inbound_sa(row, self.receiver.caps, history.start)
        right = delivered(arrivals, row.replay_window)
        expect = [Delivered(packet=inner[n]) if new else Dropped() for n, new in zip(arrivals, right, strict=True)]
        steps: tuple[Step, ...]
        if history.burst:
            burst = tuple([wire[number] for number in arrivals])
            steps = (InboundBurst(packets=burst, expect=Burst(results=tuple(expect))),)
        else:
            steps = tuple([
                Inbound(packet=wire[number], expect=outcome, note=f"number {history.start + number}")
                for number, outcome in zip(arrivals, expect, strict=True)
            ])  # fmt: skip
        title = f"{plan.name_of(row)}/{history.kind}, sent by {self.sender.name}"
        case = Case(version=1, title=title, sas=(sa,), steps=steps)
        transcript = self._execute(self.receiver, case, "receiver", f"{plan.name_of(row)}/{history.kind}")
        outcomes = self._outcomes(self.receiver, case, transcript, row, history)
        for at, (number, new, outcome) in enumerate(zip(arrivals, right, outcomes, strict=True)):
            out = outcome.packet if isinstance(outcome, Delivered) else None
            if new and out is None:
                kind = "not-delivered"
            elif new and out not in self._ways(inner[number]):
                kind = "other-octets"
            elif not new and out is not None:
                kind = "replay-delivered" if number in arrivals[:at] else "old-delivered"
            else:
                continue
            expected = f"delivered, {len(inner[number])} octets" if new else "dropped"
            raise Red(self._finding(
                row, history, kind, expected, _told(outcome), at, number, inner[number], received=case
            ))  # fmt: skip

    def _ways(self, packet: Octets) -> list[bytes]:
        """The packet as it may come out: each side that forwards may have made its TTL one less."""
        ways: list[bytes] = [packet]
        for side in (self.sender, self.receiver):
            if side.caps.forwards:
                ways.append(forwarded(ways[-1]))
        return ways

    def _shorter(self, found: Finding, arrivals: Sequence[int], again: Callable[[Sequence[int]], None]) -> Finding:
        """The same kind of finding with as few arrivals as a bounded number of tries gives."""
        left = list(arrivals)

        def still(fewer: list[int]) -> bool:
            nonlocal found, left
            try:
                again(fewer)
            except Red as red:
                if red.finding.kind == found.kind:
                    found, left = red.finding, fewer
                    return True
            except Inapplicable:
                pass
            return False

        if found.kind not in _FAILED:
            still(left[: found.at + 1])
        tries, size = MAX_TRIES, len(left)
        while size and tries:
            start = len(left) - size
            while start >= 0 and tries:
                fewer = left[:start] + left[start + size :]
                start -= size
                if fewer:
                    tries -= 1
                    still(fewer)
            size //= 2
        return found

    # --------------------------------------------------------------------------------------------------- both sides

    def _execute(self, side: Side, case: Case, role: str, combination: str) -> Transcript:
        try:
            return side.adapter.execute(case)
        except Exception as error:  # an adapter of anybody's: whatever escapes is a verdict about it
            verdict = _FAILURES.get(type(error), Verdict.ADAPTER_ERROR)  # type: ignore[arg-type]
            told = str(error) if isinstance(error, AdapterFailure) else f"it raised {type(error).__name__}: {error}"
            raise Red(Finding(
                sender=self.sender.name, receiver=self.receiver.name, kind=f"{role}-{verdict.value}", verdict=verdict,
                combination=combination, expected="an answer", got=told,
                sent=case if role == "sender" else None, received=case if role == "receiver" else None,
            )) from error  # fmt: skip

    def _outcomes(
        self, side: Side, case: Case, transcript: Transcript, row: Options, history: History
    ) -> list[Outcome]:
        """One outcome per packet."""
        sending = case.sas[0].direction == "out"
        outcomes: list[Outcome] = []
        for step, outcome in zip(case.steps, transcript.steps, strict=True):
            count = len(step.packets) if isinstance(step, OutboundBurst | InboundBurst) else 1
            if isinstance(outcome, Burst) and len(outcome.results) == count:
                outcomes += outcome.results
            else:
                outcomes += [outcome] * count
        for outcome in (*transcript.setup, *outcomes):
            if isinstance(outcome, Unsupported):
                raise Inapplicable(f"{side.name}: {outcome.what}")
        if not isinstance(transcript.setup[0], Done):
            kind = "sa-refused-by-" + ("sender" if sending else "receiver")
            told = _told(transcript.setup[0])
            cases = {"sent" if sending else "received": case}
            raise Red(self._finding(row, history, kind, "the SA is added", told, 0, 0, Octets(), **cases))
        return outcomes

    def _finding(
        self, row: Options, history: History, kind: str, expected: str, got: str, at: int, number: int, packet: Octets,
        *, sent: Case | None = None, received: Case | None = None,
    ) -> Finding:  # fmt: skip
        return Finding(
            sender=self.sender.name, receiver=self.receiver.name, kind=kind, verdict=Verdict.FAIL,
            combination=f"{plan.name_of(row)}/{history.kind}", expected=expected, got=got, at=at,
            sequence=history.start + number, length=len(packet), sent=sent, received=received,
        )  # fmt: skip


_FAILED = tuple(f"receiver-{verdict.value}" for verdict in (Verdict.CRASH, Verdict.HANG, Verdict.ADAPTER_ERROR))


def _runs(numbers: Sequence[int]) -> list[tuple[int, range]]:
    """(first number, all its numbers) of each stretch that one SA sends without being set to a later number."""
    runs = []
    first = before = 1 if numbers[0] <= MAX_FILL else numbers[0]
    for number in numbers:
        if number - before > MAX_FILL:
            runs.append((first, range(first, before + 1)))
            first = number
        before = number
    return [*runs, (first, range(first, before + 1))]


def _told(outcome: Outcome) -> str:
    name = type(outcome).__name__.lower()
    if isinstance(outcome, Delivered | Sent):
        return f"{name}, {len(outcome.packet)} octets"
    reason = getattr(outcome, "reason", "")
    return f"{name} ({reason})" if reason and reason != "unspecified" else name
