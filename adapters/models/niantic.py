"""The Niantic model with our driver, and the reference's endpoint as the host half, as an implementation under test.

What the chip cannot do falls back to software, so that all of ESP is there. The chip stays the same from case to case, as
a card does: what an SA leaves behind meets the next. What the chip has to say against its driver is told when a case
asks for it; if none has, when the case is over, as an error.
"""

from typing import Any

from msgspec.structs import replace

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import Capabilities, DeviceCapabilities, everything
from espproof.adapters.case import DeviceHappening, DeviceSa, DeviceState, Done, Host, Unsupported
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.translate import OFFLOAD
from espproof.reference.errors import Misuse

CHIPS = {"": "X550", "82599": "I82599", "x540": "X540"}
"""Variant of the adapter -> name of the personality."""


class NianticAdapter(ReferenceAdapter):
    """Runs Cases of ESP on chip, driver and endpoint."""

    def __init__(self, variant: str = "", modules: Any = None) -> None:
        if variant not in CHIPS:
            raise Misuse(f"niantic:{variant}: variants are {', '.join(name for name in CHIPS if name)}")
        self.name = f"niantic:{variant}" if variant else "niantic"
        modules = modules or OFFLOAD
        self._chip = getattr(modules.offload.niantic.device, CHIPS[variant])
        self._port = modules.offload.niantic.port.NianticPort(self._chip)
        super().__init__(modules)

    @property
    def version(self) -> str:
        return f"model of the {self._chip.name}, our driver"

    def capabilities(self) -> Capabilities:
        port = self._modules.offload.niantic.port
        device = DeviceCapabilities(
            encryption=dict.fromkeys(port.CIPHERS, (16,)),
            inbound=("transport", "tunnel"),
            outbound=("transport",),
            most={"in": port.MOST, "out": port.MOST},
            events=("reset", "link-down", "link-up"),
        )
        return replace(everything(), host=None, max_packet=port.MAX_PACKET, device=device)

    def configure(self, host: Host) -> Unsupported:
        return Unsupported(what="host")

    def reset(self) -> None:
        previous = getattr(self, "_endpoint", None)
        super().reset()
        self._endpoint = self._modules.offload.stack.OffloadedEndpoint(self._port)
        if previous is not None:
            previous.close()
            self._port.set_link(True)
            if told := self._port.chip.breaches.taken():
                raise AdapterError("the driver has broken a rule: " + "; ".join(map(str, told)))

    def device_event(self, event: DeviceHappening) -> Done:
        if event == "reset":
            self._port.driver.reset()
        else:
            self._port.set_link(event == "link-up")
        return Done()

    def read_device(self) -> DeviceState:
        endpoint, port = self._endpoint, self._port
        sas = tuple(
            DeviceSa(sa=name, by="device", packets=endpoint.handled[name])
            if name in endpoint.offloaded
            else DeviceSa(sa=name, by="software", packets=endpoint.handled[name], reason=endpoint.fallbacks[name])
            for name in endpoint.names
        )
        return DeviceState(
            sas=sas, entries=port.entries, left=port.left, breaches=tuple(map(str, port.chip.breaches.taken()))
        )
