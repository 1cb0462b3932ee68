"""A device with our driver, and the reference's endpoint as the host half, as an implementation under test.

What the device cannot do falls back to software, so that all of ESP is there. The device stays the same from case to case,
as a card does: what an SA leaves behind meets the next. What it has to say against its driver is told when a case asks for
it; if none has, when the case is over, as an error.
"""

from typing import Any

from msgspec.structs import replace

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import Capabilities, DeviceCapabilities, everything
from espproof.adapters.case import DeviceHappening, DeviceSa, DeviceState, Done, Host, Unsupported
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.translate import OFFLOAD, breaches_of
from espproof.reference.offload.api import EnginePort, PacketPort, Port


class DeviceAdapter(ReferenceAdapter):
    """Runs Cases of ESP on device, driver and endpoint. Each device is a class below, which makes the port."""

    def __init__(
        self, port: Port | EnginePort | PacketPort, device: DeviceCapabilities, max_packet: int, modules: Any = None
    ) -> None:
        """`device` is what the two can do; `max_packet` octets have the longest packets before they are protected."""
        self._port, self._device, self._max_packet = port, device, max_packet
        super().__init__(modules or OFFLOAD)

    def capabilities(self) -> Capabilities:
        return replace(everything(), host=None, max_packet=self._max_packet, device=self._device)

    def _host_half(self) -> Any:
        """The endpoint in front of the device."""
        return self._modules.offload.stack.OffloadedEndpoint(self._port)

    def configure(self, host: Host) -> Unsupported:
        return Unsupported(what="host")

    def reset(self) -> None:
        previous = getattr(self, "_endpoint", None)
        self._port.calm()
        super().reset()
        self._endpoint = self._host_half()
        if previous is not None:
            previous.close()
            self._port.set_link(True)
            self._port.calm()
            if told := self._port.breaches.taken():
                raise AdapterError("the driver has broken a rule: " + "; ".join(map(str, told)))

    def device_event(self, event: DeviceHappening) -> Done | Unsupported:
        if event not in self._device.events:
            return Unsupported(what=f"device_event {event}")
        if event == "reset":
            self._port.reset()
        elif event in ("link-down", "link-up"):
            self._port.set_link(event == "link-up")
        else:
            self._port.befalls(event)
        return Done()

    def read_device(self) -> DeviceState:
        endpoint, port = self._endpoint, self._port
        sas = tuple(
            DeviceSa(sa=name, by="device", packets=endpoint.handled[name])
            if name in endpoint.offloaded
            else DeviceSa(sa=name, by="software", packets=endpoint.handled[name], reason=endpoint.fallbacks[name])
            for name in endpoint.names
        )
        return DeviceState(sas=sas, entries=port.entries, left=port.left, breaches=breaches_of(port.breaches.taken()))
