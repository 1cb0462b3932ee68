"""Probes of what is declared of a host: of the host itself, and of each member of `HostCapabilities`."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Literal

from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AwaitHeld,
    Case,
    Enter,
    EnterBurst,
    Entering,
    Host,
    Layout,
    Mark,
    Mtus,
    Octets,
    Policy,
    PortRange,
    ReadCounters,
    Side,
    Step,
    Template,
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
    for other in ("ah", "comp"):
        yield Probe(f"host protocols {other}", other in host.protocols, _asking(template={"protocol": other}))
    yield Probe("host icmp_errors", host.icmp_errors, _asking(icmp_errors=True))
    yield Probe("host local", host.local, _blocks(side="local"))
    yield Probe("host counters", host.counters, _blocks(ReadCounters(requirement=ABOUT)))
    for name, protocol in (("tcp", upper_layers.TCP), ("udp", upper_layers.UDP)):
        yield Probe(f"host segments {name}", name in host.segments, _segments(protocol))
    yield from (Probe(*one) for one in key_manager.cases(host))
    yield Probe("host bursts", host.bursts, _burst())
    yield Probe("host asynchronous", host.asynchronous, _burst(completions=(1, 0)))
    yield Probe("host holds", host.holds > 0, _holding(host.holds or 1), optional=True)
    yield Probe("host mtus", host.mtus, _too_long("outside"))
    for place in ("outside", "inside"):
        yield Probe(f"host fragments {place}", host.mtus and place in host.fragments, _too_long(place))
    for side, names in host.ways.items():
        for way in names:
            yield Probe(f"host ways {side} {way}", True, _by(side, way=way))
    layouts = {"pieces": Layout(pieces=(20, 1)), "room": Layout(room=0), "shared": Layout(shared=True)}
    for kind, layout in layouts.items():
        yield Probe(f"host layouts {kind}", kind in host.layouts, _by("plain", layout=layout), optional=True)


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


def _asking(*, template: Mapping[str, Any] | None = None, **fields: Any) -> Callable[[Rig], Case]:
    """A packet for a tunnel that is there, whose policy or template has these fields."""

    def make(rig: Rig) -> Case:
        tunnel = key_manager.tunnel(rig)
        (asked,) = tunnel.policy.templates
        policy = replace(tunnel.policy, templates=(replace(asked, **(template or {})),), **fields)
        host = replace(tunnel.host, key_manager=False)
        adding = AddPolicy(policy=policy, requirement=ABOUT)
        return Case(version=1, id=ABOUT, host=host, sas=(tunnel.sa,), steps=(adding, tunnel.sending))

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


def _burst(**fields: Any) -> Callable[[Rig], Case]:
    """Two packets enter together, for one tunnel."""

    def make(rig: Rig) -> Case:
        tunnel = key_manager.tunnel(rig)
        entering = tuple(Entering(side="plain", packet=Octets(tunnel.flow.plain(length=size))) for size in (40, 41))
        adding = AddPolicy(policy=tunnel.policy, requirement=ABOUT)
        burst = EnterBurst(packets=entering, requirement=ABOUT, **fields)
        host = replace(tunnel.host, key_manager=False)
        return Case(version=1, id=ABOUT, host=host, sas=(tunnel.sa,), steps=(adding, burst))

    return make


def _holding(count: int) -> Callable[[Rig], Case]:
    """A packet waits for its tunnel, and leaves when that is there."""

    def make(rig: Rig) -> Case:
        rig.need("delete_sa", rig.caps.delete_sa)
        tunnel = key_manager.tunnel(rig)
        host = replace(tunnel.host, holds=count, key_manager=False)
        adding, sa = AddPolicy(policy=tunnel.policy, requirement=ABOUT), AddSa(sa=tunnel.sa, requirement=ABOUT)
        awaiting = AwaitHeld(requirement=ABOUT)
        return Case(version=1, id=ABOUT, host=host, steps=(adding, tunnel.sending, awaiting, sa, awaiting))

    return make


def _too_long(place: Literal["outside", "inside"]) -> Callable[[Rig], Case]:
    """Three packets into a tunnel over a narrow wire: one that fits, one that is to be cut up, one that must not be; none
    is longer, protected or not, than everybody handles."""

    def make(rig: Rig) -> Case:
        tunnel = key_manager.tunnel(rig)
        rig.need("IPv4 in a tunnel", tunnel.flow.version == 4)
        host = replace(tunnel.host, mtus=Mtus(wire=1300), fragments=place, key_manager=False)
        sizes = ((600, False), (1330, False), (1330, True))
        entering = [
            Enter(side="plain", packet=Octets(tunnel.flow.plain(length=size, dont_fragment=whole)), requirement=ABOUT)
            for size, whole in sizes
        ]
        adding = AddPolicy(policy=tunnel.policy, requirement=ABOUT)
        return Case(version=1, id=ABOUT, host=host, sas=(tunnel.sa,), steps=(adding, *entering))

    return make


def _by(side: Side, **how: Any) -> Callable[[Rig], Case]:
    """A datagram comes so, at the wire in a tunnel; a host's own has nothing in its headers that it would not write."""

    def make(rig: Rig) -> Case:
        version = _version(rig)
        ends = packets.hosts(version, "out")
        if side == "local":
            ends = _near(rig), _far(rig)
        if side == "wire":
            return _arriving(rig, **how)
        content = upper_layers.upper_layer(upper_layers.UDP, 40, ends)
        recipe = packets.Recipe(
            version=version, protocol=upper_layers.UDP, content=content,
            dont_fragment=True, identification=0, flow_label=0, ttl=64,
        )  # fmt: skip
        return _case(rig, Enter(side=side, packet=Octets(packets.build(recipe, *ends)), requirement=ABOUT, **how))

    return make


def _arriving(rig: Rig, **how: Any) -> Case:
    """One packet out of a tunnel."""
    flow = rig.flow("in", mode="tunnel")
    sa = replace(flow.sa, reqid=0x102)
    selector = TrafficSelector(version=6 if flow.version == 6 else 4)
    template = Template(mode="tunnel", source=sa.source, destination=sa.destination, reqid=sa.reqid)
    policy = Policy(name="policy", direction="forward", selector=selector, templates=(template,))
    host = Host(addresses=(sa.destination,), wire=(sa.source,))
    entering = Enter(side="wire", packet=Octets(flow.protected(1)), requirement=ABOUT, **how)
    return Case(
        version=1, id=ABOUT, host=host, sas=(sa,), steps=(AddPolicy(policy=policy, requirement=ABOUT), entering)
    )


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
