"""`espproof check ADAPTER --memory`: is the implementation as large as it was after thousands of packets of one kind?

A peer can send as many as it likes of what is dropped, and so can anybody: what stays behind of each of them is how a
gateway dies. Packets of each kind arrive in bursts, the next one never like the last; each window of 10,000 is weighed:

    first     warms up: tables, pools and caches reach their size
    others    grow by less than `PER_PACKET` octets for each packet, or by nothing: it is steady after the third;
              a kind that still grows in the eighth, at that rate on the average of all windows, leaks

What is weighed are the processes that the adapter has started, from outside: resident pages of their own, and what was
swapped out (`/proc/PID/status`). An adapter without processes is weighed by what Python has allocated; what a library in
C takes in this process is not seen. A window ends early where packets are slow (`WINDOW_SECONDS`): it takes a larger leak
to be seen then, and the report says how large. Address sanitizers keep what is freed: they are asked to keep little.

Of a guest kernel, what is weighed is all memory that it has ever touched: a small leak finds room in what it has freed.
A program that was built with a leak sanitizer reports when it ends: that is read too.
"""

import gc
import os
import re
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count, islice
from pathlib import Path
from typing import Literal

import msgspec

from espproof.adapters.base import Adapter, AdapterFailure
from espproof.adapters.case import (
    Burst,
    Done,
    InboundBurst,
    Lifetime,
    Octets,
    OutboundBurst,
    SequenceNumber,
    Step,
    UdpEncapsulation,
    Unsupported,
)
from espproof.adapters.exec.client import ExecAdapter
from espproof.adapters.printable import printable
from espproof.adapters.registry import open_adapter
from espproof.conformance.checks.scenario import Peer, Scenario
from espproof.conformance.selfcheck import processes
from espproof.conformance.selfcheck.item import NotApplicable
from espproof.conformance.selfcheck.rig import ABOUT, Flow, Rig
from espproof.conformance.strategies import packets, wire
from espproof.reference import ip
from espproof.reference.esp import NEXT_HEADER_DUMMY, trailer

WINDOW, BURST = 10_000, 500
"""Packets between two weighings, and at once."""
WINDOW_SECONDS = 5.0
"""After so long a window ends with the burst."""
PER_PACKET, LEAST = 16, 1 << 16
"""Octets that count as growth: for each packet of a window, and for any window (pages, garbage that waits)."""
ENOUGH, MOST = 3, 8
"""Windows after which a kind can be steady, and after which it leaks."""

_LEAKS = re.compile(r"SUMMARY: \w+Sanitizer: \d+ byte\(s\) leaked.*")

