"""Cases that tell whether a host really has what it declares of a key manager: events, limits, reservations, updates."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import HostCapabilities
from espproof.adapters.case import (
    AddPolicy,
    AdvanceTime,
    Case,
    Enter,
    FlushPolicies,
    FlushSas,
    Host,
    Lifetime,
    Policy,
    PolicyLifetime,
    ReadEvents,
    ReserveSpi,
    Sa,
    Step,
    UpdateSa,
)
from espproof.conformance.checks.host import REACHES_LIMIT, EventKind
from espproof.conformance.selfcheck import gateways
from espproof.conformance.selfcheck.rig import ABOUT, Flow, Rig
from espproof.conformance.strategies import packets

Make = Callable[[Rig], Case]


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel out of a host, its policy, and a packet for it."""

    flow: Flow
    sa: Sa
    policy: Policy
    sending: Enter
    host: Host

    def case(self, *steps: Step, sa: Sa | None, policy: Policy | None = None) -> Case:
        first = AddPolicy(policy=policy or self.policy, requirement=ABOUT)
        return Case(version=1, id=ABOUT, host=self.host, sas=(sa,) if sa is not None else (), steps=(first, *steps))


def tunnel(rig: Rig) -> Tunnel:
    flow, sa = gateways.out_of(rig)
    source, destination = (str(ip_address(end)) for end in packets.hosts(flow.version, "out"))
    selector = gateways.selector(flow.version, source=source)
    return Tunnel(
        flow,
        sa,
        gateways.adding("out", flow.version, gateways.template(sa), selector=selector).policy,
        gateways.enter("plain", flow.plain()),
        gateways.host(rig.caps, (sa.source,), (sa.destination, destination), key_manager=True),
    )


_READ = ReadEvents(requirement=ABOUT)


def _acquire(rig: Rig) -> Case:
    one = tunnel(rig)
    return one.case(one.sending, one.sending, _READ, sa=None)


def _limited(kind: str) -> Make:
    def make(rig: Rig) -> Case:
        rig.need("lifetime packets", "packets" in rig.caps.lifetimes)
        one = tunnel(rig)
        limited = replace(one.sa, lifetime=Lifetime(**{f"{kind}_packets": 2}))
        reaching = replace(one.sending, behaviour=REACHES_LIMIT)
        return one.case(one.sending, reaching, one.sending, _READ, sa=limited)

    return make


def _of_use(rig: Rig) -> Case:
    rig.need("lifetime seconds", "seconds" in rig.caps.lifetimes)
    one = tunnel(rig)
    limited = replace(one.sa, lifetime=Lifetime(hard_use_seconds=10))
    wait = AdvanceTime(seconds=20, requirement=ABOUT)
    return one.case(wait, one.sending, wait, one.sending, sa=limited)


def _of_policies(rig: Rig) -> Case:
    rig.need("lifetime seconds", "seconds" in rig.caps.lifetimes)
    one = tunnel(rig)
    limited = replace(one.policy, action="block", templates=(), lifetime=PolicyLifetime(hard_seconds=10))
    return one.case(one.sending, AdvanceTime(seconds=20, requirement=ABOUT), one.sending, sa=None, policy=limited)


def _update(rig: Rig) -> Case:
    rig.need("lifetime packets", "packets" in rig.caps.lifetimes)
    one = tunnel(rig)
    limited = replace(one.sa, lifetime=Lifetime(hard_packets=2))
    return one.case(one.sending, UpdateSa(sa=one.sa, requirement=ABOUT), *(one.sending,) * 3, sa=limited)


def _reserve(rig: Rig) -> Case:
    one = tunnel(rig)
    reserving = ReserveSpi(sa=one.sa, requirement=ABOUT)
    return one.case(reserving, reserving, sa=None)


def _flush(rig: Rig) -> Case:
    one = tunnel(rig)
    all_sas, all_policies = FlushSas(requirement=ABOUT), FlushPolicies(requirement=ABOUT)
    return one.case(one.sending, all_sas, one.sending, all_policies, one.sending, sa=one.sa)


_CASES: Mapping[str, Make] = MappingProxyType(
    {
        "use_lifetimes": _of_use,
        "policy_lifetimes": _of_policies,
        "update_sa": _update,
        "reserve_spi": _reserve,
        "flush": _flush,
    }
)
_EVENTS: Mapping[EventKind, Make] = MappingProxyType(
    {"acquire": _acquire, "soft": _limited("soft"), "hard": _limited("hard")}
)


def cases(host: HostCapabilities) -> Iterator[tuple[str, bool, Make, Mapping[str, Any], bool]]:
    """What is probed, whether it is declared, the case that tells, changes for the oracle, and whether it can be there
    without being declared: nobody has to read what a key manager is told."""
    for kind, make in _EVENTS.items():
        yield f"host events {kind}", kind in host.events, make, {"host": replace(host, events=(kind,))}, True
    yield from ((f"host {name}", getattr(host, name), make, {}, False) for name, make in _CASES.items())
