"""The reference as an implementation under test: it must pass everything, and it carries the seeded defects.

It is written against a package of modules, not against `espproof.reference` itself, so that `adapters.seeded` can hand
it a private copy with a defect while the oracle keeps using the true one.
"""

from functools import lru_cache
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any

from espproof.adapters.base import Adapter
from espproof.adapters.capabilities import Capabilities, everything
from espproof.adapters.case import (
    Delivered,
    Done,
    Dropped,
    Lifetime,
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
from espproof.reference import drops, endpoint, errors, lifetime, replay, sa

_address = lru_cache(maxsize=1024)(ip_address)
"""Reading an address costs as much as all the rest of an SA, and there are few."""


def true_reference() -> SimpleNamespace:
    """The modules of `espproof.reference` that the adapter calls."""
    return SimpleNamespace(drops=drops, endpoint=endpoint, errors=errors, lifetime=lifetime, replay=replay, sa=sa)


class ReferenceAdapter(Adapter):
    """Runs Cases on the reference's `Endpoint`. Time begins at 0 and moves only with `advance_time`."""

    name = "reference"

    def __init__(self, modules: Any = None) -> None:
        self._modules = modules or true_reference()
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
            parameters = self.parameters(sa)
            self._endpoint.add(parameters, self.state(sa, parameters))
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
            return Passed(to=result.to)
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

    def advance_time(self, seconds: int) -> Done | Unsupported:
        self._now += seconds
        return Done()

    def parameters(self, sa: Sa) -> Any:
        """The SA in the reference's own words."""
        module = self._modules.sa
        return module.SecurityAssociation(
            name=sa.name,
            direction=sa.direction,
            spi=sa.spi,
            mode=sa.mode,
            source=_address(sa.source),
            destination=_address(sa.destination),
            encr=sa.encr,
            encr_key=bytes(sa.encr_key),
            salt=bytes(sa.salt),
            auth=sa.auth,
            auth_key=bytes(sa.auth_key),
            esn=sa.esn,
            replay_window=sa.replay_window,
            udp=sa.udp and module.UdpEncapsulation(sa.udp.source_port, sa.udp.destination_port),
            dscp=sa.dscp,
            ecn=sa.ecn,
            df=sa.df,
            hop_limit=sa.hop_limit,
            lookup=sa.lookup,
            lifetime=self._lifetime(sa),
            selectors=tuple(
                module.Selector(
                    None if selector.source is None else ip_network(selector.source, strict=False),
                    None if selector.destination is None else ip_network(selector.destination, strict=False),
                    selector.protocol,
                )
                for selector in sa.selectors
            ),
            resync_trigger=sa.resync_trigger,
            resync_limit=sa.resync_limit,
        )

    def _lifetime(self, sa: Sa) -> Any:
        module, limits = self._modules.lifetime, sa.lifetime
        if limits == Lifetime():
            return module.UNLIMITED
        return module.Lifetime(
            limits.soft_packets,
            limits.hard_packets,
            limits.soft_octets,
            limits.hard_octets,
            limits.soft_seconds,
            limits.hard_seconds,
        )

    def state(self, sa: Sa, parameters: Any) -> Any:
        """The state an SA starts in; `parameters` are those of the method before."""
        replay = None
        if sa.direction == "in":
            replay = self._modules.replay.ReplayWindow(sa.replay_window, int(sa.sequence), sa.received_offsets)
        return self._modules.sa.SaState(parameters.lifetime, int(sa.sequence), replay, added_at=self._now)