Verdict = Literal["steady", "leaks", "not measured", "not applicable"]


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of packet. `grown`: octets in each window, the first included; `sees`: the least leak for each
    packet that shows.
    """

    kind: str
    verdict: Verdict
    told: str = ""
    packets: int = 0
    outcomes: dict[str, int] = {}
    grown: tuple[int, ...] = ()
    sees: float = 0.0


class MemoryReport(msgspec.Struct, kw_only=True):
    """All kinds. `weighed` says what was weighed."""

    adapter: str
    adapter_version: str
    weighed: str
    kinds: tuple[Weighed, ...]
    seconds: float

    @property
    def correct(self) -> bool:
        """Whether nothing leaks, and all that the adapter can be sent was weighed."""
        return not any(one.verdict in ("leaks", "not measured") for one in self.kinds)


# ----------------------------------------------------------------------------------------------------- kinds of packets


@dataclass(frozen=True)
class Stream:
    """Packets without an end. `before` are steps that come first."""

    flow: Flow
    packet: Callable[[int], bytes]
    """The packet of that number, from 1 on."""
    before: tuple[Step, ...] = ()

    def step(self, numbers: Iterator[int]) -> Step:
        """The next burst."""
        burst = tuple(Octets(self.packet(number)) for number in islice(numbers, BURST))
        if self.flow.sa.direction == "out":
            return OutboundBurst(sa=self.flow.sa.name, packets=burst, requirement=ABOUT)
        return InboundBurst(packets=burst, requirement=ABOUT)


def _peer(flow: Flow) -> Peer:
    assert flow.peer is not None
    return flow.peer


def _forged(rig: Rig) -> Stream:
    flow = rig.flow("in")
    return Stream(flow, lambda number: bytes(flow.forged(number).packet))


def _right(rig: Rig) -> Stream:
    flow = rig.flow("in")
    return Stream(flow, flow.protected)


def _replayed(rig: Rig) -> Stream:
    rig.need("anti-replay", rig.caps.replay_windows)
    flow = rig.flow("in")
    again = flow.protected(1)
    return Stream(flow, lambda number: again, (flow.right(1),))


def _late(rig: Rig) -> Stream:
    """Left of the window."""
    rig.need("anti-replay", rig.caps.replay_windows)
    flow = rig.flow("in")
    return Stream(flow, flow.protected, (flow.right(1 << 24),))


def _unknown_spi(rig: Rig) -> Stream:
    flow = rig.flow("in")
    peer = _peer(flow)

    def packet(number: int) -> bytes:
        right = flow.protected(number)
        return wire.spi(right, peer.esp_length(right), flow.sa.spi ^ 0x5A000000 ^ number)

    return Stream(flow, packet)


def _short(rig: Rig) -> Stream:
    """ESP that ends before an ICV fits, with an IP header that says so."""
    flow = rig.flow("in")
    peer, plain = _peer(flow), flow.plain()

    def packet(number: int) -> bytes:
        right = flow.protected(number)
        return peer.wrap(plain, right[-peer.esp_length(right) :][: 4 + number % 12])

    return Stream(flow, packet)


def _cut(rig: Rig) -> Stream:
    """An IP packet that is shorter than it says."""
    flow = rig.flow("in")
    return Stream(flow, lambda number: flow.protected(number)[: -1 - number % 8])


def _sealed(rig: Rig, plaintext: Callable[[Flow], bytes]) -> Stream:
    """Something under a right ICV."""
    flow = rig.flow("in")
    inside, plain = plaintext(flow), flow.plain()
    return Stream(flow, lambda number: _peer(flow).seal(plain, inside, number))


def _with_trailer(flow: Flow, payload: bytes, next_header: int) -> bytes:
    return payload + trailer(_peer(flow).codec.padding_length(len(payload)), next_header)


def _wrong_trailer(rig: Rig) -> Stream:
    """More padding than there is."""
    return _sealed(rig, lambda flow: bytes(62) + bytes([255, 4]))


def _dummy(rig: Rig) -> Stream:
    return _sealed(rig, lambda flow: _with_trailer(flow, bytes(40), NEXT_HEADER_DUMMY))


def _nonsense(rig: Rig) -> Stream:
    """No packet of the kind that the SA's mode carries."""
    return _sealed(rig, lambda flow: _with_trailer(flow, b"\x55" * 40, 41 if flow.version == 4 else 4))


def _fragment(rig: Rig) -> Stream:
    """The first fragment of packets of which nothing else comes."""
    flow = rig.flow("in")
    return Stream(flow, lambda number: wire.fragments(flow.protected(number), (2,), number & 0xFFFF)[0])


def _unselected(rig: Rig) -> Stream:
    rig.need("selectors", rig.caps.selectors)
    elsewhere = Scenario.selector(ip.parse(rig.flow("in").plain()), fits=False)
    flow = rig.flow("in", selectors=(elsewhere,))
    return Stream(flow, flow.protected)


def _expired(rig: Rig) -> Stream:
    rig.need("lifetime packets", "packets" in rig.caps.lifetimes)
    flow = rig.flow("in", lifetime=Lifetime(hard_packets=1))
    return Stream(flow, lambda number: flow.protected(number + 1), (flow.right(1),))


