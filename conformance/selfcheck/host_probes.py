"""Probes of what is declared of a host: of the host itself, and of each member of `HostCapabilities`."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddPolicy,
    Case,
    Enter,
    Host,
    Mark,
    Octets,
    Policy,
    PortRange,
    ReadCounters,
    Side,
    Step,
    TrafficSelector,
)
from espproof.conformance.selfcheck import key_manager
from espproof.conformance.selfcheck.probe import Probe
from espproof.conformance.selfcheck.rig import ABOUT, Rig
from espproof.conformance.strategies import packets, upper_layers

_PORT = 0x1F90


def host_probes(caps: Capabilities) -> Iterator[Probe]:
    """Of a host there are no parts where there is none."""
    yield Probe("host", caps.host is not None, _blocks())
    if caps.host is None:
        return
    host = caps.host
    yield Probe("host ports masks", host.ports != "none", _ports(_PORT, _PORT + 15))
    yield Probe("host ports ranges", host.ports == "ranges", _ports(_PORT - 1, _PORT + 2))
    yield Probe("host marks", host.marks, _blocks(mark=0x31, policy={"mark": Mark(value=0x30, mask=0xF0)}))
    yield Probe("host if_ids", host.if_ids, _blocks(policy={"if_id": 7}))
    yield Probe("host local", host.local, _blocks(side="local"))
    yield Probe("host counters", host.counters, _blocks(ReadCounters(requirement=ABOUT)))
    for name, protocol in (("tcp", upper_layers.TCP), ("udp", upper_layers.UDP)):
        yield Probe(f"host segments {name}", name in host.segments, _segments(protocol))
    yield from (Probe(*one) for one in key_manager.cases(host))


def _blocks(
    *last: Step, side: Side = "plain", mark: int = 0, policy: dict[str, Any] | None = None
) -> Callable[[Rig], Case]:
    """It lets a packet go that no policy is for, and discards it when one blocks it."""

    def make(rig: Rig) -> Case:
        version, far = _version(rig), _far(rig)
        near = _near(rig) if side == "local" else packets.hosts(version, "out")[0]
        packet = packets.build(packets.Recipe(version=version), near, far)
        entering = Enter(side=side, packet=Octets(packet), mark=mark, requirement=ABOUT)
        return _case(rig, entering, _policy(version, **(policy or {})), entering, *last)

    return make


def _ports(first: int, last: int) -> Callable[[Rig], Case]:
    """The last port of the range, and the one behind it."""

    def make(rig: Rig) -> Case:
        version = _version(rig)
        ends = packets.hosts(version, "out")
        entering = []
        for port in (last, last + 1):
            front = (0x2710).to_bytes(2, "big") + port.to_bytes(2, "big")
            content = upper_layers.upper_layer(upper_layers.UDP, 16, ends, front=front)
            recipe = packets.Recipe(version=version, protocol=upper_layers.UDP, content=content)
            entering.append(Enter(side="plain", packet=Octets(packets.build(recipe, *ends)), requirement=ABOUT))
        ports = PortRange(first=first, last=last)
        return _case(rig, _policy(version, protocol=upper_layers.UDP, destination_ports=ports), *entering)

    return make


def _segments(protocol: int) -> Callable[[Rig], Case]:
    """Two whole segments and a shorter one."""

    def make(rig: Rig) -> Case:
        version = _version(rig)
        ends = packets.hosts(version, "out")
        content = upper_layers.upper_layer(protocol, 2500, ends)
        packet = packets.build(packets.Recipe(version=version, protocol=protocol, content=content), *ends)
        return _case(rig, Enter(side="plain", packet=Octets(packet), segment=1000, requirement=ABOUT))

    return make


def _policy(version: int, *, mark: Mark | None = None, if_id: int = 0, **selector: Any) -> AddPolicy:
    """One that blocks what leaves."""
    chosen = TrafficSelector(version=6 if version == 6 else 4, **selector)
    policy = Policy(name="block", direction="out", action="block", selector=chosen, mark=mark, if_id=if_id)
    return AddPolicy(policy=policy, requirement=ABOUT)


def _case(rig: Rig, *steps: Step) -> Case:
    host = Host(addresses=(str(ip_address(_near(rig))),), wire=(str(ip_address(_far(rig))),))
    return Case(version=1, id=ABOUT, host=host, steps=steps)


def _version(rig: Rig) -> int:
    return int(rig.caps.families[0][0])


def _near(rig: Rig) -> bytes:
    return ip_address(packets.GATEWAYS[_version(rig)][0][0]).packed


def _far(rig: Rig) -> bytes:
    return packets.hosts(_version(rig), "out")[1]
