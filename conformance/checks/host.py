"""The verbs of checks about a host: its two sides, SAs and the policies that lead to them, packets that enter.

    near host ── plain ── [ the host ] ── wire ── far gateway ── far host        `packets.GATEWAYS`, `packets.hosts`

The host has both near gateways' addresses; the far gateways and the far hosts lie behind the wire, so that a packet which
nobody protects leaves there too, and can be seen. Whoever sends to the host is the scenario's `peer`.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any, Literal

from espproof.adapters.capabilities import HostCapabilities
from espproof.adapters.case import (
    AddPolicy,
    AwaitHeld,
    DeletePolicy,
    Enter,
    EnterBurst,
    Entering,
    FlushPolicies,
    FlushSas,
    Host,
    HostDirection,
    Mark,
    Octets,
    Policy,
    PortRange,
    ReadCounters,
    ReadEvents,
    ReserveSpi,
    Sa,
    Side,
    Template,
    TrafficSelector,
    UpdateSa,
)
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.strategies import packets, upper_layers
from espproof.reference import ip
from espproof.reference.ah import PROTOCOL_AH
from espproof.reference.xfrm.policy import flow_of

EventKind = Literal["acquire", "soft", "hard"]
REACHES_LIMIT = "whether the packet that reaches a hard limit passes"
"""A choice that is left open."""
LONGER_THAN_LARVAL = 40
"""Seconds, in which a request or a reservation ends; 30 is usual."""


class HostScenario:
    """A host in the making, around a `Scenario` that it writes into."""

    def __init__(
        self,
        s: Scenario,
        *,
        blocked: Sequence[HostDirection] = (),
        events: Sequence[EventKind] = (),
        forward: bool | None = None,
        holds: bool = False,
    ) -> None:
        """With `events`, a key manager is told these; if it `holds`, packets wait for the SA that they lack. `forward`:
        whether policies have that direction; None for with, where there is the choice. Where nothing passes that no policy
        is for, all directions are `blocked`."""
        s.need("host", s.caps.host)
        assert s.caps.host is not None
        self.s = s
        self.caps: HostCapabilities = s.caps.host
        self.forward = max(self.caps.forward) if forward is None else forward
        s.need("policies in three directions" if self.forward else "in two", self.forward in self.caps.forward)
        self.directions: tuple[HostDirection, ...] = ("out", "forward", "in") if self.forward else ("out", "in")
        blocked = (
            [one for one in blocked if one in self.directions] if "pass" in self.caps.unmatched else self.directions
        )
        s.need("discard what no policy is for", "discard" in self.caps.unmatched or not blocked)
        self._reqid = s.draw(packets.REQIDS)
        self._policies = 0
        self._inside: dict[str, int] = {}
        """Of tunnels with packets of the host's own in them: of which IP version these are."""
        pairs = [pair for version in (4, 6) for pair in packets.GATEWAYS[version]]
        far_hosts = [str(ip_address(packets.hosts(version, "out")[1])) for version in (4, 6)]
        s.host = Host(
            addresses=tuple(near for near, _ in pairs),
            wire=(*(far for _, far in pairs), *far_hosts),
            blocked=tuple(blocked),
            key_manager=bool(events),
            forward=self.forward,
            holds=self.caps.holds if holds else 0,
        )
        s.need("holds", self.caps.holds or not holds)
        for kind in events:
            s.need(f"events {kind}", kind in self.caps.events)

    @property
    def inward(self) -> HostDirection:
        """The direction of what comes from the wire for others than the host."""
        return "forward" if self.forward else "in"

    # ---------------------------------------------------------------------------------------------------------- SAs

    def sa(self, direction: str, *, add: bool = True, **fixed: Any) -> Sa:
        """An SA with a request id of its own; `fixed` as in `Scenario.outbound_sa`."""
        make = self.s.outbound_sa if direction == "out" else self.s.inbound_sa
        self._reqid += 1
        fields = {"udp": False, "reqid": self._reqid, "lookup": self.s.caps.lookup[-1], **fixed}
        return make(add=add, **fields)

    @staticmethod
    def template(sa: Sa, **fields: Any) -> Template:
        """What asks for that SA: its protocol, mode and request id, and of a tunnel its ends."""
        tunnel = sa.mode == "tunnel"
        ends = {"source": sa.source, "destination": sa.destination} if tunnel else {}
        return Template(**{"mode": sa.mode, "reqid": sa.reqid, "protocol": sa.protocol, **ends, **fields})

    # ----------------------------------------------------------------------------------------------------- policies

    def policy(
        self,
        direction: HostDirection,
        packet: bytes,
        *templates: Template,
        about: str,
        replace: bool = False,
        **fields: Any,
    ) -> Policy:
        """A policy for the traffic of a packet: its two addresses, if `fields` do not say otherwise."""
        self._policies += 1
        made = Policy(
            **{
                "name": f"policy{self._policies}",
                "direction": direction,
                "selector": self.selector(packet),
                "templates": templates,
                **fields,
            }
        )
        self.set(made, about, replace=replace)
        return made

    def set(self, policy: Policy, about: str, *, replace: bool = False) -> None:
        """Put a policy in."""
        self.s.need("policies for what is forwarded", policy.direction in self.directions)
        lacking = self.s.caps.lacks_policy(policy)
        self.s.need(str(lacking), lacking is None)
        self.s.step(AddPolicy(policy=policy, replace=replace, requirement=about))

    def delete(self, policy: Policy, about: str) -> None:
        self.s.step(DeletePolicy(policy=policy.name, requirement=about))

    def selector(self, packet: bytes, **fields: Any) -> TrafficSelector:
        """The two addresses of a packet, and what `fields` say."""
        flow = flow_of(ip.parse(packet))
        source, destination = str(ip_address(flow.source)), str(ip_address(flow.destination))
        return TrafficSelector(**{"version": flow.version, "source": source, "destination": destination, **fields})

    @staticmethod
    def ports(first: int, last: int | None = None) -> PortRange:
        return PortRange(first=first, last=first if last is None else last)

    @staticmethod
    def mark(value: int, mask: int = 2**32 - 1) -> Mark:
        return Mark(value=value, mask=mask)

    # ------------------------------------------------------------------------------------------------------- packets

    def enters(self, side: Side, packet: bytes, about: str, **fields: Any) -> bytes:
        """A packet enters, which is returned."""
        self.s.need("packets of the host's own", side != "local" or self.caps.local)
        self._need_clear(side, packet)
        self.s.step(Enter(side=side, packet=Octets(packet), requirement=about, **fields))
        return packet

    def _need_clear(self, side: Side, packet: bytes) -> None:
        """What comes over the wire and is no AH or ESP for the host, in UDP or not, is not every host's business."""
        if side != "wire" or self.caps.clear:
            return
        assert self.s.host is not None
        parsed = ip.parse(packet)
        ours = str(ip_address(parsed.destination)) in self.s.host.addresses
        protected = ours and parsed.protocol in (upper_layers.ESP, upper_layers.UDP, PROTOCOL_AH)
        self.s.need("packets in the clear over the wire", protected)

    def together(self, burst: Iterable[tuple[Side, bytes]], about: str, **fields: Any) -> None:
        """Packets enter before anything is waited for; `fields` are those of `EnterBurst`."""
        self.s.need("bursts", self.caps.bursts)
        self.s.need("asynchronous", self.caps.asynchronous or not fields)
        entering = list(burst)
        for side, packet in entering:
            self._need_clear(side, packet)
        packets = tuple(Entering(side=side, packet=Octets(packet)) for side, packet in entering)
        self.s.step(EnterBurst(packets=packets, requirement=about, **fields))

    def outgoing(self, version: int, **fields: Any) -> bytes:
        """A packet from the near host to the far one; see `packets.Recipe` for the fields."""
        return packets.build(packets.Recipe(version=version, **fields), *packets.hosts(version, "out"))

    def incoming(self, version: int, **fields: Any) -> bytes:
        """A packet from the far host to the near one."""
        return packets.build(packets.Recipe(version=version, **fields), *packets.hosts(version, "in"))

    def to_us(self, version: int, **fields: Any) -> bytes:
        """A packet from the far host to this host."""
        near = ip_address(packets.GATEWAYS[version][0][0]).packed
        return packets.build(packets.Recipe(version=version, **fields), packets.hosts(version, "in")[0], near)

    def of_ours(self, sa: Sa, **fields: Any) -> bytes:
        """A packet of the host's own that an SA can carry: between its ends, or from the host to the far one."""
        version, ends = self._ends_of_ours(sa)
        return packets.build(packets.Recipe(version=version, **fields), *ends)

    def datagram_of_ours(self, sa: Sa, length: int, version: int | None = None) -> bytes:
        """The same as a UDP datagram of so many octets, with nothing in its headers that a host would not write itself:
        no identification, as it is not to be fragmented, and no flow label. It is of that IP version, or any."""
        version, ends = self._ends_of_ours(sa, version)
        content = upper_layers.upper_layer(upper_layers.UDP, length, ends)
        recipe = packets.Recipe(
            version=version, protocol=upper_layers.UDP, content=content,
            dont_fragment=True, identification=0, flow_label=0, ttl=64,
        )  # fmt: skip
        return packets.build(recipe, *ends)

    def super_of_ours(self, sa: Sa, protocol: int, length: int, port: int, number: int = 0) -> bytes:
        """So many octets that the host sends at once from a port of its own, of TCP beginning with that number, with
        headers as it would write them itself."""
        version, ends = self._ends_of_ours(sa)
        front = port.to_bytes(2, "big") + bytes.fromhex("2710")
        if protocol == upper_layers.TCP:
            front += number.to_bytes(4, "big") + bytes.fromhex("05060708501020")
        content = upper_layers.upper_layer(protocol, length, ends, front=front)
        recipe = packets.Recipe(
            version=version, protocol=protocol, content=content,
            dont_fragment=True, identification=0, flow_label=0, ttl=64,
        )  # fmt: skip
        return packets.build(recipe, *ends)

    def _ends_of_ours(self, sa: Sa, version: int | None = None) -> tuple[int, tuple[bytes, bytes]]:
        """Without a `version` the same for all packets of an SA, so that a policy for one is for all."""
        if sa.mode == "transport":
            return self.s.outer_version(sa), (ip_address(sa.source).packed, ip_address(sa.destination).packed)
        if version is None:
            if sa.name not in self._inside:
                self._inside[sa.name] = self.version_in(sa)
            version = self._inside[sa.name]
        return version, (ip_address(packets.GATEWAYS[version][0][0]).packed, packets.hosts(version, "out")[1])

    @staticmethod
    def message(version: int, protocol: int, first: int, second: int, direction: str = "out") -> bytes:
        """A packet between the hosts with these ports, source first; of ICMP with that type and code."""
        ends = packets.hosts(version, direction)
        icmp = protocol in (upper_layers.ICMP, upper_layers.ICMPV6)
        front = bytes((first, second)) if icmp else first.to_bytes(2, "big") + second.to_bytes(2, "big")
        content = upper_layers.upper_layer(protocol, 16, ends, front=front)
        return packets.build(packets.Recipe(version=version, protocol=protocol, content=content), *ends)

    def versions(self) -> tuple[int, ...]:
        """IP versions of packets that a tunnel can carry."""
        return tuple(sorted({int(family[0]) for family in self.s.caps.families}))

    def version_in(self, *sas: Sa) -> int:
        """An IP version that all of these SAs can carry."""
        return self.s.choose([one for one in self.versions() if all(one in self.s.versions(sa) for sa in sas)])

    def pair(self, **fixed: Any) -> tuple[Sa, Sa]:
        """An SA out and one in, which can carry the same packets, and the second's peer is there."""
        out = self.sa("out", **fixed)
        inner, outer = self.s.versions(out)[0], self.s.outer_version(out)
        return out, self.sa(
            "in", **{**fixed, "mode": out.mode, "family": f"{inner}in{outer}", "udp": out.udp is not None}
        )

    def counters(self, about: str) -> None:
        """Read the counters, where they can be."""
        if self.caps.counters:
            self.s.step(ReadCounters(requirement=about))

    def held(self, about: str, **fields: Any) -> None:
        """Wait for what was held and lacks nothing any more."""
        self.s.step(AwaitHeld(requirement=about, **fields))

    # --------------------------------------------------------------------------------------------------- key manager

    def events(self, about: str) -> None:
        """Read what the key manager was told."""
        self.s.step(ReadEvents(requirement=about))

    def update(self, sa: Sa, about: str) -> None:
        """A new lifetime for an SA, or the SA for which its SPI is reserved."""
        self.s.need("update_sa", self.caps.update_sa)
        self.s.step(UpdateSa(sa=sa, requirement=about))

    def reserve(self, sa: Sa, about: str) -> None:
        self.s.need("reserve_spi", self.caps.reserve_spi)
        self.s.step(ReserveSpi(sa=sa, requirement=about))

    def flush(self, what: Literal["sas", "policies"], about: str) -> None:
        """Remove all SAs, or all policies."""
        self.s.need("flush", self.caps.flush)
        self.s.step(FlushSas(requirement=about) if what == "sas" else FlushPolicies(requirement=about))
