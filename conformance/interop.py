"""Every implementation's outbound packets into every other's inbound side, without the reference in between.

Two implementations that are right by themselves may still not understand each other, and two that are wrong in the same
way do. So nobody is asked what a packet should look like. The expectation comes from plain facts: what went in at the
sender comes out at the receiver, octet for octet and in order (TTL one less for each side that forwards), and what was
received before, or is older than the window, does not.

Per ordered pair the combinations are a pairwise cover of what both declare; each is tried with every `Course`, a history
of sequence numbers. What a sender has sent is kept and used for all receivers whose SA has the same octets.
"""

import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

import msgspec

import espproof
from espproof.adapters.base import Adapter, AdapterFailure, Crashed, Hung
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
    SequenceNumber,
    Step,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.registry import open_adapter
from espproof.conformance.oracle import tell
from espproof.conformance.outbound import forwarded
from espproof.conformance.strategies import packets, values
from espproof.conformance.strategies.options import Options, OptionSpace, pairs_of, window_sizes
from espproof.conformance.verdict import Verdict
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Misuse

OVERHEAD = 136
"""Octets that protection adds at most."""
LARGEST = 1500
"""Octets of the largest inner packet, where both sides take protected ones that are larger."""
LARGEST_WINDOW = 65
"""Larger windows are tried only where there is no smaller one: the history needs three windows of packets."""
BEFORE_WRAP = 6
"""Packets that a history near the end of the 32-bit numbers sends before the low half wraps."""
MAX_TRIES = 24
"""Executions that the shrinking of one finding may take."""
MAX_FAILURES = 5
"""An adapter that has failed so often is not asked any more."""

EMPTY = "no upper layer"
"""The last arrival of a course is an IP header alone. It comes last, as there are receivers that take none."""
_FAILURES: Mapping[type[Exception], Verdict] = {Crashed: Verdict.CRASH, Hung: Verdict.HANG}
_LENGTHS = (*range(1, 20), 47, 48, 63, 64, 65, 127, 128, 255, 256, 511, 576, 1000, 1279, 1280)
"""Octets of the upper layer: all alignments, then the usual edges; the largest packet comes last."""


