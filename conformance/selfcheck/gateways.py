"""Hosts as small as they can be for what is declared, and policies that show whether they are for a packet."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities, HostCapabilities
from espproof.adapters.case import (
    AddPolicy,
    Case,
    Enter,
    Host,
    HostDirection,
    Octets,
    Policy,
    Sa,
    Side,
    Step,
    Template,
    TrafficSelector,
)
from espproof.conformance.selfcheck.rig import ABOUT, Flow, Rig
from espproof.conformance.strategies import packets


def host(caps: Capabilities, addresses: Sequence[str], wire: Sequence[str], **fields: Any) -> Host:
    """One that discards what no policy is for only where it must."""
    can = caps.host or HostCapabilities()
    forward = max(can.forward)
    directions: tuple[HostDirection, ...] = ("in", "out", "forward") if forward else ("in", "out")
    blocked = () if "pass" in can.unmatched else directions
    made = {"addresses": tuple(addresses), "wire": tuple(wire), "forward": forward, "blocked": blocked, **fields}
    return Host(**made)


def inward(caps: Capabilities) -> HostDirection:
    """The direction of policies for what comes from the wire for others."""
    return "forward" if max((caps.host or HostCapabilities()).forward) else "in"


def version(rig: Rig) -> int:
    return int(rig.caps.families[0][0])


def near(rig: Rig) -> bytes:
    return ip_address(packets.GATEWAYS[version(rig)][0][0]).packed


def far(rig: Rig) -> bytes:
    return packets.hosts(version(rig), "out")[1]


def out_of(rig: Rig) -> tuple[Flow, Sa]:
    """A tunnel out of a host, with a request id."""
    rig.need("a tunnel out", "tunnel" in rig.caps.modes and "out" in rig.caps.directions)
    flow = rig.flow("out", mode="tunnel")
    return flow, replace(flow.sa, reqid=0x102)


def into(rig: Rig) -> tuple[Flow, Sa]:
    """A tunnel into a host, with a request id."""
    rig.need("a tunnel in", "tunnel" in rig.caps.modes and "in" in rig.caps.directions)
    flow = rig.flow("in", mode="tunnel")
    return flow, replace(flow.sa, reqid=0x102)


def template(sa: Sa, **fields: Any) -> Template:
    return Template(
        **{"mode": "tunnel", "source": sa.source, "destination": sa.destination, "reqid": sa.reqid, **fields}
    )


def selector(of: int, **fields: Any) -> TrafficSelector:
    return TrafficSelector(version=6 if of == 6 else 4, **fields)


def adding(direction: HostDirection, of: int, *templates: Template, name: str = "policy", **fields: Any) -> AddPolicy:
    """A policy for all traffic of an IP version, if `fields` do not say otherwise."""
    made = {"selector": selector(of), "templates": templates, **fields}
    return AddPolicy(policy=Policy(name=name, direction=direction, **made), requirement=ABOUT)


def enter(side: Side, packet: bytes, **fields: Any) -> Enter:
    return Enter(side=side, packet=Octets(packet), requirement=ABOUT, **fields)


def shown(
    rig: Rig, *entering: Step, first: Sequence[Step] = (), policy: dict[str, Any] | None = None, **of: Any
) -> Case:
    """Steps without a policy, and behind one that discards what leaves or, where that cannot be, protects it. `policy` are
    fields of the policy, `of` of its selector."""
    can = rig.caps.host or HostCapabilities()
    its = {"selector": selector(version(rig), **of), **(policy or {})}
    if {"discard"} <= set(can.actions) and "pass" in can.unmatched:
        adds = adding("out", version(rig), action="block", **its)
        ends = (str(ip_address(near(rig))),), (str(ip_address(far(rig))),)
        return Case(version=1, id=ABOUT, host=host(rig.caps, *ends), steps=(*first, adds, *entering))
    _, sa = out_of(rig)
    adds = adding("out", version(rig), template(sa), **its)
    addresses, wire = (sa.source, str(ip_address(near(rig)))), (sa.destination, str(ip_address(far(rig))))
    return Case(version=1, id=ABOUT, host=host(rig.caps, addresses, wire), sas=(sa,), steps=(*first, adds, *entering))
