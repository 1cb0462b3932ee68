"""Intel's 82599, X540 and X550, by their data sheet, with our driver."""

from typing import Any

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.models.device import DeviceAdapter
from espproof.adapters.translate import OFFLOAD
from espproof.reference.errors import Misuse

CHIPS = {"": "X550", "82599": "I82599", "x540": "X540"}
"""Variant of the adapter -> name of the personality."""


class NianticAdapter(DeviceAdapter):
    """`niantic`, and a variant for each other chip."""

    def __init__(self, variant: str = "", modules: Any = None) -> None:
        if variant not in CHIPS:
            raise Misuse(f"niantic:{variant}: variants are {', '.join(name for name in CHIPS if name)}")
        self.name = f"niantic:{variant}" if variant else "niantic"
        modules = modules or OFFLOAD
        self._part = getattr(modules.offload.niantic.device, CHIPS[variant])
        port = modules.offload.niantic.port
        device = DeviceCapabilities(
            encryption=dict.fromkeys(port.CIPHERS, (16,)),
            inbound=("transport", "tunnel"),
            outbound=("transport",),
            most={"in": port.MOST, "out": port.MOST},
            events=("reset", "link-down", "link-up"),
            rules="X550",
        )
        made = port.NianticPort(self._part)
        self.chip = made.chip
        """The card itself, for whoever looks at it."""
        super().__init__(made, device, port.MAX_PACKET, modules)

    @property
    def version(self) -> str:
        return f"model of the {self._part.name}, our driver"