def _other_protocol(rig: Rig) -> Stream:
    """Plain TCP between the SA's own addresses."""
    flow = rig.flow("in")
    source, destination = (ip_address(text).packed for text in (flow.sa.source, flow.sa.destination))
    version = 6 if ":" in flow.sa.destination else 4

    def packet(number: int) -> bytes:
        recipe = packets.Recipe(version=version, protocol=6, length=20, identification=number & 0xFFFF)
        return packets.build(recipe, source, destination)

    return Stream(flow, packet)


def _datagram(rig: Rig, payload: Callable[[int], bytes]) -> Stream:
    rig.need("udp", rig.caps.udp)
    flow = rig.flow("in", udp=UdpEncapsulation(), outer=rig.caps.udp[0])
    return Stream(flow, lambda number: _peer(flow).datagram(payload(number)))


def _sent(rig: Rig) -> Stream:
    flow = rig.flow("out")
    plain = flow.plain()
    return Stream(flow, lambda number: plain)


def _no_more_numbers(rig: Rig) -> Stream:
    rig.need("set_sequence", rig.caps.set_sequence)
    flow = rig.flow("out")
    last = 2**64 - 1 if flow.sa.esn else 2**32 - 1
    ended = Flow(msgspec.structs.replace(flow.sa, sequence=SequenceNumber(last - 1)), flow.version, None)
    plain = flow.plain()
    return Stream(ended, lambda number: plain, (flow.send(),))


KINDS: dict[str, Callable[[Rig], Stream]] = {
    "right": _right,
    "sent": _sent,
    "forged": _forged,
    "replayed": _replayed,
    "late": _late,
    "unknown-spi": _unknown_spi,
    "short": _short,
    "cut": _cut,
    "wrong-trailer": _wrong_trailer,
    "dummy": _dummy,
    "nonsense": _nonsense,
    "fragment": _fragment,
    "unselected": _unselected,
    "expired": _expired,
    "other-protocol": _other_protocol,
    "keepalive": lambda rig: _datagram(rig, lambda number: b"\xff"),
    "ike": lambda rig: _datagram(rig, lambda number: bytes(4) + number.to_bytes(24, "big")),
    "no-more-numbers": _no_more_numbers,
}
"""What arrives, and in the end what is to be sent and cannot: kind -> its packets."""


# ------------------------------------------------------------------------------------------------------------ weighing


def weigh(name: str, *, tick: Callable[[str], None] | None = None) -> MemoryReport:
    """Weigh the adapter of that name with each kind of packet. `AdapterFailure` if it cannot even start."""
    began = time.perf_counter()
    with _sanitizers_keep_little(), closing(open_adapter(name)) as adapter:
        rig = Rig(adapter, adapter.capabilities())
        rig.execute(rig.traffic())
        inside = not processes.programs()
        with _traced(inside):
            kinds = []
            for kind in KINDS:
                if tick:
                    tick(f"{name}: {kind}")
                kinds.append(_kind(rig, kind, allocated if inside else resident))
        version = adapter.version
    return MemoryReport(
        adapter=name,
        adapter_version=version,
        weighed="what Python has allocated" if inside else "its processes",
        kinds=(*kinds, *_at_the_end(adapter)),
        seconds=round(time.perf_counter() - began, 1),
    )


def _at_the_end(adapter: Adapter) -> Iterator[Weighed]:
    """What a leak sanitizer said when the program of an adapter that is closed ended."""
    said = adapter.last_words if isinstance(adapter, ExecAdapter) else ""
    if found := _LEAKS.search(said):
        yield Weighed(kind="the end", verdict="leaks", told=printable(found.group()))


