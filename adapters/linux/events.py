"""What the kernel tells a key manager, in the words of a Case: what it sends to the groups ACQUIRE and EXPIRE. Pure."""

from ipaddress import ip_address
from typing import Any

from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    Done,
    Event,
    Events,
    Outcome,
    PortRange,
    ReadEvents,
    TrafficSelector,
    UpdateSa,
)
from espproof.adapters.exec import messages
from espproof.adapters.linux import association
from espproof.adapters.linux.netlink import xfrm
from espproof.adapters.linux.netlink.netlink import Malformed
from espproof.adapters.linux.netlink.records import Acquire, PolicyExpired

_WITH_PORTS = frozenset({1, 6, 17, 33, 58, 132, 136})
"""Protocols whose flow has ports, or ICMP type and code; of others the kernel says 0."""


class Names:
    """The names of a case's SAs and policies, by what the kernel says of them.

    A policy that has taken the place of another since events were last read has no name until they are read: which of the
    two is meant nobody can say.
    """

    def __init__(self) -> None:
        self._sas: dict[tuple[bytes, int, int], str] = {}
        self._policies: dict[tuple[bytes, int], str] = {}
        self._replaced: set[tuple[bytes, int]] = set()

    def learn(self, step: Any, outcome: Outcome) -> None:
        """A step was carried out."""
        if isinstance(step, messages.Reset):
            self._sas, self._policies = {}, {}
            self._replaced.clear()
        elif isinstance(step, AddSa | UpdateSa) and isinstance(outcome, Done):
            self._sas[association.sa_identity(step.sa)] = step.sa.name
        elif isinstance(step, AddPolicy) and isinstance(outcome, Done):
            known = association.identity(step.policy)
            if self._policies.get(known, step.policy.name) != step.policy.name:
                self._replaced.add(known)
            self._policies[known] = step.policy.name
        elif isinstance(step, ReadEvents):
            self._replaced.clear()

    def sa(self, one: xfrm.SaInfo) -> str | None:
        """None for a larval SA, which has no keys."""
        return self._sas.get((one.id.destination, one.id.spi, one.id.protocol))

    def policy(self, one: xfrm.PolicyInfo) -> str | None:
        known = one.selector.encode(), one.direction
        return None if known in self._replaced else self._policies.get(known)


def events(told: list[str], names: Names) -> Events:
    """The messages, each in hexadecimal. `Malformed` for one that says nothing to a key manager."""
    return Events(events=tuple(_event(bytes.fromhex(text), names) for text in told))


def _event(octets: bytes, names: Names) -> Event:
    (message,) = xfrm.decode(octets)
    match message.body:
        case xfrm.Expired(sa=sa, hard=hard):
            return Event(kind="hard" if hard else "soft", sa=names.sa(sa))
        case PolicyExpired(policy=policy, hard=hard):
            return Event(kind="hard" if hard else "soft", policy=names.policy(policy))
        case Acquire(id=wanted, source=source, selector=flow, policy=policy):
            family = xfrm.AF_INET6 if any(wanted.destination[4:]) or any(source[4:]) else xfrm.AF_INET
            return Event(
                kind="acquire",
                policy=names.policy(policy),
                source=_address(source, family),
                destination=_address(wanted.destination, family),
                flow=_flow(flow),
            )
    raise Malformed(f"a message of type {message.type.name} to a key manager")


def _flow(one: xfrm.Selector) -> TrafficSelector:
    def port(number: int) -> PortRange | None:
        return PortRange(first=number, last=number) if one.protocol in _WITH_PORTS else None

    return TrafficSelector(
        version=6 if one.family == xfrm.AF_INET6 else 4,
        source=_address(one.source, one.family),
        destination=_address(one.destination, one.family),
        protocol=one.protocol,
        source_ports=port(one.source_port),
        destination_ports=port(one.destination_port),
    )


def _address(octets: bytes, family: int) -> str:
    return str(ip_address(octets if family == xfrm.AF_INET6 else octets[:4]))
