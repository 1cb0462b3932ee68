"""Probes of what is declared of a device below ESP: that it is there, what it takes, and what can befall it."""

from collections.abc import Callable, Iterator

from espproof.adapters.capabilities import Capabilities, DeviceCapabilities
from espproof.adapters.case import Case, DeviceEvent, DeviceHappening, ReadDevice
from espproof.conformance.selfcheck.item import NotApplicable
from espproof.conformance.selfcheck.probe import Probe
from espproof.conformance.selfcheck.rig import ABOUT, Rig, case_of

_EVENTS: tuple[DeviceHappening, ...] = ("reset", "link-down", "link-up", "work-waits", "work-done")


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
    for event in _EVENTS:
        step = DeviceEvent(event=event, requirement=ABOUT)
        yield Probe(f"device event {event}", event in device.events, _with(step))


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
