"""One combination with one history between two implementations: asked, judged by plain facts, shrunk."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from espproof.adapters.base import Adapter
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
    Sa,
    Sent,
    Step,
    Unsupported,
)
from espproof.conformance.interop.plan import Course, due, inner_packets, name_of, sa_of
from espproof.conformance.interop.result import Incompatibility
from espproof.conformance.oracle.compare import tell
from espproof.conformance.oracle.verdict import Verdict, of_failure
from espproof.conformance.requirements.ids import ACCEPTED, BURST, INCREMENT
from espproof.conformance.strategies.options import Options
from espproof.reference import ip
from espproof.reference.esp import MOST_ADDED

LARGEST = 1500
"""Octets of the largest inner packet, where both sides take protected ones that are larger."""
MAX_TRIES = 24
"""Executions that the shrinking of one finding may take."""
MAX_FAILURES = 5
"""An adapter that has failed so often is not asked any more."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """The first thing that is wrong: `what` in a few words, and at which arrival (or sent packet)."""

    what: str
    at: int
    expected: str
    got: str
    verdict: Verdict = Verdict.FAIL


class Missing(Exception):
    """An implementation answered that it cannot."""


@dataclass
class Side:
    """One open implementation."""

    name: str
    adapter: Adapter
    caps: Capabilities
    failures: int = 0
    sent: dict[tuple[Sa, bool, tuple[Octets, ...]], list[Outcome] | Discrepancy] = field(default_factory=dict)
    """By SA, whether in one burst, and the packets it was given."""

    def take(self, case: Case, who: str) -> list[Outcome] | Discrepancy:
        """One outcome per packet, bursts taken apart; or how it failed."""
        try:
            done = self.adapter.execute(case)
        except Exception as failure:  # what else escapes is the adapter's own mistake
            self.failures += 1
            verdict = of_failure(failure)
            return Discrepancy(
                f"{who}: {verdict.value}", 0, "an answer", f"{type(failure).__name__}: {failure}", verdict
            )
        outcomes: list[Outcome] = []
        for outcome in done.steps:
            outcomes += outcome.results if isinstance(outcome, Burst) else (outcome,)
        for outcome in (*done.setup, *outcomes):
            if isinstance(outcome, Unsupported):
                raise Missing(f"{self.name}: {outcome.what}")
        refused = next((outcome for outcome in done.setup if not isinstance(outcome, Done)), None)
        if refused is not None:
            return Discrepancy(f"{who}: SA refused", 0, "done", tell(refused))
        return outcomes


@dataclass
class Trial:
    """One combination with one history between two sides."""

    sender: Side
    receiver: Side
    row: Options
    window: int
    course: Course

    def __post_init__(self) -> None:
        limit = min(LARGEST, min(self.sender.caps.max_packet, self.receiver.caps.max_packet) - MOST_ADDED)
        self.out = sa_of(self.row, self.sender.caps, "out", 64, self.course.start)
        begin = 0 if self.course.start < 2**31 else self.course.start
        self.into = sa_of(self.row, self.receiver.caps, "in", self.window, begin)
        self.plain = inner_packets(self.out, self.row.family, self.course, limit)

    def missing(self) -> str | None:
        for side, sa in ((self.sender, self.out), (self.receiver, self.into)):
            lacking = side.caps.lacks(sa)
            if lacking:
                return f"{side.name}: {lacking}"
        return None

    def sender_case(self, count: int) -> Case:
        plain = tuple(self.plain[:count])
        steps: tuple[Step, ...] = tuple(Outbound(sa="sa", packet=packet, requirement=INCREMENT) for packet in plain)
        if self.course.burst:
            steps = (OutboundBurst(sa="sa", packets=plain, requirement=INCREMENT),)
        return Case(version=1, sas=(self.out,), steps=steps)

    def receiver_case(self, sent: Sequence[Outcome], order: Sequence[int]) -> Case:
        wire = [outcome.packet for index in order if isinstance(outcome := sent[index], Sent)]
        expect: list[Delivered | Dropped] = [
            Delivered(packet=self.plain[index]) if comes else Dropped()
            for index, comes in zip(order, self._due(order), strict=True)
        ]
        if self.course.burst:
            whole = Burst(results=tuple(expect))
            steps: tuple[Step, ...] = (InboundBurst(packets=tuple(wire), expect=whole, requirement=BURST),)
        else:
            steps = tuple(
                Inbound(packet=one, expect=want, requirement=ACCEPTED) for one, want in zip(wire, expect, strict=True)
            )
        return Case(version=1, sas=(self.into,), steps=steps)

    def number(self, index: int) -> int:
        return self.course.start + 1 + index

    def _due(self, order: Sequence[int]) -> list[bool]:
        return due([self.number(index) for index in order], self.window)

    def send(self) -> list[Outcome] | Discrepancy:
        """What the sender makes of the packets: asked once, however many receivers there are."""
        key = (self.out, self.course.burst, tuple(self.plain))
        if key not in self.sender.sent:
            self.sender.sent[key] = self._sent(self.sender.take(self.sender_case(self.course.count), "sender"))
        return self.sender.sent[key]

    def _sent(self, outcomes: list[Outcome] | Discrepancy) -> list[Outcome] | Discrepancy:
        if isinstance(outcomes, Discrepancy):
            return outcomes
        if len(outcomes) != self.course.count:
            return Discrepancy("sender: outcomes missing", 0, f"{self.course.count} outcomes", f"{len(outcomes)}")
        for index, outcome in enumerate(outcomes):
            over = self.course.ends and self.number(index) >= 2**32
            if over and isinstance(outcome, Sent):
                return Discrepancy("sender: number cycles", index, "dropped, as all numbers are used", tell(outcome))
            if not over and not isinstance(outcome, Sent):
                return Discrepancy("sender: not sent", index, "sent", tell(outcome))
        return outcomes

    def receive(self, sent: Sequence[Outcome], order: Sequence[int]) -> Discrepancy | None:
        """What is wrong first when these packets of the sender arrive in this order."""
        outcomes = self.receiver.take(self.receiver_case(sent, order), "receiver")
        if isinstance(outcomes, Discrepancy):
            return outcomes
        if len(outcomes) != len(order):
            return Discrepancy("receiver: outcomes missing", 0, f"{len(order)} outcomes", f"{len(outcomes)}")
        hops = self.sender.caps.forwards + self.receiver.caps.forwards
        for at, (index, comes, got) in enumerate(zip(order, self._due(order), outcomes, strict=True)):
            if not comes and isinstance(got, Delivered):
                return Discrepancy("replay came out", at, "dropped", tell(got))
            if comes and not isinstance(got, Delivered):
                return Discrepancy("not delivered", at, "delivered", tell(got))
            if comes and isinstance(got, Delivered) and got.packet not in _behind(self.plain[index], hops):
                return Discrepancy("changed on the way", at, self.plain[index].hex(), got.packet.hex())
        return None

    def run(self) -> Incompatibility | None:
        """`Missing` where one of them cannot."""
        sent = self.send()
        if isinstance(sent, Discrepancy):
            return self._incompatibility(sent, sent.what, sent.at, self.sender_case(sent.at + 1), None)
        order = [index for _, index in self.course.arrivals]
        wrong = self.receive(sent, order)
        if wrong is None:
            return None
        phase = self.course.arrivals[wrong.at][0]
        kind = wrong.what if wrong.what.startswith("receiver") else f"{phase}: {wrong.what}"
        last = order[wrong.at]
        whole = wrong.verdict is not Verdict.FAIL  # where it died nobody knows
        short = self._shrunk(sent, order if whole else order[: wrong.at + 1], wrong.what)
        return self._incompatibility(
            wrong, kind, last, self.sender_case(max(short) + 1), self.receiver_case(sent, short)
        )

    def _shrunk(self, sent: Sequence[Outcome], order: list[int], what: str) -> list[int]:
        """Fewer arrivals that show the same, the last one among them."""

        def shows(fewer: list[int]) -> bool:
            wrong = self.receive(sent, fewer)
            return wrong is not None and wrong.what == what

        tries, size = MAX_TRIES, len(order) - 1
        while size and tries and self.receiver.failures < MAX_FAILURES:
            start = len(order) - 1 - size
            while start > -size and tries:
                fewer = order[: max(start, 0)] + order[start + size :]
                tries -= 1
                if fewer and shows(fewer):
                    order = fewer
                start -= size
            size = min(size // 2, len(order) - 1)
        return order

    def _incompatibility(
        self, wrong: Discrepancy, kind: str, index: int, sender_case: Case, receiver_case: Case | None
    ) -> Incompatibility:
        return Incompatibility(
            sender=self.sender.name,
            receiver=self.receiver.name,
            kind=kind,
            verdict=wrong.verdict,
            combination=name_of(self.row, self.window),
            history=self.course.name,
            packet=index,
            number=self.number(index),
            length=len(self.plain[index]),
            expected=wrong.expected,
            got=wrong.got,
            sender_case=msgspec.structs.replace(sender_case, title=f"{self.sender.name} sends: {kind}"),
            receiver_case=receiver_case
            and msgspec.structs.replace(receiver_case, title=f"{self.sender.name} to {self.receiver.name}: {kind}"),
        )


def _behind(packet: Octets, hops: int) -> list[bytes]:
    """The packet, and what it is behind so many routers at most."""
    result = [bytes(packet)]
    for _ in range(hops):
        result.append(ip.forwarded(result[-1]))
    return result
