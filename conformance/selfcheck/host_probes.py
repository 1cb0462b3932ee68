"""The probes of what a host has: policies, marks, packets of its own, counters, super-packets, ways in, and buffers."""

from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from typing import Any

from espproof.adapters.capabilities import Capabilities, HostCapabilities
from espproof.adapters.case import (
    AddPolicy,
    Case,
    Enter,
    Host,
    Layout,
    Mark,
    Octets,
    Policy,
    ReadCounters,
    Sa,
    Side,
    Step,
    Template,
    TrafficSelector,
)
from espproof.conformance.selfcheck.probe import Probe
from espproof.conformance.selfcheck.rig import ABOUT, Rig
from espproof.conformance.strategies import packets, upper_layers

_REQID = 0x107
_LAYOUTS = {"pieces": Layout(pieces=(13, 20, 1)), "room": Layout(room=3), "shared": Layout(shared=True)}


def host(caps: Capabilities) -> Iterator[Probe]:
    """It forwards what no policy is for, and discards what one blocks; then what else it declares."""
    yield Probe("host", caps.host is not None, _forwards_and_blocks)
    if caps.host is None:
        return
    yield Probe("host marks", caps.host.marks, _marks)
    yield Probe("host if_ids", caps.host.if_ids, _if_ids)
    yield Probe("host local", caps.host.local, partial(_by_way, "local", ""))
    yield Probe("host counters", caps.host.counters, _counters)
    for protocol in ("tcp", "udp"):
        yield Probe(f"host segments {protocol}", protocol in caps.host.segments, partial(_super_packet, protocol))
    yield from _ways_and_layouts(caps.host)


def _ways_and_layouts(caps: HostCapabilities) -> Iterator[Probe]:
    """What is declared alone: of names and buffers that are not, nothing can be told by what emerges."""
    for side, ways in caps.ways.items():
        for way in ways:
            yield Probe(f"host ways {side} {way}", True, partial(_by_way, side, way))
    for name in caps.layouts:
        for side in ("plain", "wire"):
            yield Probe(f"host layouts {name} {side}", True, partial(_by_way, side, "", layout=_LAYOUTS[name]))


def _version(rig: Rig) -> int:
    return int(rig.caps.families[0][0])


def _host(rig: Rig) -> Host:
    pairs = packets.GATEWAYS[4] + packets.GATEWAYS[6]
    host = str(ip_address(packets.hosts(_version(rig), "out")[1]))
    return Host(addresses=tuple(near for near, _ in pairs), wire=(host, *(far for _, far in pairs)))


def _packet(rig: Rig, **recipe: Any) -> bytes:
    version = _version(rig)
    return packets.build(packets.Recipe(version=version, **recipe), *packets.hosts(version, "out"))


def _case(rig: Rig, *steps: Step, sas: tuple[Sa, ...] = ()) -> Case:
    return Case(version=1, id=ABOUT, host=_host(rig), sas=sas, steps=steps)


def _enters(packet: bytes, side: Side = "plain", **fields: Any) -> Enter:
    return Enter(side=side, packet=Octets(packet), requirement=ABOUT, **fields)


def _blocks(rig: Rig, **fields: Any) -> AddPolicy:
    selector = TrafficSelector(version=6 if _version(rig) == 6 else 4)
    return AddPolicy(
        policy=Policy(name="block", direction="out", action="block", selector=selector, **fields), requirement=ABOUT
    )


def _forwards_and_blocks(rig: Rig) -> Case:
    entering = _enters(_packet(rig))
    return _case(rig, entering, _blocks(rig), entering)


def _marks(rig: Rig) -> Case:
    blocking = _blocks(rig, mark=Mark(value=0x31, mask=0xFF))
    marks = (0x131, 0x30, 0x31, 0)
    return _case(rig, blocking, *(_enters(_packet(rig), mark=mark) for mark in marks))


def _if_ids(rig: Rig) -> Case:
    return _case(rig, _blocks(rig, if_id=7), _enters(_packet(rig)))


def _counters(rig: Rig) -> Case:
    read = ReadCounters(requirement=ABOUT)
    return _case(rig, read, _blocks(rig), _enters(_packet(rig)), read)


def _super_packet(name: str, rig: Rig) -> Case:
    protocol = upper_layers.TCP if name == "tcp" else upper_layers.UDP
    ends = packets.hosts(_version(rig), "out")
    packet = _packet(rig, protocol=protocol, content=upper_layers.upper_layer(protocol, 250, ends))
    return _case(rig, _enters(packet, segment=100))


def _by_way(side: Side, way: str, rig: Rig, *, layout: Layout | None = None) -> Case:
    """Two packets in the usual way, and one by this: in the clear, or from the wire out of a tunnel."""
    how: dict[str, Any] = {"way": way, "layout": layout}
    if side == "wire":
        return _out_of_a_tunnel(rig, how)
    if side == "local":
        version = _version(rig)
        ends = ip_address(packets.GATEWAYS[version][0][0]).packed, packets.hosts(version, "out")[1]
        content = upper_layers.upper_layer(upper_layers.UDP, 50, ends)
        recipe = packets.Recipe(
            version=version, protocol=upper_layers.UDP, content=content,
            dont_fragment=True, identification=0, flow_label=0, ttl=64,
        )  # fmt: skip
        return _case(rig, _enters(packets.build(recipe, *ends), "local", **how))
    packet = _packet(rig, length=100)
    return _case(rig, _enters(packet), _enters(packet, **how), _enters(packet))


def _out_of_a_tunnel(rig: Rig, how: dict[str, Any]) -> Case:
    rig.need("direction in", "in" in rig.caps.directions)
    flow = rig.flow("in", mode="tunnel", reqid=_REQID, lookup=rig.caps.lookup[-1])
    template = Template(mode="tunnel", source=flow.sa.source, destination=flow.sa.destination, reqid=_REQID)
    selector = TrafficSelector(version=6 if flow.version == 6 else 4)
    letting = Policy(name="in", direction="forward", selector=selector, templates=(template,))
    protected = [flow.protected(number, flow.plain(length=100)) for number in (1, 2, 3)]
    return _case(
        rig, AddPolicy(policy=letting, requirement=ABOUT), _enters(protected[0], "wire"),
        _enters(protected[1], "wire", **how), _enters(protected[2], "wire"), sas=(flow.sa,),
    )  # fmt: skip
