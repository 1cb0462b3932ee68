"""The reference as an implementation under test: it must pass everything, and it carries the seeded defects.

It is written against a package of modules, not against `espproof.reference` itself, so that `adapters.seeded` can hand
it a private copy with a defect while the oracle keeps using the true one.
"""

from ipaddress import ip_address
from typing import Any

from espproof.adapters.base import Adapter
from espproof.adapters.capabilities import Capabilities, everything
from espproof.adapters.case import (
    Audit,
    AuditRecord,
    Delivered,
    Done,
    Dropped,
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
from espproof.adapters.translate import TRUE, security_association, starting_state


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
        self._now = 0

    def add_sa(self, sa: Sa) -> Done | Refused | Unsupported:
        try:
            parameters = security_association(sa, self._modules)
            self._endpoint.add(parameters, starting_state(sa, parameters, self._now, self._modules))
        except (self._modules.errors.Misuse, ValueError) as error:
            return Refused(reason=str(error))
        return Done()

    def delete_sa(self, name: str) -> Done | Refused | Unsupported:
        try:
            self._endpoint.delete(name)
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
            entry = self._endpoint.entry(name)
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

    def advance_time(self, seconds: int) -> Done | Unsupported:
        self._now += seconds
        return Done()


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
