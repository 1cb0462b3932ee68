"""No false alarm about hosts: nothing is asked that is not declared, and free choices are free."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address

import msgspec
import pytest

from espproof.adapters.base import Transcript
from espproof.adapters.capabilities import Capabilities, HostCapabilities
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AdvanceTime,
    AwaitHeld,
    Case,
    DeleteSa,
    DeviceEvent,
    Emerged,
    Enter,
    EnterBurst,
    Entering,
    FlushPolicies,
    FlushSas,
    Host,
    Mtus,
    ReadCounters,
    ReadDevice,
    ReadEvents,
    Refused,
    ReserveSpi,
    Step,
    Unsupported,
    UpdateSa,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.running.check import run_check, target
from espproof.conformance.running.tests.test_capability_subsets import WithDevice, drawn
from espproof.reference import ip
from espproof.reference.xfrm import counters, segmentation

_PROTOCOLS = {6: "tcp", 17: "udp"}


class Asked(WithDevice):
    """The reference, which remembers what it was asked beyond its capabilities."""

    def __init__(self, caps: Capabilities) -> None:
        super().__init__(caps)
        self.beyond: set[str] = set()

    def execute(self, case: Case) -> Transcript:
        assert self._caps.host is not None
        self.beyond |= {lacking for sa in case.sas if (lacking := self._caps.lacks(sa))}
        for step in case.steps:
            self.beyond |= set(_beyond_device(self._caps, step))
        if case.host is not None:
            self.beyond |= set(_beyond_host(self._caps.host, case.host))
            for step in case.steps:
                self.beyond |= set(_beyond(self._caps, self._caps.host, step))
                self.beyond |= set(_beyond_spd(self._caps.host, case.host, step))
        return super().execute(case)


def _beyond_host(can: HostCapabilities, host: Host) -> Iterator[str]:
    if host.key_manager and not can.events:
        yield "key_manager"
    if host.mtus != Mtus() and not (can.mtus and host.fragments in can.fragments):
        yield "mtus"
    if host.forward not in can.forward:
        yield f"forward {host.forward}"
    if "discard" not in can.unmatched and host.blocked:
        yield "unmatched discard"
    directions = {"in", "out", "forward"} if host.forward else {"in", "out"}
    if "pass" not in can.unmatched and set(host.blocked) != directions:
        yield "unmatched pass"
    if host.holds not in (0, can.holds):
        yield "holds"


def _beyond_device(caps: Capabilities, step: Step) -> Iterator[str]:
    if isinstance(step, ReadDevice) and caps.device is None:
        yield "device"
    if isinstance(step, DeviceEvent) and (caps.device is None or step.event not in caps.device.events):
        yield f"event {step.event}"


def _beyond_spd(can: HostCapabilities, host: Host, step: Step) -> Iterator[str]:
    if isinstance(step, AddPolicy) and step.policy.direction == "forward" and not host.forward:
        yield "direction forward"
    if isinstance(step, AddSa | UpdateSa | ReserveSpi) and step.sa.selectors and not can.sa_selectors:
        yield "sa_selectors"
    for one in step.packets if isinstance(step, EnterBurst) else [step] if isinstance(step, Enter) else []:
        if one.side == "wire" and not can.clear and not _is_protected(host, one.packet):
            yield "clear"


def _is_protected(host: Host, packet: bytes) -> bool:
    parsed = ip.parse(packet)
    return str(ip_address(parsed.destination)) in host.addresses and parsed.protocol in (17, 50, 51)


def _beyond(caps: Capabilities, can: HostCapabilities, step: Step) -> Iterator[str]:
    wanted = {
        AddSa: caps.delete_sa,
        DeleteSa: caps.delete_sa,
        AdvanceTime: "seconds" in caps.lifetimes,
        UpdateSa: can.update_sa,
        ReserveSpi: can.reserve_spi,
        ReadCounters: can.counters,
        ReadEvents: can.events,
        FlushSas: can.flush,
        FlushPolicies: can.flush,
        EnterBurst: can.bursts,
        AwaitHeld: can.holds,
    }
    if not wanted.get(type(step), True):
        yield type(step).__name__
    if isinstance(step, AddSa | UpdateSa | ReserveSpi) and (lacking := caps.lacks(step.sa)):
        yield lacking
    if isinstance(step, AddPolicy) and (lacking := caps.lacks_policy(step.policy)):
        yield lacking
    if isinstance(step, EnterBurst) and (step.completions or step.room) and not can.asynchronous:
        yield "asynchronous"
    for one in step.packets if isinstance(step, EnterBurst) else [step] if isinstance(step, Enter) else []:
        yield from _beyond_packet(can, one)


def _beyond_packet(can: HostCapabilities, one: Enter | Entering) -> Iterator[str]:
    if one.side == "local" and not can.local:
        yield "local"
    if one.mark and not can.marks:
        yield "marks"
    segments = {"plain": can.segments, "local": can.local_segments if isinstance(one, Enter) else ()}
    if isinstance(one, Enter) and one.side == "plain" and one.way in can.neighbours:
        segments["plain"] = ("udp",)
    if one.segment and _PROTOCOLS[ip.parse(one.packet).protocol] not in segments.get(one.side, ()):
        yield "segments"
    if isinstance(one, Entering):
        return
    neighbours = can.neighbours if one.side == "plain" else ()
    if one.way and one.way not in (*can.ways.get(one.side, ()), *neighbours):
        yield f"way {one.way} at {one.side}"
    if one.layout is not None:
        asked = {"pieces": one.layout.pieces, "room": one.layout.room is not None, "shared": one.layout.shared}
        yield from (f"layout {name}" for name, is_asked in asked.items() if is_asked and name not in can.layouts)


class Early(ReferenceAdapter):
    """A host whose SAs go with the packet that reaches their hard limit, which passes or not."""

    passes = True

    def enter(self, step: Enter) -> Emerged | Refused | Unsupported:
        emerged = super().enter(step)
        ended = self._ended()
        if self.passes or not ended:
            return emerged
        for one in ended:
            self._host.counters[
                counters.Counter.IN_STATE_EXPIRED if one == "in" else counters.Counter.OUT_STATE_EXPIRED
            ] += 1
        return Emerged(packets=())

    def enter_burst(self, step: EnterBurst) -> Emerged | Refused | Unsupported:
        emerged = super().enter_burst(step)
        if self.passes or not isinstance(emerged, Emerged) or not self._ended():
            return emerged
        return Emerged(packets=emerged.packets[:-1])

    def _ended(self) -> list[str]:
        """The directions of the SAs that have reached a limit, and go."""
        if self._host is None:
            return []
        return [one.sa.direction for one in list(self._host.states) if self._host.has_ended(one, self._now)]


class Earlier(Early):
    passes = False


@pytest.mark.parametrize("kind", [Early, Earlier])
def test_when_an_sa_ends_is_left_open(kind: type[Early]) -> None:
    """With the packet that reaches its limit or with the next one; checks about what a key manager is told take both."""
    adapter = kind()
    aim = target(adapter)
    for name, check in all_checks().items():
        if name.startswith(("xfrm-life", "xfrm-state", "xfrm-burst.ended")):
            result = run_check(check, adapter, aim, examples=20, seed=3)
            assert not result.counterexamples, (name, result.counterexamples[0].message)


@pytest.mark.parametrize("seed", range(6))
def test_a_host_is_asked_for_what_it_declares(seed: int) -> None:
    """Every check about a host or a device, with capabilities at random; with the first ones a host that can do nothing
    besides."""
    caps = drawn(seed)
    host = caps.host if caps.host is not None and seed else HostCapabilities()
    adapter = Asked(msgspec.structs.replace(caps, host=host))
    aim = target(adapter)
    beyond: dict[str, set[str]] = {}
    for name, check in all_checks().items():
        if name.startswith(("xfrm", "offload")):
            adapter.beyond = set()
            run_check(check, adapter, aim, examples=4, seed=seed)
            beyond |= {name: adapter.beyond} if adapter.beyond else {}
    assert beyond == {}


class Counting(ReferenceAdapter):
    """The reference, which remembers how many segments a connection of the host's own has had at most."""

    most = 0

    def execute(self, case: Case) -> Transcript:
        parts: Counter[bytes] = Counter()
        for step in case.steps:
            if isinstance(step, Enter) and step.side == "local" and step.segment:
                parsed = ip.parse(step.packet)
                if parsed.protocol == segmentation.PROTOCOL_TCP:
                    parts[parsed.payload[:4]] += len(segmentation.segments(step.packet, step.segment))
        self.most = max(self.most, *parts.values(), 0)
        return super().execute(case)


def test_no_connection_has_more_segments_than_promised() -> None:
    """Ten, which nobody acknowledges (RFC 6928); what is sent again is counted again."""
    adapter = Counting()
    aim = target(adapter)
    longer: dict[str, int] = {}
    for name, check in all_checks().items():
        if name.startswith("xfrm-own"):
            adapter.most = 0
            run_check(check, adapter, aim, examples=300, seed=3)
            longer |= {name: adapter.most} if adapter.most > 10 else {}
    assert longer == {}
