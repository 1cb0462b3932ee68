"""Probes of what is declared of a host: of the host itself, and of each member of `HostCapabilities`."""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Literal

from msgspec.structs import replace

from espproof.adapters.capabilities import KEPT, Capabilities
from espproof.adapters.case import (
    AddPolicy,
    AddSa,
    AwaitHeld,
    Case,
    Enter,
    EnterBurst,
    Entering,
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
from espproof.conformance.selfcheck import gateways, key_manager
from espproof.conformance.selfcheck.policy_probes import policy_probes
from espproof.conformance.selfcheck.probe import Probe
from espproof.conformance.selfcheck.rig import ABOUT, Rig
from espproof.conformance.strategies import packets, upper_layers
from espproof.conformance.strategies.values import octets
from espproof.reference import ip
from espproof.reference.ah import key_sizes
from espproof.reference.algorithms import INTEGRITY

_PORT = 0x1F90


def host_probes(caps: Capabilities) -> Iterator[Probe]:
    """Of a host there are no parts where there is none."""
    yield Probe("host", caps.host is not None, _blocks())
    if caps.host is None:
        return
    host = caps.host
    yield from policy_probes(caps, host)
    yield Probe("host ports masks", host.ports != "none", _ports(_PORT, _PORT + 15))
    yield Probe("host ports ranges", host.ports == "ranges", _ports(_PORT - 1, _PORT + 2))
    yield Probe("host marks", host.marks, _blocks(mark=0x31, policy={"mark": Mark(value=0x30, mask=0xF0)}))
    yield Probe("host if_ids", host.if_ids, _blocks(policy={"if_id": 7}))
    for other in ("ah", "comp"):
        yield Probe(f"host protocols {other}", host.can_ask_for(other), _asking(template={"protocol": other}))
    of_ah = host.ah or tuple(name for name in INTEGRITY if name != "NONE")[:1]
    yield from (Probe(f"host ah {auth}", auth in host.ah, _ah(auth)) for auth in of_ah)
    yield Probe("host source_routes", host.source_routes, _routed, optional=True)
    yield Probe("host icmp_errors", host.icmp_errors, _asking(icmp_errors=True))
    yield Probe("host local", host.local, _blocks(side="local"))
    yield Probe("host counters", host.counters, _blocks(ReadCounters(requirement=ABOUT)))
    for name, protocol in (("tcp", upper_layers.TCP), ("udp", upper_layers.UDP)):
        yield Probe(f"host segments {name}", name in host.segments, _segments(protocol))
        own = name in host.local_segments
        yield Probe(f"host local_segments {name}", own, _own_segments(protocol))
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
    for way in host.neighbours:
        yield Probe(f"host neighbours {way}", True, _by("plain", way=way, segment=30))
    layouts = {"pieces": Layout(pieces=(20, 1)), "room": Layout(room=0), "shared": Layout(shared=True)}
    for kind, layout in layouts.items():
        yield Probe(f"host layouts {kind}", kind in host.layouts, _by("plain", layout=layout), optional=True)


def _blocks(
    *last: Step, side: Side = "plain", mark: int = 0, policy: dict[str, Any] | None = None
) -> Callable[[Rig], Case]:
    """A packet fares otherwise when a policy is for it."""

    def make(rig: Rig) -> Case:
        version, far = gateways.version(rig), gateways.far(rig)
        near = gateways.near(rig) if side == "local" else packets.hosts(version, "out")[0]
        entering = gateways.enter(side, packets.build(packets.Recipe(version=version), near, far), mark=mark)
        return gateways.shown(rig, entering, *last, first=(entering,), policy=policy)

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


def _ah(auth: str) -> Callable[[Rig], Case]:
    """Two packets through an SA of AH, whose policy asks for it."""

    def make(rig: Rig) -> Case:
        tunnel = key_manager.tunnel(rig)
        key, salt = (Octets(octets(tunnel.sa.spi, "ah", size)) for size in key_sizes(auth))
        sa = replace(
            tunnel.sa, protocol="ah", encr="ENCR_NULL", encr_key=Octets(), salt=salt, auth=auth, auth_key=key, udp=None
        )
        (asked,) = tunnel.policy.templates
        policy = replace(tunnel.policy, templates=(replace(asked, protocol="ah"),))
        host = replace(tunnel.host, key_manager=False)
        adding = AddPolicy(policy=policy, requirement=ABOUT)
        return Case(version=1, id=ABOUT, host=host, sas=(sa,), steps=(adding, tunnel.sending, tunnel.sending))

    return make


def _routed(rig: Rig) -> Case:
    """A packet of the host's own leaves that has two hops left."""
    policy = Policy(name="policy", direction="out", selector=TrafficSelector(version=6))
    rig.need("IPv6", any(family[0] == "6" for family in rig.caps.families))
    rig.need("policies that bypass", rig.caps.lacks_policy(policy) is None)
    ends = ip_address(packets.GATEWAYS[6][0][0]).packed, packets.hosts(6, "out")[1]
    route = ip.routing_header(0, 2, bytes(4) + b"".join(packets.hosts(6, "out")))
    recipe = packets.Recipe(version=6, extensions=((ip.PROTOCOL_ROUTING, route[1:]),))
    entering = Enter(side="local", packet=Octets(packets.build(recipe, *ends)), requirement=ABOUT)
    return _case(rig, AddPolicy(policy=policy, requirement=ABOUT), entering)


def _ports(first: int, last: int) -> Callable[[Rig], Case]:
    """The last port of the range, and the one behind it."""

    def make(rig: Rig) -> Case:
        version = gateways.version(rig)
        ends = packets.hosts(version, "out")
        entering = []
        for port in (last, last + 1):
            front = (0x2710).to_bytes(2, "big") + port.to_bytes(2, "big")
            content = upper_layers.upper_layer(upper_layers.UDP, 16, ends, front=front)
            recipe = packets.Recipe(version=version, protocol=upper_layers.UDP, content=content)
            entering.append(gateways.enter("plain", packets.build(recipe, *ends)))
        ports = PortRange(first=first, last=last)
        return gateways.shown(rig, *entering, protocol=upper_layers.UDP, destination_ports=ports)

    return make


def _segments(protocol: int) -> Callable[[Rig], Case]:
    """Two whole segments and a shorter one."""

    def make(rig: Rig) -> Case:
        version = gateways.version(rig)
        ends = packets.hosts(version, "out")
        content = upper_layers.upper_layer(protocol, 2500, ends)
        packet = packets.build(packets.Recipe(version=version, protocol=protocol, content=content), *ends)
        return _case(rig, Enter(side="plain", packet=Octets(packet), segment=1000, requirement=ABOUT))

    return make


def _own_segments(protocol: int) -> Callable[[Rig], Case]:
    """The same of the host's own, into a tunnel."""

    def make(rig: Rig) -> Case:
        tunnel = key_manager.tunnel(rig)
        version = tunnel.flow.version
        source, destination = ip_address(packets.GATEWAYS[version][0][0]).packed, packets.hosts(version, "out")[1]
        front = bytes.fromhex("1f902710010203040506070850102000")[: None if protocol == upper_layers.TCP else 4]
        content = upper_layers.upper_layer(protocol, 2500, (source, destination), front=front)
        recipe = packets.Recipe(
            version=version, protocol=protocol, content=content,
            dont_fragment=True, identification=0, flow_label=0, ttl=64,
        )  # fmt: skip
        packet = Octets(packets.build(recipe, source, destination))
        selector = TrafficSelector(version=6 if version == 6 else 4)
        adding = AddPolicy(policy=replace(tunnel.policy, selector=selector), requirement=ABOUT)
        ours = (*tunnel.host.addresses, str(ip_address(source)))
        host = replace(tunnel.host, key_manager=False, addresses=tuple(dict.fromkeys(ours)))
        entering = Enter(side="local", packet=packet, segment=1000, requirement=ABOUT)
        return Case(version=1, id=ABOUT, host=host, sas=(tunnel.sa,), steps=(adding, entering))

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
        version = 6 if how.get("way") == KEPT else gateways.version(rig)
        ends = packets.hosts(version, "out")
        if side == "local":
            ends = ip_address(packets.GATEWAYS[version][0][0]).packed, ends[1]
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
    policy = Policy(name="policy", direction=gateways.inward(rig.caps), selector=selector, templates=(template,))
    host = gateways.host(rig.caps, (sa.destination,), (sa.source,))
    entering = Enter(side="wire", packet=Octets(flow.protected(1)), requirement=ABOUT, **how)
    return Case(
        version=1, id=ABOUT, host=host, sas=(sa,), steps=(AddPolicy(policy=policy, requirement=ABOUT), entering)
    )


def _case(rig: Rig, *steps: Step) -> Case:
    versions = sorted({int(family[0]) for family in rig.caps.families})
    near = tuple(packets.GATEWAYS[version][0][0] for version in versions)
    far = tuple(str(ip_address(packets.hosts(version, "out")[1])) for version in versions)
    host = gateways.host(rig.caps, near, far)
    return Case(version=1, id=ABOUT, host=host, steps=steps)
