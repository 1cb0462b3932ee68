"""From a Case to the reference: an SA of the one in the words of the other.

The reference knows nothing of Cases, and is handed in as a package of modules: `TRUE` is the one that is right,
`adapters.seeded` has private copies with a mistake in them.
"""

from functools import lru_cache
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any

from espproof.adapters.case import (
    DeviceBreach,
    Host,
    Layout,
    Lifetime,
    Mark,
    Policy,
    PolicyLifetime,
    PortRange,
    Sa,
    TrafficSelector,
)
from espproof.reference import drops, endpoint, errors, lifetime, replay, sa
from espproof.reference.offload import aside, stack, whole
from espproof.reference.offload.connectx import device as connectx_device
from espproof.reference.offload.connectx import full, packet_port
from espproof.reference.offload.connectx import port as connectx_port
from espproof.reference.offload.fortville import machines
from espproof.reference.offload.fortville import port as fortville_port
from espproof.reference.offload.lookaside import port as lookaside_port
from espproof.reference.offload.niantic import device as niantic_device
from espproof.reference.offload.niantic import port as niantic_port
from espproof.reference.offload.niantic import virtual_port as niantic_virtual_port
from espproof.reference.xfrm import asynchrony, boundary, buffers, host, mtu, policy, protocols, states

TRUE = SimpleNamespace(
    drops=drops, endpoint=endpoint, errors=errors, lifetime=lifetime, replay=replay, sa=sa,
    xfrm=SimpleNamespace(
        asynchrony=asynchrony, boundary=boundary, buffers=buffers, host=host, mtu=mtu, policy=policy, protocols=protocols,
        states=states,
    ),
)  # fmt: skip
"""The modules of `espproof.reference` itself."""

OFFLOAD = SimpleNamespace(
    **vars(TRUE),
    offload=SimpleNamespace(
        stack=stack,
        aside=aside,
        whole=whole,
        niantic=SimpleNamespace(device=niantic_device, port=niantic_port, virtual_port=niantic_virtual_port),
        connectx=SimpleNamespace(device=connectx_device, full=full, packet_port=packet_port, port=connectx_port),
        lookaside=SimpleNamespace(port=lookaside_port),
        fortville=SimpleNamespace(machines=machines, port=fortville_port),
    ),
)
"""With the devices, which few ask for."""

_address = lru_cache(maxsize=1024)(ip_address)
"""Reading an address costs as much as all the rest of an SA, and there are few."""


def security_association(one: Sa, modules: Any = TRUE) -> Any:
    """`reference.sa.SecurityAssociation`. `ValueError` for an address that is none, `Misuse` for what cannot be."""
    return modules.sa.SecurityAssociation(
        name=one.name,
        direction=one.direction,
        spi=one.spi,
        mode=one.mode,
        source=_address(one.source),
        destination=_address(one.destination),
        encr=one.encr,
        encr_key=bytes(one.encr_key),
        salt=bytes(one.salt),
        auth=one.auth,
        auth_key=bytes(one.auth_key),
        esn=one.esn,
        replay_window=one.replay_window,
        udp=one.udp and modules.sa.UdpEncapsulation(one.udp.source_port, one.udp.destination_port),
        dscp=one.dscp,
        ecn=one.ecn,
        df=one.df,
        hop_limit=one.hop_limit,
        lookup=one.lookup,
        lifetime=_lifetime(one.lifetime, modules),
        selectors=tuple(
            modules.sa.Selector(
                None if selector.source is None else ip_network(selector.source, strict=False),
                None if selector.destination is None else ip_network(selector.destination, strict=False),
                selector.protocol,
            )
            for selector in one.selectors
        ),
        resync_trigger=one.resync_trigger,
        resync_limit=one.resync_limit,
        protocol=one.protocol,
    )


def _lifetime(limits: Lifetime, modules: Any) -> Any:
    if limits == Lifetime():
        return modules.lifetime.UNLIMITED
    return modules.lifetime.Lifetime(
        limits.soft_packets,
        limits.hard_packets,
        limits.soft_octets,
        limits.hard_octets,
        limits.soft_seconds,
        limits.hard_seconds,
        limits.soft_use_seconds,
        limits.hard_use_seconds,
    )


def starting_state(one: Sa, parameters: Any, now: int = 0, modules: Any = TRUE) -> Any:
    """`reference.sa.SaState`: the state that an SA starts in at second `now`; `parameters` are its own."""
    window = None
    if one.direction == "in":
        window = modules.replay.ReplayWindow(one.replay_window, int(one.sequence), one.received_offsets)
    return modules.sa.SaState(parameters.lifetime, int(one.sequence), window, added_at=now)


