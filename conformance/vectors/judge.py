"""An implementation against vectors: every step's own expectation is the oracle, the reference has no say.

What an implementation is free to choose is not held against it: drop reasons, the tunnel header's fields beyond version,
addresses and protocol unless the step is about them, a UDP checksum that is zero or right, and padding beyond the least
(RFC 4303 2.4 allows up to 255 octets). What a vector does not put to the test is fitted to what is declared (`fit`). A
vector that asks for something else that is not declared, or whose packet has another but legal padding, is inapplicable.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from espproof.adapters.base import Adapter, AdapterFailure, Transcript
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddSa,
    Case,
    DeleteSa,
    Delivered,
    Done,
    Dropped,
    Inbound,
    Outbound,
    Outcome,
    Passed,
    Refused,
    Sa,
    Sent,
    Step,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.selection import chosen
from espproof.adapters.translate import entry
from espproof.conformance.oracle.compare import inbound, tell
from espproof.conformance.oracle.judgement import SETUP
from espproof.conformance.oracle.verdict import NEWS, Verdict, of_failure
from espproof.conformance.vectors import files
from espproof.reference import ip, udp_encapsulation
from espproof.reference.endpoint import PROTOCOL_ESP
from espproof.reference.errors import Malformed
from espproof.reference.esp import Opened, take_trailer


class VectorResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is said about one vector. `step` is the first step that went wrong (`SETUP` for an SA), if one did."""

    id: str
    verdict: Verdict
    requirement: str = ""
    step: int | None = None
    message: str = ""
    missing: str = ""


class Judged(Protocol):
    """A vector that no adapter is asked about: it knows its own result."""

    @property
    def id(self) -> str: ...
    def result(self) -> VectorResult: ...


class VectorRun(msgspec.Struct, frozen=True, kw_only=True):
    """All of one adapter. `whole` is false if it was stopped early.

    `not_understood` are vectors of a peer's file that could not be read, each with the reason.
    """

    adapter: str
    adapter_version: str
    whole: bool
    vectors: int
    seconds: float
    verdicts: dict[str, int]
    results: tuple[VectorResult, ...]
    not_understood: tuple[str, ...] = ()

    @property
    def news(self) -> bool:
        return not self.whole or any(result.verdict in NEWS for result in self.results)

    @property
    def broken(self) -> bool:
        """Whether the adapter itself failed, or the file that vectors were read from."""
        return bool(self.not_understood) or any(result.verdict is Verdict.ADAPTER_ERROR for result in self.results)


def selected(only: str, vectors: Iterable[Case] | None = None) -> list[Case]:
    """The vectors of which the id, a flag or a requirement matches one of the comma-separated patterns ("": all)."""
    return chosen(
        files.vectors() if vectors is None else vectors,
        lambda case: (case.id, *case.flags, *case.requirements), only,
        none="no vector matches {}; `espproof vectors list` lists them",
    )  # fmt: skip


Tick = Callable[[str, int, int], None]
"""Called after each vector with its id, the number done and the number of all."""


def run(adapter: Adapter, name: str, vectors: Sequence[Case | Judged], tick: Tick | None = None) -> VectorRun:
    """Every vector in order. Ctrl-C ends early and the result says so."""
    started = time.perf_counter()
    results: list[VectorResult] = []
    caps = adapter.capabilities()
    try:
        for one in vectors:
            results.append(judge(one, adapter, caps) if isinstance(one, Case) else one.result())
            if tick:
                tick(one.id, len(results), len(vectors))
    except KeyboardInterrupt:
        pass
    counted = Counter(result.verdict for result in results)
    return VectorRun(
        adapter=name,
        adapter_version=adapter.version,
        whole=len(results) == len(vectors),
        vectors=len(vectors),
        seconds=round(time.perf_counter() - started, 3),
        verdicts={verdict.value: counted[verdict] for verdict in Verdict},
        results=tuple(results),
    )


