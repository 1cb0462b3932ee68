"""The reference as an implementation under test: it must pass everything, and it carries the seeded defects.

It is written against a package of modules, not against `espproof.reference` itself, so that `adapters.seeded` can hand
it a private copy with a defect while the oracle keeps using the true one.
"""

from collections.abc import Iterable
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
from espproof.adapters.translate import TRUE, host_of, policy_of, security_association, starting_state, state_of


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
                self._host.states.add(state_of(sa, self._now, self._modules))
                return Done()
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
        return Sent(packet=Octets(result)) if isinstance(result, bytes) else Dropped(reason=result.value)

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        result = self._endpoint.inbound(bytes(packet), self._now)
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
            policy = policy_of(step.policy, self._modules)
            (self._host.spd.replace if step.replace else self._host.spd.add)(policy)
        except ValueError as error:
            return Refused(reason=str(error))
        return Done()

    def delete_policy(self, name: str) -> Done | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        try:
            self._host.spd.delete(name)
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        return Done()

    def enter(self, step: Enter) -> Emerged | Refused | Unsupported:
        if self._host is None:
            return _NO_HOST
        try:
            emerged = self._host.enter(step.side, bytes(step.packet), step.mark, self._now, segment=step.segment)
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        return _emerged(emerged)

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

    def advance_time(self, seconds: int) -> Done | Unsupported:
        self._now += seconds
        return Done()


_NO_HOST = Unsupported(what="a case without a host")


def _emerged(packets: Iterable[Any]) -> Emerged:
    return Emerged(
        packets=tuple(
            EmergedPacket(side=one.side, packet=Octets(one.packet), through=one.through, segment=one.segment)
            for one in packets
        )
    )


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