def _kind(rig: Rig, kind: str, scales: Callable[[], int]) -> Weighed:
    """One kind, as long as it takes to be sure."""
    outcomes: Counter[str] = Counter()
    grown: list[int] = []
    size, sent = WINDOW, 0
    try:
        stream = KINDS[kind](rig)
        lacking = rig.caps.lacks(stream.flow.sa)
        if lacking:
            raise NotApplicable(lacking)
        _prepare(rig.adapter, stream)
        numbers = count(1)
        weight = scales()
        while len(grown) < MOST and not (len(grown) >= ENOUGH and _steady(grown, size)):
            done = _window(rig.adapter, stream, numbers, size, outcomes)
            sent += done
            size = done
            grown.append(-weight + (weight := scales()))
    except NotApplicable as missing:
        return Weighed(kind=kind, verdict="not applicable", told=f"without {missing}")
    except AdapterFailure as failure:
        told = f"{type(failure).__name__.lower()}: {failure}"
        return Weighed(kind=kind, verdict="not measured", told=told, packets=sent, outcomes=dict(outcomes))
    leaks = not _steady(grown, size)
    each = sum(grown[1:]) / (len(grown) - 1) / size
    return Weighed(
        kind=kind, verdict="leaks" if leaks else "steady", told=f"{each:.0f} octets for each packet" if leaks else "",
        packets=sent, outcomes=dict(outcomes), grown=tuple(grown), sees=max(PER_PACKET, LEAST / size),
    )  # fmt: skip


def _steady(grown: list[int], size: int) -> bool:
    """Whether windows of so many packets, the first left out, grow by less than counts: the last one, or on average."""
    most = max(PER_PACKET * size, LEAST)
    return grown[-1] < most or sum(grown[1:]) < most * (len(grown) - 1)


def _prepare(adapter: Adapter, stream: Stream) -> None:
    """The SA, and what comes first. `NotApplicable` if the adapter cannot."""
    adapter.reset()
    outcomes = [adapter.add_sa(stream.flow.sa), *[adapter.take(step) for step in stream.before]]
    if not isinstance(outcomes[0], Done):
        raise NotApplicable(f"an SA for it ({type(outcomes[0]).__name__.lower()})")
    for outcome in outcomes:
        if isinstance(outcome, Unsupported):
            raise NotApplicable(outcome.what)


def _window(adapter: Adapter, stream: Stream, numbers: Iterator[int], size: int, outcomes: Counter[str]) -> int:
    """Packets until the window is full, or the time is over; how many they were."""
    done, until = 0, time.monotonic() + WINDOW_SECONDS
    while done == 0 or (done < size and (time.monotonic() < until or size < WINDOW)):
        outcome = adapter.take(stream.step(numbers))
        if isinstance(outcome, Unsupported):
            raise NotApplicable(outcome.what)
        outcomes.update(
            type(one).__name__.lower() for one in (outcome.results if isinstance(outcome, Burst) else (outcome,))
        )
        done += BURST
    return done


def allocated() -> int:
    """Octets that Python has allocated in this process."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def resident() -> int:
    """Octets of memory of their own that the processes below this one have, in pages or swapped out."""
    return sum(_resident(pid) for pid in processes.programs())


def _resident(pid: int) -> int:
    kib = 0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:")):
                kib += int(line.split()[1])
    return kib << 10


@contextmanager
def _traced(wanted: bool) -> Iterator[None]:
    """Python's allocations are counted in the block, if that is wanted."""
    if wanted and not tracemalloc.is_tracing():
        tracemalloc.start(1)
        try:
            yield
        finally:
            tracemalloc.stop()
    else:
        yield


@contextmanager
def _sanitizers_keep_little() -> Iterator[None]:
    """Programs with an address sanitizer that are started in the block keep no more than a megabyte of what is freed."""
    before = os.environ.get("ASAN_OPTIONS")
    little = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
    os.environ["ASAN_OPTIONS"] = f"{before}:{little}" if before else little
    try:
        yield
    finally:
        os.environ.pop("ASAN_OPTIONS") if before is None else os.environ.update(ASAN_OPTIONS=before)
