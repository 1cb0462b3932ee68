"""Intel's XL710 with an IPsec agent as a bump in the wire, with our drivers. No source is public: layouts are assumed."""

from typing import Any

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.models.device import DeviceAdapter
from espproof.adapters.translate import OFFLOAD
from espproof.reference.errors import Misuse

FUNCTIONS = {"": "PF of one of two ports", "vf": "trusted VF among others"}
"""Variant of the adapter -> whose SAs they are."""


class FortvilleAdapter(DeviceAdapter):
    """`fortville`, the driver of a port, and `fortville:vf`, that of a virtual machine behind it."""

    def __init__(self, variant: str = "", modules: Any = None) -> None:
        if variant not in FUNCTIONS:
            raise Misuse(f"fortville:{variant}: variants are {', '.join(name for name in FUNCTIONS if name)}")
        self.name = f"fortville:{variant}" if variant else "fortville"
        self._variant = variant
        modules = modules or OFFLOAD
        port, machine = modules.offload.fortville.port, modules.offload.fortville.machines.MACHINES[variant]
        device = DeviceCapabilities(
            encryption={port.CIPHER: port.KEY_SIZES},
            inbound=("transport", "tunnel"),
            outbound=("transport", "tunnel"),
            most={"in": machine.most, "out": machine.most},
            events=("reset", "link-down", "link-up", "request-lost", "answer-lost", "answer-late"),
            neighbours=variant == "vf",
            rules="NETDEV22",
        )
        super().__init__(machine.make(), device, port.MAX_PACKET, modules)

    @property
    def version(self) -> str:
        return f"model of an XL710 with an IPsec agent (layouts assumed), {FUNCTIONS[self._variant]}, our drivers"