def judge(case: Case, adapter: Adapter, caps: Capabilities) -> VectorResult:
    """One vector. Raises nothing but `KeyboardInterrupt` and our own bugs."""
    case = fit(case, caps)
    missing = next(_missing(case, caps), None)
    if missing is not None:
        return VectorResult(id=case.id, verdict=Verdict.INAPPLICABLE, missing=missing)
    try:
        got = adapter.execute(case)
    except AdapterFailure as failure:
        verdict = of_failure(failure)
        return VectorResult(id=case.id, verdict=verdict, message=str(failure))
    return compare(case, got, caps)


def compare(case: Case, got: Transcript, caps: Capabilities) -> VectorResult:
    """The verdict of outcomes that an adapter gave."""
    for outcome in (*got.setup, *got.steps):
        if isinstance(outcome, Unsupported):
            return VectorResult(id=case.id, verdict=Verdict.INAPPLICABLE, missing=outcome.what)
    if (len(got.setup), len(got.steps)) != (len(case.sas), len(case.steps)):
        return VectorResult(id=case.id, verdict=Verdict.ADAPTER_ERROR, message="not one outcome per SA and step")
    for sa, outcome in zip(case.sas, got.setup, strict=True):
        if not isinstance(outcome, Done):
            message = f"SA {sa.name}: {tell(outcome)}, expected done"
            return VectorResult(id=case.id, verdict=Verdict.FAIL, step=SETUP, message=message)
    if not case.requirements or all(step.expect is None for step in case.steps):
        return VectorResult(id=case.id, verdict=Verdict.INAPPLICABLE, missing="a requirement and an expectation")
    sas = {sa.name: sa for sa in case.every_sa()}
    number = {name: int(sa.sequence) for name, sa in sas.items()}
    for index, (step, outcome) in enumerate(zip(case.steps, got.steps, strict=True)):
        if isinstance(step, Outbound) and isinstance(step.expect, Sent):
            number[step.sa] += 1
            if _pads_more(sas[step.sa], number[step.sa], step, outcome):
                return VectorResult(id=case.id, verdict=Verdict.INAPPLICABLE, missing="the least padding")
        wrong = _wrong(step, outcome, sas, caps)
        if wrong:
            return VectorResult(
                id=case.id, verdict=Verdict.FAIL, requirement=step.requirement or "", step=index, message=wrong
            )
    return VectorResult(id=case.id, verdict=Verdict.PASS)


# -------------------------------------------------------------------------------------------------------- applicability


_ABOUT_WINDOWS = ("RFC4303-A2", "RFC4303-3.4.3-")
REASSEMBLED = "RFC4301-5.2-reassembly-first"
_ABOUT_ECN = ("RFC6040-", "RFC4301-5.1.2.2-ecn")

OUTER_FIELDS: dict[str, tuple[str, Callable[[ip.Packet], int]]] = {
    "RFC4301-5.1.2.1-dscp": ("DSCP", lambda packet: packet.dscp),
    "RFC4301-5.1.2.2-dscp": ("DSCP", lambda packet: packet.dscp),
    "RFC4301-5.1.2-dscp-fixed": ("DSCP", lambda packet: packet.dscp),
    "RFC4301-8.1-df": ("DF", lambda packet: packet.dont_fragment),
    "RFC4301-8.1-df-copy": ("DF", lambda packet: packet.dont_fragment),
    "RFC6040-4.1-ecn-outbound": ("ECN", lambda packet: packet.ecn),
    "RFC6040-4.1-ecn-compatibility": ("ECN", lambda packet: packet.ecn),
    "RFC4301-5.1.2.1-ttl": ("hop limit", lambda packet: packet.hop_limit),
    "RFC4301-5.1.2.2-hop-limit": ("hop limit", lambda packet: packet.hop_limit),
    "RFC4301-5.1.2.1-options-not-copied": ("header length", lambda packet: len(packet.header)),
    "RFC4301-5.1.2.2-extensions-not-copied": ("header length", lambda packet: len(packet.header)),
}
"""Requirement of a step -> the field of the tunnel header that it is about."""