def entry(one: Sa) -> endpoint.Entry:
    """The SA with its codec, to seal and open its packets with; its state begins anew and is the caller's."""
    return endpoint.Entry(security_association(one), sa.SaState())


def any_entry(one: Sa) -> protocols.AnyEntry:
    """The same of an SA of ESP or AH."""
    return protocols.entry_of(security_association(one), sa.SaState())


# ------------------------------------------------------------------------------------------------- a host around ESP


def host_of(one: Host, modules: Any = TRUE) -> Any:
    """`reference.xfrm.asynchrony.AsynchronousHost`, or `reference.xfrm.boundary.BoundaryHost` without `forward`.
    `ValueError` for an address that is none."""
    addresses, wire = ([_address(text).packed for text in texts] for texts in (one.addresses, one.wire))
    links = modules.xfrm.mtu.Links(one.mtus.wire, one.mtus.plain, one.fragments)
    make = modules.xfrm.asynchrony.AsynchronousHost if one.forward else modules.xfrm.boundary.BoundaryHost
    return make(addresses, wire, one.blocked, links, key_manager=one.key_manager, holds=one.holds)


def state_of(one: Sa, now: int = 0, modules: Any = TRUE) -> Any:
    """`reference.xfrm.states.State`. Errors as `security_association`."""
    parameters = security_association(one, modules)
    its_entry = modules.xfrm.protocols.entry_of(parameters, starting_state(one, parameters, now, modules))
    return modules.xfrm.states.State(its_entry, one.reqid, _mark(one.mark, modules), one.if_id)


def layout_of(one: Layout | None, modules: Any = TRUE) -> Any:
    """`reference.xfrm.buffers.Layout`."""
    return one and modules.xfrm.buffers.Layout(one.pieces, one.room, one.shared)


def policy_of(one: Policy, now: int = 0, modules: Any = TRUE) -> Any:
    """`reference.xfrm.policy.Policy`, put in at second `now`. `ValueError` for an address or a prefix that is none."""
    of, selector = modules.xfrm.policy, one.selector
    return of.Policy(
        name=one.name,
        direction=one.direction,
        selector=of.Selector(
            version=selector.version,
            source=None if selector.source is None else ip_network(selector.source, strict=False),
            destination=None if selector.destination is None else ip_network(selector.destination, strict=False),
            protocol=selector.protocol,
            source_ports=_range(selector.source_ports, modules),
            destination_ports=_range(selector.destination_ports, modules),
        ),
        action=one.action,
        priority=one.priority,
        mark=_mark(one.mark, modules),
        if_id=one.if_id,
        icmp_errors=one.icmp_errors,
        templates=tuple(
            of.Template(
                mode=template.mode,
                source=None if template.source is None else _address(template.source),
                destination=None if template.destination is None else _address(template.destination),
                spi=template.spi,
                reqid=template.reqid,
                optional=template.optional,
                protocol=template.protocol,
            )
            for template in one.templates
        ),
        lifetime=_policy_lifetime(one.lifetime, modules),
        added_at=now,
    )


def _policy_lifetime(limits: PolicyLifetime, modules: Any) -> Any:
    return modules.lifetime.Lifetime(soft_seconds=limits.soft_seconds, hard_seconds=limits.hard_seconds)


def selector_of(flow: Any) -> TrafficSelector:
    """The traffic that has exactly this flow (`reference.xfrm.policy.Flow`)."""
    ports = [
        None if port is None else PortRange(first=port, last=port) for port in (flow.source_port, flow.destination_port)
    ]
    return TrafficSelector(
        version=4 if flow.version == 4 else 6,
        source=str(ip_address(flow.source)),
        destination=str(ip_address(flow.destination)),
        protocol=flow.protocol,
        source_ports=ports[0],
        destination_ports=ports[1],
    )


def _range(ports: PortRange | None, modules: Any) -> Any:
    return ports and modules.xfrm.policy.Range(ports.first, ports.last)


def _mark(mark: Mark | None, modules: Any) -> Any:
    of = modules.xfrm.policy
    return of.ANY_MARK if mark is None else of.Mark(mark.value, mark.mask)


def breaches_of(found: Any) -> tuple[DeviceBreach, ...]:
    """What a model has to say against its driver (`reference.offload.rules.Breach`)."""
    return tuple(DeviceBreach(topic=one.rule.topic, words=str(one)) for one in found)
