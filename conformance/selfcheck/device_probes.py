"""Probes of what is declared of a device below ESP: that it is there, what it takes, and what can befall it."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

from espproof.adapters.capabilities import Capabilities, DeviceCapabilities
from espproof.adapters.case import Case, DeviceEvent, DeviceHappening, Lifetime, ReadDevice, UdpEncapsulation
from espproof.conformance.selfcheck.item import NotApplicable
from espproof.conformance.selfcheck.probe import Probe
from espproof.conformance.selfcheck.rig import ABOUT, Rig, case_of
from espproof.reference.algorithms import ENCRYPTION


def device_probes(caps: Capabilities) -> Iterator[Probe]:
    """Of a device there are no parts where there is none; one that nobody told of has no SAs here, whatever it takes."""
    device = caps.device
    if device is None:
        asked = Case(version=1, steps=(ReadDevice(requirement=ABOUT),))
        yield Probe("device", False, lambda rig: asked, {"device": DeviceCapabilities(encryption={})})
        return
    for name, sizes in device.encryption.items():
        for size in sizes:
            for direction, modes in (("in", device.inbound), ("out", device.outbound)):
                for mode in modes:
                    what = f"device {name} {8 * size} {direction} {mode}"
                    yield Probe(what, True, _taken(name, size, direction, mode))
    yield from _who_does_it(caps, device)
    for event in get_args(DeviceHappening):
        step = DeviceEvent(event=event, requirement=ABOUT)
        yield Probe(f"device event {event}", event in device.events, _with(step))


def _who_does_it(caps: Capabilities, device: DeviceCapabilities) -> Iterator[Probe]:
    """SAs of a cipher that it has, which are its or not by something else."""
    for size in device.windows or ():
        yield Probe(f"device window {size}", True, _asked(device, "in", replay_window=size))
    for auth in device.integrity:
        if auth != "NONE":
            yield Probe(f"device {auth}", True, _asked(device, *_ways(device), auth=auth))
    if device.udp:
        yield Probe("device udp", True, _asked(device, *_ways(device), udp=UdpEncapsulation()))
    if device.esn:
        yield Probe("device esn", True, _asked(device, *_ways(device), esn=True))
    if "octets" in caps.lifetimes:
        limits = Lifetime(hard_octets=10_000)
        yield Probe("device limits of octets", True, _asked(device, *_ways(device), lifetime=limits))
    if "tunnel" in device.outbound:
        for dscp in caps.dscp:
            for ecn in caps.ecn:
                kind: dict[str, Any] = {"dscp": "copy" if dscp == "copy" else 0x2E, "ecn": ecn, "df": caps.df[-1]}
                what = f"device dscp {dscp} ecn {ecn}"
                yield Probe(what, True, _asked(device, "out", mode="tunnel", **kind))


def _ways(device: DeviceCapabilities) -> list[str]:
    """Directions in which it does something."""
    return [direction for direction, modes in (("in", device.inbound), ("out", device.outbound)) if modes]


def _asked(device: DeviceCapabilities, *directions: str, **fields: Any) -> Callable[[Rig], Case]:
    """An SA of each of them, with a cipher of the device that goes with the rest."""

    def make(rig: Rig) -> Case:
        aead = "auth" not in fields
        encr = next((name for name in device.encryption if ENCRYPTION[name].aead == aead), None)
        if encr is None:
            raise NotApplicable("a cipher of the device that goes with it")
        flows = [
            rig.flow(
                direction,
                n,
                encr=encr,
                key_size=device.encryption[encr][0],
                **{"mode": _mode(device, direction)} | fields,
            )
            for n, direction in enumerate(directions)
            if direction in rig.caps.directions
        ]
        return case_of(flows, *(step for flow in flows for step in flow.carry([1])), ReadDevice(requirement=ABOUT))

    return make


def _mode(device: DeviceCapabilities, direction: str) -> str:
    return (device.inbound if direction == "in" else device.outbound)[0]


def _taken(encr: str, size: int, direction: str, mode: str) -> Callable[[Rig], Case]:
    def make(rig: Rig) -> Case:
        flow = rig.flow(direction, encr=encr, key_size=size, mode=mode)
        return case_of((flow,), *flow.carry([1]), ReadDevice(requirement=ABOUT))

    return make


def _with(event: DeviceEvent) -> Callable[[Rig], Case]:
    """A link that is taken away comes back; and then all is as before."""

    def make(rig: Rig) -> Case:
        if "in" not in rig.caps.directions:
            raise NotApplicable("direction in")
        flow = rig.flow("in")
        back = (DeviceEvent(event="link-up", requirement=ABOUT),) if event.event == "link-down" else ()
        return case_of((flow,), flow.right(1), event, *back, flow.right(2))

    return make