def fit(case: Case, caps: Capabilities) -> Case:
    """The vector with the tunnel header options, the look-up, and unless it is about windows the window, of `caps`."""
    window_matters = any(name.startswith(_ABOUT_WINDOWS) for name in case.requirements)
    header_matters = any(name in OUTER_FIELDS for name in case.requirements)
    steps = tuple(
        msgspec.structs.replace(step, sa=_fit(step.sa, caps, window_matters, header_matters))
        if isinstance(step, AddSa)
        else step
        for step in case.steps
    )
    sas = tuple(_fit(sa, caps, window_matters, header_matters) for sa in case.sas)
    return msgspec.structs.replace(case, sas=sas, steps=steps)


def _fit(sa: Sa, caps: Capabilities, window_matters: bool, header_matters: bool) -> Sa:
    if sa.direction == "in":
        if sa.lookup == "spi" and "spi" not in caps.lookup:  # its packets go to the SA's own addresses
            sa = msgspec.structs.replace(sa, lookup=caps.lookup[0])
        windows = caps.replay_windows
        if window_matters or (windows is not None and windows.allows(sa.replay_window)):
            return sa
        return msgspec.structs.replace(sa, replay_window=0 if windows is None else windows.minimum)
    if header_matters:
        return sa
    dscp = sa.dscp if sa.dscp != "copy" or "copy" in caps.dscp else 0
    df = sa.df if sa.df in caps.df or not caps.df else caps.df[0]
    return msgspec.structs.replace(sa, dscp=dscp, df=df)


def _missing(case: Case, caps: Capabilities) -> Iterator[str]:
    """The capabilities that this vector needs and that are not declared."""
    every = [*case.sas, *(step.sa for step in case.steps if isinstance(step, AddSa))]
    for sa in every:
        lacking = caps.lacks(sa)
        if lacking:
            yield lacking
    sas = {sa.name: sa for sa in every}
    yield from _asked_for(case.requirements, caps)
    for step in case.steps:
        if isinstance(step, DeleteSa) and not caps.delete_sa:
            yield "delete_sa"
        if isinstance(step, Outbound):
            sa = sas[step.sa]
            if step.iv is not None and not caps.set_iv:
                yield "set_iv"
            if step.tfc and not caps.tfc:
                yield "tfc"
            if step.dummy and not caps.dummy:
                yield "dummy"
            if caps.forwards and sa.mode == "tunnel":
                yield "outbound packets that are not forwarded"
        for inner, outer in _families(step, sas):
            if f"{inner}in{outer}" not in caps.families:
                yield f"family {inner}in{outer}"
        if any(len(packet) > caps.max_packet for packet in _packets(step)):
            yield "max_packet"
        yield from _headers(step, caps)


def _asked_for(requirements: tuple[str, ...], caps: Capabilities) -> Iterator[str]:
    """What the requirements themselves need."""
    if any(name.startswith(_ABOUT_ECN) for name in requirements) and not caps.ecn:
        yield "ecn"
    if (
        any(OUTER_FIELDS[name][0] == "hop limit" for name in requirements if name in OUTER_FIELDS)
        and not caps.hop_limit
    ):
        yield "hop_limit"
    if REASSEMBLED in requirements and not caps.reassembles:
        yield "reassembles"


def _headers(step: Step, caps: Capabilities) -> Iterator[str]:
    """What is needed for the packets' options and extension headers, the inner ones of a tunnel among them."""
    for packet in _packets(step):
        try:
            header = ip.parse(packet).header
        except Malformed:
            continue
        if packet[0] >> 4 == 4 and len(header) > ip.IPV4_HEADER_SIZE and not caps.ipv4_options:
            yield "ipv4_options"
        if packet[0] >> 4 == 6 and len(header) > ip.IPV6_HEADER_SIZE and not caps.ipv6_extension_headers:
            yield "ipv6_extension_headers"


def _families(step: Step, sas: dict[str, Sa]) -> Iterator[tuple[int, int]]:
    """Inner and outer IP version of the packets that a step should lead to."""
    if isinstance(step, Outbound):
        yield step.packet[0] >> 4, 6 if ":" in sas[step.sa].destination else 4
    elif isinstance(step, Inbound) and isinstance(step.expect, Delivered):
        yield step.expect.packet[0] >> 4, step.packet[0] >> 4


