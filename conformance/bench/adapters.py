"""How fast adapters are: packets one by one and in batches, cases of the suite, start-up, memory, where the time goes.

Traffic is one tunnel-mode SA per direction, IPv4 in IPv4, with AES-GCM-16 where the adapter has it, else with the first
algorithms that it declares; inner packets of `SIZES` octets, all of them new to the receiver. "One by one" hands over a
packet and awaits its outcome; "batched" hands over cases with bursts of `BURST` packets, reset and SA included. Inbound
packets are made by the reference. Cases are those of the quick profile, in this process, twice: drawn, as in a first run
of the suite, and recalled, as in every later one of the same seed (`recall`).

Times are wall clock, because adapters work in other processes; so this is no figure for a busy machine.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from espproof.adapters.base import Adapter, AdapterError
from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    Burst,
    Case,
    Delivered,
    Dropped,
    Inbound,
    InboundBurst,
    Octets,
    Outbound,
    OutboundBurst,
    Sa,
    Sent,
    SequenceNumber,
    Unsupported,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.checks.scenario import Target
from espproof.conformance.results.check import CheckResult
from espproof.conformance.running.check import Profile, run_check, target
from espproof.conformance.running.recall import Recall
from espproof.conformance.strategies import packets, sas
from espproof.reference.algorithms import ENCRYPTION

SIZES = (100, 1400)
"""Octets of the inner packet."""
BURST = 512
AT_LEAST: dict[str, float] = {
    "linux": 8000, "dpdk": 50_000, "libipsec": 15_000, "openconnect": 10_000, "wireshark": 10_000,
}  # fmt: skip
"""Packets per second, inbound and batched, of `SIZES[0]` octets."""
MOST_OWN_SHARE = {"dpdk": 0.6}
"""How much of a run's time may be the suite's own, beside this adapter."""


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of cases of the suite. `shares` of the time add up to 1; `own_share` is all but the adapter's."""

    cases: int
    cases_per_second: float
    shares: dict[str, float]
    own_share: float


class AdapterFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of one adapter. `packets`: "in 100 batched" -> packets per second."""

    adapter: str
    version: str
    algorithms: str
    start_seconds: float
    memory_mib: float
    """Resident memory of all processes that the adapter has started; 0 if it works in this one."""
    packets: dict[str, float]
    drawn: RunFigures
    recalled: RunFigures
    at_least: float | None
    most_own_share: float | None
    """The limit for `recalled`. Where cases are drawn and known deviations shrunk, that is most of the time."""

    @property
    def met(self) -> bool:
        fastest = self.packets.get(f"in {SIZES[0]} batched", 0.0)
        fast = self.at_least is None or fastest >= self.at_least
        return fast and (self.most_own_share is None or self.recalled.own_share <= self.most_own_share)


def measure(name: str, seconds: float) -> AdapterFigures:
    """All figures of the adapter of that name, in about so many seconds. `AdapterFailure` if it cannot, or errs."""
    before = _descendants()
    began = time.perf_counter()
    with open_adapter(name) as adapter:
        started = time.perf_counter() - began
        caps = adapter.capabilities()
        rates = _rates(adapter, caps, seconds * 0.6)
        memory = sum(_resident(pid) for pid in _descendants() - before) / (1 << 20)
        drawn, recalled = _cases(adapter, seconds * 0.4)
        sa = _sa(caps, "in")
        return AdapterFigures(
            adapter=name,
            version=adapter.version,
            algorithms=f"{sa.encr}-{8 * len(sa.encr_key)}" + ("" if sa.auth == "NONE" else f" {sa.auth}"),
            start_seconds=round(started, 3),
            memory_mib=round(memory, 1),
            packets=rates,
            drawn=drawn,
            recalled=recalled,
            at_least=AT_LEAST.get(name.partition(":")[0]),
            most_own_share=MOST_OWN_SHARE.get(name.partition(":")[0]),
        )


# ------------------------------------------------------------------------------------------------------------- packets


def _sa(caps: Capabilities, direction: Literal["in", "out"]) -> Sa:
    encr = "ENCR_AES_GCM_16" if "ENCR_AES_GCM_16" in caps.encryption else next(iter(caps.encryption))
    auth = next(name for name in caps.integrity if (name == "NONE") == ENCRYPTION[encr].aead)
    windows = caps.replay_windows
    sa = Sa(
        name=direction,
        direction=direction,
        spi=0x1A2B3C4D,
        mode="tunnel",
        **sas.ends(4, "out"),
        encr=encr,
        auth=auth,
        **sas.secrets(0x1A2B, encr, caps.encryption[encr][0], auth),
        esn=caps.esn[0],
        sequence=SequenceNumber(caps.start_of(direction)),
        **caps.simplest(),
    )
    if direction == "in":
        sa = msgspec.structs.replace(sa, replay_window=windows.minimum if windows is not None else 0)
    return sa


class _NotOffered(Exception):
    """The adapter answers unsupported: bursts are nothing that it must have."""


def _rates(adapter: Adapter, caps: Capabilities, seconds: float) -> dict[str, float]:
    rates: dict[str, float] = {}
    turns = [(direction, size, batched) for direction in caps.directions for size in SIZES for batched in (False, True)]
    for direction, size, batched in turns:
        inner = Octets(packets.build(packets.Recipe(length=size - 20), *packets.hosts(4, direction)))
        turn = _outbound if direction == "out" else _inbound
        work = turn(adapter, caps, inner, batched=batched)
        name = f"{direction} {size} {'batched' if batched else 'one by one'}"
        with suppress(_NotOffered):
            rates[name] = round(_rate(work, seconds / len(turns)), 1)
    return rates


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Packets per second; the first round only warms up."""
    work()
    began, done = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds or not done:
        done += work()
    return done / took if took else 0.0


