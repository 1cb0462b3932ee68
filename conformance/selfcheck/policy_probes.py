"""Probes of what the policies of a host can say, and of what becomes of packets that none is for."""

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities, HostCapabilities
from espproof.adapters.case import Case, Host, HostDirection, Sa, Selector, Step
from espproof.conformance.selfcheck import gateways
from espproof.conformance.selfcheck.probe import Probe
from espproof.conformance.selfcheck.rig import ABOUT, Rig
from espproof.conformance.strategies import packets
from espproof.reference import ip

Make = Callable[[Rig], Case]


def policy_probes(caps: Capabilities, can: HostCapabilities) -> Iterator[Probe]:
    for forward in (True, False):
        yield Probe(f"host forward {forward}".lower(), forward in can.forward, _directions(forward=forward))
    for action in ("protect", "bypass", "discard"):
        yield Probe(f"host actions {action}", action in can.actions, _acts(action))
    for fate in ("pass", "discard"):
        yield Probe(f"host unmatched {fate}", fate in can.unmatched, _unmatched(fate))
    yield Probe("host clear", can.clear, _in_the_clear)
    last = can.priorities - 1
    yield Probe("host priorities", True, _by_priority(0, last) if last else _by_priority(0))
    if can.priorities < 2**32:
        yield Probe("host priorities and more", False, _by_priority(0, can.priorities))
    for kind in ("spi", "any", "several", "optional"):
        yield Probe(f"host templates {kind}", kind in can.templates, _templates(kind))
    if caps.selectors:
        yield Probe("host sa_selectors", can.sa_selectors, _own_selectors)


def _both(rig: Rig) -> tuple[Sa, bytes, Sa, bytes, bytes]:
    """A tunnel out and a packet for it; one in, and a packet as it arrives there and as it is inside."""
    there, out = gateways.out_of(rig)
    back, into = gateways.into(rig)
    rig.need("tunnels for one IP version", there.version == back.version)
    return (
        replace(out, name="out"),
        there.plain(),
        replace(into, name="in", reqid=0x103),
        back.protected(1),
        back.plain(),
    )


def _host(rig: Rig, *sas: Sa, **fields: Any) -> Host:
    ours = [sa.source if sa.direction == "out" else sa.destination for sa in sas]
    wire = [sa.destination if sa.direction == "out" else sa.source for sa in sas]
    return gateways.host(rig.caps, ours, [*wire, str(ip_address(gateways.far(rig)))], **fields)


def _directions(*, forward: bool) -> Make:
    """A packet goes out and one comes in, for others than the host."""

    def make(rig: Rig) -> Case:
        out, outgoing, into, arriving, inside = _both(rig)
        directions: tuple[HostDirection, ...] = ("in", "out", "forward") if forward else ("in", "out")
        blocked = () if "pass" in (rig.caps.host or HostCapabilities()).unmatched else directions
        host = _host(rig, out, into, forward=forward, blocked=blocked)
        of = ip.parse(inside).version
        inwards = gateways.selector(of, destination=str(ip_address(ip.parse(inside).destination)))
        steps = (
            gateways.adding("out", of, gateways.template(out), name="away"),
            gateways.adding("forward" if forward else "in", of, gateways.template(into), name="back", selector=inwards),
            gateways.enter("plain", outgoing),
            gateways.enter("wire", arriving),
        )
        return Case(version=1, id=ABOUT, host=host, sas=(out, into), steps=steps)

    return make


def _acts(action: str) -> Make:
    """A packet out, for which a policy says so."""

    def make(rig: Rig) -> Case:
        _, sa = gateways.out_of(rig)
        of = gateways.version(rig)
        templates = (gateways.template(sa),) if action == "protect" else ()
        adding = gateways.adding("out", of, *templates, action="block" if action == "discard" else "allow")
        return _case(rig, sa, adding)

    return make


def _case(rig: Rig, sa: Sa, *steps: Step, **fields: Any) -> Case:
    """A packet of the plain side goes out."""
    flow, _ = gateways.out_of(rig)
    host = _host(rig, sa, **fields)
    return Case(version=1, id=ABOUT, host=host, sas=(sa,), steps=(*steps, gateways.enter("plain", flow.plain())))


def _unmatched(fate: str) -> Make:
    """A packet out that no policy is for, as there is one inwards alone."""

    def make(rig: Rig) -> Case:
        _, sa = gateways.out_of(rig)
        host = _host(rig, sa)
        directions: tuple[HostDirection, ...] = ("in", "out", "forward") if host.forward else ("in", "out")
        return _case(rig, sa, blocked=() if fate == "pass" else directions)

    return make


def _in_the_clear(rig: Rig) -> Case:
    """Two packets arrive as they are: one for which a policy asks for protection, one that no policy is for."""
    flow, sa = gateways.into(rig)
    asked, other = flow.plain(), flow.plain(protocol=packets.EXPERIMENTAL + 1)
    selector = gateways.selector(flow.version, protocol=packets.EXPERIMENTAL)
    adding = gateways.adding(gateways.inward(rig.caps), flow.version, gateways.template(sa), selector=selector)
    steps = (adding, gateways.enter("wire", asked), gateways.enter("wire", other))
    return Case(version=1, id=ABOUT, host=_host(rig, sa), sas=(sa,), steps=steps)


def _by_priority(*priorities: int) -> Make:
    """Of two policies with these priorities the first decides; the second asks for an SA that there is not."""

    def make(rig: Rig) -> Case:
        flow, sa = gateways.out_of(rig)
        source = str(ip_address(ip.parse(flow.plain()).source))
        asked = (gateways.template(sa), gateways.template(sa, reqid=sa.reqid + 1))
        selectors = (gateways.selector(flow.version), gateways.selector(flow.version, source=source))
        steps = [
            gateways.adding("out", flow.version, template, name=f"p{priority}", priority=priority, selector=selector)
            for priority, template, selector in zip(priorities, asked, selectors, strict=False)
        ]
        return _case(rig, sa, *steps)

    return make


def _templates(kind: str) -> Make:
    """A packet out whose policy asks for the SA so, or one that comes in."""

    def make(rig: Rig) -> Case:
        if kind == "any":
            flow, sa = gateways.into(rig)
            adding = gateways.adding(gateways.inward(rig.caps), flow.version, gateways.template(sa, reqid=0))
            steps = (adding, gateways.enter("wire", flow.protected(1)))
            return Case(version=1, id=ABOUT, host=_host(rig, sa), sas=(sa,), steps=steps)
        _, sa = gateways.out_of(rig)
        missing = gateways.template(sa, mode="transport", source=None, destination=None, reqid=7, optional=True)
        asked = {
            "spi": (gateways.template(sa, spi=sa.spi ^ 0x1100),),
            "several": (gateways.template(sa), gateways.template(sa, reqid=7)),
            "optional": (replace(missing, mode="transport"), gateways.template(sa)),
        }[kind]
        return _case(rig, sa, gateways.adding("out", gateways.version(rig), *asked))

    return make


def _own_selectors(rig: Rig) -> Case:
    """What comes out of an SA whose selector it does not fit."""
    flow, sa = gateways.into(rig)
    other = Selector(protocol=ip.parse(flow.plain()).protocol ^ 1)
    adding = gateways.adding(gateways.inward(rig.caps), flow.version, gateways.template(sa))
    steps = (adding, gateways.enter("wire", flow.protected(1)))
    limited = replace(sa, selectors=(other,))
    return Case(version=1, id=ABOUT, host=_host(rig, sa), sas=(limited,), steps=steps)