def _packets(step: Step) -> Iterator[bytes]:
    if isinstance(step, Outbound | Inbound):
        yield step.packet
    if isinstance(step.expect, Sent | Delivered):
        yield step.expect.packet


# ------------------------------------------------------------------------------------------------------------- outcomes


def _wrong(step: Step, got: Outcome, sas: dict[str, Sa], caps: Capabilities) -> str:
    """What is wrong with an outcome, "" if nothing is."""
    want = step.expect
    if want is None:
        return ""
    if isinstance(want, Sent) and isinstance(got, Sent) and isinstance(step, Outbound):
        return _sent(sas[step.sa], got.packet, want.packet, step.requirement)
    if isinstance(want, Delivered | Passed):
        return next((message for _, message in inbound(got, want, caps, sas)), "")
    not_sent = isinstance(step, Outbound) and isinstance(got, Refused)
    if isinstance(want, Dropped) and (isinstance(got, Dropped) or not_sent):
        return ""
    if isinstance(want, Refused) and isinstance(got, Refused):
        return ""
    return "" if got == want else f"{tell(got)}, expected {tell(want)}"


def _sent(sa: Sa, got: bytes, want: bytes, about: str | None) -> str:
    try:
        mine, right = ip.parse(got), ip.parse(want)
    except Malformed as error:
        return f"what was sent cannot be read: {error}"
    if (mine.source, mine.destination) != (right.source, right.destination):
        return "sent with other addresses"
    if mine.protocol != right.protocol:
        return f"sent as protocol {mine.protocol}, expected {right.protocol}"
    if sa.udp is not None:
        want = _with_checksum_of(got, want)
        right = ip.parse(want)
    if mine.payload != right.payload:
        return f"sent other octets behind the IP header: {_difference(mine.payload, right.payload)}"
    if len(mine.header) + len(mine.payload) != len(got):
        return "octets follow the end of the packet"
    if sa.mode == "transport" and got != want:
        return f"sent another IP header: {_difference(mine.header, right.header)}"
    field, read = OUTER_FIELDS.get(about or "", ("", lambda packet: 0))
    if sa.mode == "tunnel" and field and read(mine) != read(right):
        return f"{field} of the tunnel header is {read(mine):d}, expected {read(right):d}"
    return ""


def _with_checksum_of(got: bytes, want: bytes) -> bytes:
    """What is expected, with the UDP checksum that was sent, where that is zero or right."""
    mine, right = ip.parse(got), ip.parse(want)
    sent = mine.payload[udp_encapsulation.CHECKSUM]
    legal = (bytes(2), udp_encapsulation.checksum(right.source, right.destination, right.payload).to_bytes(2, "big"))
    at = len(right.header) + udp_encapsulation.CHECKSUM.start
    return want[:at] + sent + want[at + 2 :] if sent in legal else want


def _pads_more(sa: Sa, number: int, step: Outbound, got: Outcome) -> bool:
    """Whether a longer packet than expected is right but for more padding than needed."""
    assert isinstance(step.expect, Sent)
    if not isinstance(got, Sent) or len(got.packet) <= len(step.expect.packet):
        return False
    codec = entry(sa).codec
    try:
        mine, right = ip.parse(got.packet), ip.parse(step.expect.packet)
    except Malformed:
        return False
    if mine.protocol != PROTOCOL_ESP or right.protocol != PROTOCOL_ESP:
        return False
    opened, expected = (_open(codec.open(packet.payload, number)) for packet in (mine, right))
    if opened is None or expected is None:
        return False
    return (opened.payload, opened.next_header) == (expected.payload, expected.next_header)


_REFERENCE = ReferenceAdapter()


def _open(plaintext: Any) -> Opened | None:
    opened = take_trailer(plaintext) if isinstance(plaintext, bytes) else None
    return opened if isinstance(opened, Opened) else None


def _difference(got: bytes, want: bytes) -> str:
    at = next((index for index, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
    if len(got) != len(want):
        return f"{len(got)} octets, expected {len(want)}; the first difference is at octet {at}"
    return f"octet {at} is {got[at]:#04x}, expected {want[at]:#04x}"
