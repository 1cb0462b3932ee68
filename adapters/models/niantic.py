"""Intel's 82599, X540 and X550, by their data sheet, with our driver."""

from typing import Any

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.models.device import DeviceAdapter
from espproof.adapters.translate import OFFLOAD
from espproof.reference.errors import Misuse

VIRTUAL = "vf"
"""The variant of a virtual function, among others."""
CHIPS = {"": "X550", "82599": "I82599", "x540": "X540", VIRTUAL: "X550"}
"""Variant of the adapter -> name of the personality."""


class NianticAdapter(DeviceAdapter):
    """`niantic`, a variant for each other chip, and `niantic:vf`, a virtual function."""

    def __init__(self, variant: str = "", modules: Any = None) -> None:
        if variant not in CHIPS:
            raise Misuse(f"niantic:{variant}: variants are {', '.join(name for name in CHIPS if name)}")
        self.name = f"niantic:{variant}" if variant else "niantic"
        modules = modules or OFFLOAD
        self._part = getattr(modules.offload.niantic.device, CHIPS[variant])
        self._is_virtual = variant == VIRTUAL
        port, virtual = modules.offload.niantic.port, modules.offload.niantic.virtual_port
        device = DeviceCapabilities(
            encryption=dict.fromkeys((virtual.CIPHER,) if self._is_virtual else port.CIPHERS, (16,)),
            inbound=("transport", "tunnel"),
            outbound=() if self._is_virtual else ("transport",),
            most={"in": virtual.MOST} if self._is_virtual else {"in": port.MOST, "out": port.MOST},
            events=("reset", "link-down", "link-up"),
            neighbours=self._is_virtual,
            rules="X550",
        )
        made = (virtual.VirtualPort if self._is_virtual else port.NianticPort)(self._part)
        self.chip = made.chip
        """The card itself, for whoever looks at it."""
        super().__init__(made, device, port.MAX_PACKET, modules)

    @property
    def version(self) -> str:
        whose = "trusted VF among others, our drivers" if self._is_virtual else "our driver"
        return f"model of the {self._part.name}, {whose}"
