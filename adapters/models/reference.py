"""The reference as an implementation under test: it must pass everything, and it carries the seeded defects.

It is written against a package of modules, not against `espproof.reference` itself, so that `adapters.seeded` can hand
it a private copy with a defect while the oracle keeps using the true one.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from espproof.adapters.base import Adapter
from espproof.adapters.capabilities import Capabilities, everything
from espproof.adapters.case import (
    AddPolicy,
    Audit,
    AuditRecord,
    Counters,
    Delivered,
    Done,
    Dropped,
    Emerged,
    EmergedPacket,
    Enter,
    EnterBurst,
    Event,
    Events,
    Host,
    Octets,
    Outbound,
    Passed,
    Refused,
    Sa,
    Sent,
    SequenceNumber,
    State,
    Unsupported,
)
from espproof.adapters.translate import (
    TRUE,
    host_of,
    layout_of,
    policy_of,
    security_association,
    selector_of,
    starting_state,
    state_of,
)


class ReferenceAdapter(Adapter):
    """Runs Cases on the reference's `Endpoint`. Time begins at 0 and moves only with `advance_time`."""

    name = "reference"

    def __init__(self, modules: Any = None) -> None:
        self._modules = modules or TRUE
        self.reset()

    @property
    def version(self) -> str:
        return "RFC 4303"

    def capabilities(self) -> Capabilities:
        return everything()

    def reset(self) -> None:
        self._endpoint = self._modules.endpoint.Endpoint()
        self._host: Any = None
        self._now = 0

    def configure(self, host: Host) -> Done | Refused | Unsupported:
        try:
            self._host = host_of(host, self._modules)
        except ValueError as error:
            return Refused(reason=str(error))
        return Done()

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        try:
            if self._host is not None:
                self._host.add(state_of(sa, self._now, self._modules), self._now)
                return Done()
            if sa.protocol == "ah":
                return Refused(reason="an SA of AH is a host's")
            parameters = security_association(sa, self._modules)
            self._endpoint.add(parameters, starting_state(sa, parameters, self._now, self._modules))
        except (self._modules.errors.Misuse, ValueError) as error:
            return Refused(reason=str(error))
        return Done()

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        try:
            (self._endpoint if self._host is None else self._host.states).delete(name)
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        return Done()

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        try:
            result = self._endpoint.outbound(
                step.sa, bytes(step.packet), step.iv, tfc=step.tfc, dummy=step.dummy, now=self._now
            )
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        return self._sent(result)

    def _sent(self, result: Any) -> Sent | Dropped:
        return Sent(packet=Octets(result)) if isinstance(result, bytes) else Dropped(reason=result.value)

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        return self._received(self._endpoint.inbound(bytes(packet), self._now))

    def _received(self, result: Any) -> Delivered | Dropped | Passed:
        if isinstance(result, self._modules.endpoint.Delivered):
            return Delivered(packet=Octets(result.packet), sa=result.sa)
        if isinstance(result, self._modules.endpoint.Passed):
            return Passed(to=result.to, octets=Octets(result.octets))
        return Dropped(reason=result.value)

    def read_state(self, name: str) -> State | Refused | Unsupported:
        try:
            entry = self._endpoint.entry(name) if self._host is None else self._host.states.named(name).entry
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        state, inbound = entry.state, entry.sa.direction == "in"
        return State(
            sequence=SequenceNumber(state.replay.highest if inbound else state.sequence),
            received_offsets=state.replay.received_offsets() if inbound and state.replay.size else None,
            packets=state.packets,
            octets=state.octets,
            lifetime=state.lifetime_status(self._now),
        )

    def read_audit(self) -> Audit | Unsupported:
        return Audit(records=tuple(map(_record, self._endpoint.audit.read())))

    def add_policy(self, step: AddPolicy) -> Done | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        try:
            policy = policy_of(step.policy, self._now, self._modules)
            (self._host.replace_policy if step.replace else self._host.spd.add)(policy)
        except ValueError as error:
            return Refused(reason=str(error))
        return Done()

    def delete_policy(self, name: str) -> Done | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        try:
            self._host.delete_policy(name)
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        return Done()

    def enter(self, step: Enter) -> Emerged | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        try:
            emerged = self._host.enter(
                step.side, bytes(step.packet), step.mark, self._now, segment=step.segment, way=step.way,
                layout=layout_of(step.layout, self._modules),
            )  # fmt: skip
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        return _emerged(emerged, self._host.memory.seen)

    def enter_burst(self, step: EnterBurst) -> Emerged | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        arrival = self._modules.xfrm.asynchrony.Arrival
        arrivals = [arrival(one.side, bytes(one.packet), one.mark, one.segment) for one in step.packets]
        try:
            return _emerged(self._host.enter_burst(arrivals, step.completions, step.room, self._now))
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))

    def read_counters(self) -> Counters | Unsupported:
        if self._host is None:
            return _NO_HOST
        return Counters(values={counter.value: count for counter, count in self._host.counters.items()})

    def read_events(self) -> Events | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        if self._host.key_manager is None:
            return Refused(reason="the host has no key manager")
        return Events(events=tuple(map(_event, self._host.key_manager.read())))

    def update_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        return self._of_sa(sa, lambda state: self._host.update(state, self._now))

    def reserve_spi(self, sa: Sa) -> Done | Refused | Unsupported:
        return self._of_sa(sa, lambda state: self._host.states.reserve(state.sa, self._now))

    def _of_sa(self, sa: Sa, change: Callable[[Any], None]) -> Done | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        try:
            change(state_of(sa, self._now, self._modules))
        except (self._modules.errors.Misuse, ValueError) as error:
            return Refused(reason=str(error))
        return Done()

    def flush_sas(self) -> Done | Unsupported:
        if self._host is None:
            return _NO_HOST
        self._host.flush()
        return Done()

    def flush_policies(self) -> Done | Unsupported:
        if self._host is None:
            return _NO_HOST
        self._host.clear_policies()
        return Done()

    def await_held(self) -> Emerged | Unsupported:
        return _NO_HOST if self._host is None else _emerged(self._host.release(self._now))

    def advance_time(self, seconds: int) -> Done | Unsupported:
        self._now += seconds
        if self._host is not None:
            self._host.pass_time(self._now)
        return Done()


_NO_HOST = Unsupported(what="a case without a host")


def _event(one: Any) -> Event:
    """An event of `reference.xfrm.events` in the words of a Case."""
    ends = [None if end is None else str(ip_address(end)) for end in (one.source, one.destination)]
    flow = None if one.flow is None else selector_of(one.flow)
    return Event(kind=one.kind.value, sa=one.sa, policy=one.policy, source=ends[0], destination=ends[1], flow=flow)


def _emerged(packets: Iterable[Any], seen: bytes | None = None) -> Emerged:
    told = [
        EmergedPacket(side=one.side, packet=Octets(one.packet), through=one.through, segment=one.segment)
        for one in packets
    ]
    return Emerged(packets=tuple(told), seen=None if seen is None else Octets(seen))


def _record(one: Any) -> AuditRecord:
    """A record of `reference.audit` in the words of a Case."""
    return AuditRecord(
        event=one.event.value,
        spi=one.spi,
        source=str(ip_address(one.source)),
        destination=str(ip_address(one.destination)),
        sequence=one.sequence,
        flow=one.flow,
    )