class Deviation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known finding; `*` stands for any sender, receiver or kind, and within names as in file names."""

    sender: str
    receiver: str
    kind: str
    reason: str
    clause: str


class Finding(msgspec.Struct, kw_only=True):
    """What goes wrong between two implementations, with the first combination that shows it.

    `packet` is the place in the history, `number` the sequence number, `length` the octets of the inner packet (-1:
    there is none). `count` says in how many combinations it was seen, `reason` why it was expected.
    """

    sender: str
    receiver: str
    kind: str
    verdict: Verdict
    combination: str
    history: str
    packet: int
    number: int
    length: int
    expected: str
    got: str
    sender_case: Case
    receiver_case: Case | None = None
    count: int = 1
    reason: str = ""


class Cell(msgspec.Struct, kw_only=True):
    """One sender and one receiver: histories that went right and wrong, and how often what was missing."""

    sender: str
    receiver: str
    right: int = 0
    wrong: int = 0
    missing: dict[str, int] = {}
    findings: list[Finding] = []

    @property
    def news(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.reason]


class Interop(msgspec.Struct, kw_only=True, tag_field="format", tag="espproof-interop"):
    """The whole matrix. `failed` are adapters that could not run (any more), with the reason."""

    espproof: str
    versions: dict[str, str]
    cells: list[Cell]
    failed: dict[str, str]
    only: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Course:
    """A history: which packets of the sender arrive in which order. `start` is the number of the last packet before."""

    name: str
    start: int
    count: int
    """Packets that the sender is given: more than arrive, so that it sends the same for receivers of all windows."""
    arrivals: tuple[tuple[str, int], ...]
    """(what is being tried, index of the sender's packet)"""
    burst: bool = False
    ends: bool = False
    """The numbers are used up within it: what the sender is given beyond them must be dropped."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first thing that is wrong: `what` in a few words, and at which arrival (or sent packet)."""

    what: str
    at: int
    expected: str
    got: str
    verdict: Verdict = Verdict.FAIL


class _Missing(Exception):
    """An implementation answered that it cannot."""


@dataclass
class Side:
    """One open implementation."""

    name: str
    adapter: Adapter
    caps: Capabilities
    failures: int = 0
    sent: dict[tuple[Sa, bool, tuple[Octets, ...]], list[Outcome] | Wrong] = field(default_factory=dict)
    """By SA, whether in one burst, and the packets it was given."""

    def take(self, case: Case, who: str) -> list[Outcome] | Wrong:
        """One outcome per packet, bursts taken apart; or how it failed."""
        try:
            done = self.adapter.execute(case)
        except Exception as failure:  # what else escapes is the adapter's own mistake
            self.failures += 1
            verdict = _FAILURES.get(type(failure), Verdict.ADAPTER_ERROR)
            return Wrong(f"{who}: {verdict.value}", 0, "an answer", f"{type(failure).__name__}: {failure}", verdict)
        outcomes: list[Outcome] = []
        for outcome in done.steps:
            outcomes += outcome.results if isinstance(outcome, Burst) else (outcome,)
        for outcome in (*done.setup, *outcomes):
            if isinstance(outcome, Unsupported):
                raise _Missing(f"{self.name}: {outcome.what}")
        refused = next((outcome for outcome in done.setup if not isinstance(outcome, Done)), None)
        if refused is not None:
            return Wrong(f"{who}: SA refused", 0, "done", tell(refused))
        return outcomes


# ------------------------------------------------------------------------------------------------------- combinations


def common(sender: Capabilities, receiver: Capabilities) -> Capabilities | str:
    """What both can do, as far as it makes SAs that have to be the same; or in words what they have not in common."""
    encryption = {
        name: sizes
        for name, own in sender.encryption.items()
        if (sizes := tuple(size for size in own if size in receiver.encryption.get(name, ())))
    }
    integrity = tuple(one for one in sender.integrity if one in receiver.integrity)
    modes = tuple(one for one in sender.modes if one in receiver.modes)
    families = tuple(one for one in sender.families if one in receiver.families)
    esn = tuple(one for one in sender.esn if one in receiver.esn)
    together = {
        name: sizes
        for name, sizes in encryption.items()
        if any((auth == "NONE") == ENCRYPTION[name].aead for auth in integrity)
    }
    needs: dict[str, object] = {
        "direction out of the sender": "out" in sender.directions,
        "direction in of the receiver": "in" in receiver.directions,
        "encryption in common": encryption,
        "encryption and integrity in common": together,
        "mode in common": modes,
        "family in common": families,
        "kind of sequence numbers in common": esn,
    }
    if missing := [name for name, there in needs.items() if not there]:
        return f"no {missing[0]}"
    aead = {ENCRYPTION[name].aead for name in together}
    return Capabilities(
        encryption=together,
        integrity=tuple(auth for auth in integrity if (auth == "NONE") in aead),
        modes=modes,
        families=families,
        esn=esn,
        udp=tuple(version for version in sender.udp if version in receiver.udp),
        replay_windows=None,  # the receiver's own affair: see `_windows`
    )


@cache
def _space(shared: bytes) -> OptionSpace:
    """The space of these capabilities, in JSON: many pairs have the same in common."""
    return OptionSpace(msgspec.json.decode(shared, type=Capabilities))


def combinations(shared: Capabilities, known: list[Options]) -> list[Options]:
    """A pairwise cover. Rows that other pairs have brought up are taken first, as their packets are there already."""
    space = _space(msgspec.json.encode(shared))
    left = set(space.pairs)
    chosen = []
    for row in [*known, *space.rows]:
        covered = pairs_of(row)
        if covered <= space.pairs and covered & left:
            left -= covered
            chosen.append(row)
    known += [row for row in chosen if row not in known]
    return chosen


def _windows(caps: Capabilities) -> list[int]:
    """The receiver's windows, which the rows take in turn."""
    sizes = window_sizes(caps)
    small = [size for size in sizes if size <= LARGEST_WINDOW]
    return (small or [min(sizes)])[:4] + ([0] if 0 in small[4:] else [])


def _name(row: Options, window: int) -> str:
    parts = [f"{row.encr}-{8 * row.key_size}" if row.key_size else row.encr]
    parts += [row.auth] if row.auth != "NONE" else []
    parts += [row.mode, row.family, *(["ESN"] if row.esn else []), *(["UDP"] if row.udp else [])]
    return " ".join([*parts, f"window {window}" if window else "no window"])


def _sa(row: Options, caps: Capabilities, direction: Literal["in", "out"], window: int, sequence: int) -> Sa:
    """One side's view of the SA. What only its own header fields need are values that this side has."""
    near, far = packets.GATEWAYS[int(row.family[3])][0]
    material = 0x2E5B
    return Sa(
        name="sa",
        direction=direction,
        spi=0x0A1B2C3D,
        mode="tunnel" if row.mode == "tunnel" else "transport",
        source=near,
        destination=far,
        encr=row.encr,
        encr_key=Octets(values.octets(material, "encr", row.key_size)),
        salt=Octets(values.octets(material, "salt", ENCRYPTION[row.encr].salt_size)),
        auth=row.auth,
        auth_key=Octets(values.octets(material, "auth", INTEGRITY[row.auth].key_size)),
        esn=row.esn,
        sequence=SequenceNumber(sequence),
        replay_window=window,
        udp=UdpEncapsulation() if row.udp else None,
        dscp="copy" if "copy" in caps.dscp else 0x2B,
        ecn=caps.ecn[0] if caps.ecn else "normal",
        df=caps.df[0] if caps.df else "copy",
        lookup="spi" if "spi" in caps.lookup else caps.lookup[0],
    )


def _plain(sa: Sa, family: str, course: Course, limit: int) -> list[Octets]:
    """Inner packets of mixed lengths and protocols, Not-ECT, without options; the largest has `limit` octets."""
    version = int(family[0])
    if sa.mode == "tunnel":
        ends = packets.hosts(version, "out")
    else:
        ends = (ip_address(sa.source).packed, ip_address(sa.destination).packed)
    head = 20 if version == 4 else 40
    lengths = [length for length in _LENGTHS if length < limit - head - 8]
    made = []
    for index in range(course.count):
        empty = (EMPTY, index) in course.arrivals
        protocol = packets.UDP if index % 3 == 1 and not empty else packets.EXPERIMENTAL
        head_here = head + (8 if protocol == packets.UDP else 0)
        length = lengths[index] if index < len(lengths) else 1 + index % 16
        if index == len(lengths):
            length = limit - head_here
        if empty:
            length = 0
        recipe = packets.Recipe(version=version, protocol=protocol, length=length, identification=0x1D2C + index)
        made.append(Octets(packets.build(recipe, *ends)))
    return made


# ----------------------------------------------------------------------------------------------------------- histories


def courses(esn: bool, window: int, start: int = 0) -> list[Course]:
    """The histories of an SA. Without a window nothing is said about packets that come twice or late."""
    sweep = len(_LENGTHS) + 1
    arrivals = [("in order", index) for index in range(sweep)]
    burst = list(arrivals)
    at = sweep
    if window:
        twice = "received twice"
        arrivals += [(twice, index) for index in (at - 1, at, at, at + 1, at + 1, at)]
        burst += [(twice, sweep - 1), (twice, sweep - 2)]
        at += 2
        inside = (at + window - 1, at, at + 1, at + window // 2, at + window - 2)
        arrivals += [("late, inside the window", index) for index in inside]
        at += window
        arrivals += [("late, beyond the window", index) for index in (at + window, at, at + 1)]
        at += window + 1
    jump = max(window, 32)
    arrivals += [("loss of more than the window", index) for index in (at + jump, at + jump + 1)]
    arrivals += [("received before the loss", at - 1)] if window else []
    most = sweep + 3 * max(window, LARGEST_WINDOW) + 6
    arrivals += [(EMPTY, most - 1)]
    wrap = "across 2^32" if esn else "the last numbers"
    count = 2 * BEFORE_WRAP
    order = list(range(count if esn else BEFORE_WRAP))
    if esn and window:
        late = BEFORE_WRAP - 2  # from before the boundary, when numbers beyond it have been received
        order = [*range(late), *range(late + 1, count), late, late]
    last = tuple((wrap, index) for index in order)
    return [
        Course("one by one", start, most, tuple(arrivals)),
        Course("burst", start, sweep, tuple(burst), burst=True),
        Course(wrap, 2**32 - 1 - BEFORE_WRAP, count, last, ends=not esn),
    ]


def due(numbers: Sequence[int], window: int) -> list[bool]:
    """Which of these arrivals come out: those that are new and not older than the window; all, if there is none."""
    highest, seen, result = 0, set(), []
    for number in numbers:
        new = not window or (number not in seen and number > highest - window)
        seen.add(number)
        highest = max(highest, number)
        result.append(new)
    return result


# ------------------------------------------------------------------------------------------------------------- a cell


@dataclass
class _Trial:
    """One combination with one history between two sides."""

    sender: Side
    receiver: Side
    row: Options
    window: int
    course: Course

    def __post_init__(self) -> None:
        limit = min(LARGEST, min(self.sender.caps.max_packet, self.receiver.caps.max_packet) - OVERHEAD)
        self.out = _sa(self.row, self.sender.caps, "out", 64, self.course.start)
        begin = 0 if self.course.start < 2**31 else self.course.start
        self.into = _sa(self.row, self.receiver.caps, "in", self.window, begin)
        self.plain = _plain(self.out, self.row.family, self.course, limit)

    def missing(self) -> str | None:
        for side, sa in ((self.sender, self.out), (self.receiver, self.into)):
            lacking = side.caps.lacks(sa)
            if lacking:
                return f"{side.name}: {lacking}"
        return None

    def sender_case(self, count: int) -> Case:
        plain = tuple(self.plain[:count])
        steps: tuple[Step, ...] = tuple(Outbound(sa="sa", packet=packet) for packet in plain)
        if self.course.burst:
            steps = (OutboundBurst(sa="sa", packets=plain),)
        return Case(version=1, sas=(self.out,), steps=steps)

    def receiver_case(self, sent: Sequence[Outcome], order: Sequence[int]) -> Case:
        wire = [outcome.packet for index in order if isinstance(outcome := sent[index], Sent)]
        expect: list[Delivered | Dropped] = [
            Delivered(packet=self.plain[index]) if comes else Dropped()
            for index, comes in zip(order, self._due(order), strict=True)
        ]
        if self.course.burst:
            steps: tuple[Step, ...] = (InboundBurst(packets=tuple(wire), expect=Burst(results=tuple(expect))),)
        else:
            steps = tuple(Inbound(packet=one, expect=want) for one, want in zip(wire, expect, strict=True))
        return Case(version=1, sas=(self.into,), steps=steps)

    def number(self, index: int) -> int:
        return self.course.start + 1 + index

    def _due(self, order: Sequence[int]) -> list[bool]:
        return due([self.number(index) for index in order], self.window)

    def send(self) -> list[Outcome] | Wrong:
        """What the sender makes of the packets: asked once, however many receivers there are."""
        key = (self.out, self.course.burst, tuple(self.plain))
        if key not in self.sender.sent:
            self.sender.sent[key] = self._sent(self.sender.take(self.sender_case(self.course.count), "sender"))
        return self.sender.sent[key]

    def _sent(self, outcomes: list[Outcome] | Wrong) -> list[Outcome] | Wrong:
        if isinstance(outcomes, Wrong):
            return outcomes
        if len(outcomes) != self.course.count:
            return Wrong("sender: outcomes missing", 0, f"{self.course.count} outcomes", f"{len(outcomes)}")
        for index, outcome in enumerate(outcomes):
            over = self.course.ends and self.number(index) >= 2**32
            if over and isinstance(outcome, Sent):
                return Wrong("sender: number cycles", index, "dropped, as all numbers are used", tell(outcome))
            if not over and not isinstance(outcome, Sent):
                return Wrong("sender: not sent", index, "sent", tell(outcome))
        return outcomes

    def receive(self, sent: Sequence[Outcome], order: Sequence[int]) -> Wrong | None:
        """What is wrong first when these packets of the sender arrive in this order."""
        outcomes = self.receiver.take(self.receiver_case(sent, order), "receiver")
        if isinstance(outcomes, Wrong):
            return outcomes
        if len(outcomes) != len(order):
            return Wrong("receiver: outcomes missing", 0, f"{len(order)} outcomes", f"{len(outcomes)}")
        hops = self.sender.caps.forwards + self.receiver.caps.forwards
        for at, (index, comes, got) in enumerate(zip(order, self._due(order), outcomes, strict=True)):
            if not comes and isinstance(got, Delivered):
                return Wrong("replay came out", at, "dropped", tell(got))
            if comes and not isinstance(got, Delivered):
                return Wrong("not delivered", at, "delivered", tell(got))
            if comes and isinstance(got, Delivered) and got.packet not in _behind(self.plain[index], hops):
                return Wrong("changed on the way", at, self.plain[index].hex(), got.packet.hex())
        return None

    def run(self) -> Finding | None:
        """`_Missing` where one of them cannot."""
        sent = self.send()
        if isinstance(sent, Wrong):
            return self._finding(sent, sent.what, sent.at, self.sender_case(sent.at + 1), None)
        order = [index for _, index in self.course.arrivals]
        wrong = self.receive(sent, order)
        if wrong is None:
            return None
        phase = self.course.arrivals[wrong.at][0]
        kind = wrong.what if wrong.what.startswith("receiver") else f"{phase}: {wrong.what}"
        last = order[wrong.at]
        whole = wrong.verdict is not Verdict.FAIL  # where it died nobody knows
        short = self._shrunk(sent, order if whole else order[: wrong.at + 1], wrong.what)
        return self._finding(wrong, kind, last, self.sender_case(max(short) + 1), self.receiver_case(sent, short))

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

    def _finding(self, wrong: Wrong, kind: str, index: int, sender_case: Case, receiver_case: Case | None) -> Finding:
        return Finding(
            sender=self.sender.name,
            receiver=self.receiver.name,
            kind=kind,
            verdict=wrong.verdict,
            combination=_name(self.row, self.window),
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
        result.append(forwarded(result[-1]))
    return result


def meet(sender: Side, receiver: Side, known: list[Options], only: str = "*") -> Cell:
    """One cell of the matrix."""
    cell = Cell(sender=sender.name, receiver=receiver.name, missing={}, findings=[])
    shared = common(sender.caps, receiver.caps)
    if isinstance(shared, str):
        cell.missing[shared] = 1
        return cell
    windows = _windows(receiver.caps)
    for turn, row in enumerate(combinations(shared, known)):
        window = windows[(turn + turn // len(windows)) % len(windows)]
        for course in courses(row.esn, window, sender.caps.start_of("out")):
            if not fnmatchcase(f"{_name(row, window)}, {course.name}", only):
                continue
            if max(sender.failures, receiver.failures) >= MAX_FAILURES:
                missing: str | None = "an adapter that failed too often"
            else:
                missing = _try(cell, _Trial(sender, receiver, row, window, course))
            if missing is not None:
                cell.missing[missing] = cell.missing.get(missing, 0) + 1
    return cell


def _try(cell: Cell, trial: _Trial) -> str | None:
    """Count what comes of it; or what is missing."""
    missing = trial.missing()
    if missing is None:
        try:
            _count(cell, trial.run())
        except _Missing as error:
            return str(error)
    return missing


def _count(cell: Cell, found: Finding | None) -> None:
    if found is None:
        cell.right += 1
        return
    cell.wrong += 1
    for known in cell.findings:
        if known.kind == found.kind:
            known.count += 1
            return
    cell.findings.append(found)


# ---------------------------------------------------------------------------------------------------------- the matrix


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


DEFAULT = "interop_expected.toml"


def read_deviations(path: Path | None) -> tuple[Deviation, ...]:
    """The `[[deviation]]` entries of a TOML file, by default the one that comes with the suite."""
    try:
        text = (path or files("espproof.conformance") / DEFAULT).read_text(encoding="utf-8")
        return tuple(msgspec.convert(tomllib.loads(text).get("deviation", []), list[Deviation]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Misuse(f"{path or DEFAULT}: {error}") from error


def compare(result: Interop, deviations: Sequence[Deviation]) -> None:
    """Fill in the reasons of what is known."""
    for cell in result.cells:
        for found in cell.findings:
            for known in deviations:
                pairs: Any = ((found.sender, known.sender), (found.receiver, known.receiver), (found.kind, known.kind))
                if all(fnmatchcase(name, pattern) for name, pattern in pairs):
                    found.reason = known.reason
                    break