def _outbound(adapter: Adapter, caps: Capabilities, inner: Octets, *, batched: bool) -> Callable[[], int]:
    sa = _sa(caps, "out")
    step = Outbound(sa="out", packet=inner)
    case = Case(version=1, sas=(sa,), steps=(OutboundBurst(sa="out", packets=(inner,) * BURST),))

    def one_by_one() -> int:
        adapter.reset()
        adapter.add_sa(sa)
        return _all(Sent, [adapter.outbound(step) for _ in range(BURST // 8)])

    return (lambda: _all(Sent, _burst(adapter, case))) if batched else one_by_one


def _inbound(adapter: Adapter, caps: Capabilities, inner: Octets, *, batched: bool) -> Callable[[], int]:
    sa = _sa(caps, "in")
    sender = ReferenceAdapter()
    sender.add_sa(msgspec.structs.replace(sa, name="out", direction="out", sequence=SequenceNumber(0)))
    protected = []
    for _ in range(BURST):
        sent = sender.outbound(Outbound(sa="out", packet=inner))
        assert isinstance(sent, Sent), sent
        protected.append(sent.packet)
    case = Case(version=1, sas=(sa,), steps=(InboundBurst(packets=tuple(protected)),))
    some = [Inbound(packet=packet) for packet in protected[: BURST // 8]]

    def one_by_one() -> int:
        adapter.reset()
        adapter.add_sa(sa)
        return _all(Delivered, [adapter.inbound(step.packet) for step in some])

    return (lambda: _all(Delivered, _burst(adapter, case))) if batched else one_by_one


def _burst(adapter: Adapter, case: Case) -> Sequence[object]:
    outcome = adapter.execute(case).steps[0]
    return outcome.results if isinstance(outcome, Burst) else [outcome]


def _all(kind: type[Sent | Delivered], outcomes: Sequence[object]) -> int:
    """How many packets that were; a speed at which packets are lost is none."""
    wrong = next((outcome for outcome in outcomes if not isinstance(outcome, kind)), None)
    if isinstance(wrong, Unsupported):
        raise _NotOffered
    if wrong is not None:
        told = wrong.reason if isinstance(wrong, Dropped) else wrong
        raise AdapterError(f"a packet that must be {kind.__name__.lower()} was not: {told}")
    return len(outcomes)


# --------------------------------------------------------------------------------------------------------------- cases


def _cases(adapter: Adapter, seconds: float) -> tuple[RunFigures, RunFigures]:
    """Check after check of the quick profile, for about so long; then the same ones with what was drawn."""
    aim = target(adapter)
    checks = list(all_checks().values())
    checks = checks[::7] + [check for number, check in enumerate(checks) if number % 7]
    with tempfile.TemporaryDirectory() as folder:
        recall = Recall.of(adapter, Path(folder))
        results: list[CheckResult] = []
        for check in checks:
            results.append(_run(check, adapter, aim, recall))
            if sum(result.seconds for result in results) >= seconds:
                break
        again = [_run(check, adapter, aim, recall) for check in checks[: len(results)]]
    return _figures(results), _figures(again)


def _run(check: Check, adapter: Adapter, aim: Target, recall: Recall) -> CheckResult:
    return run_check(check, adapter, aim, examples=Profile.QUICK.value, seed=1, recall=recall)


def _figures(results: Sequence[CheckResult]) -> RunFigures:
    ran = [result for result in results if result.examples]
    cases, took = sum(result.examples for result in ran), sum(result.seconds for result in ran)
    spent = {where: sum(result.spent[where] for result in ran) for where in ("reference", "adapter", "comparison")}
    spent["generation"] = took - sum(spent.values())
    return RunFigures(
        cases=cases,
        cases_per_second=round(cases / took, 1),
        shares={where: round(part / took, 3) for where, part in spent.items()},
        own_share=round(1 - spent["adapter"] / took, 3),
    )


# -------------------------------------------------------------------------------------------------------------- memory


def _descendants() -> set[int]:
    """The processes below this one."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                told = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = int(told[1])
    found: set[int] = set()
    wave = {os.getpid()}
    while wave:
        wave = {pid for pid, parent in parents.items() if parent in wave} - found
        found |= wave
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError):
        return 0
