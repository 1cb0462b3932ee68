"""NVIDIA's ConnectX and Innova, as the Linux driver mlx5 uses them, with our driver: crypto offload."""

from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities, DeviceCapabilities
from espproof.adapters.case import Dropped, Outbound, Refused, Sent, Unsupported
from espproof.adapters.models.device import DeviceAdapter
from espproof.adapters.translate import OFFLOAD
from espproof.reference.errors import Misuse

PARTS = {"": "CONNECTX6", "innova": "INNOVA"}
"""Variant of the adapter -> name of the personality."""


class ConnectXAdapter(DeviceAdapter):
    """`connectx`, and a variant for each other part."""

    def __init__(self, variant: str = "", modules: Any = None) -> None:
        if variant not in PARTS:
            raise Misuse(f"connectx:{variant}: variants are {', '.join(name for name in PARTS if name)}")
        self.name = f"connectx:{variant}" if variant else "connectx"
        modules = modules or OFFLOAD
        part = getattr(modules.offload.connectx.device, PARTS[variant])
        port = modules.offload.connectx.port
        device = DeviceCapabilities(
            encryption=port.CIPHERS,
            inbound=("transport", "tunnel"),
            outbound=("transport", "tunnel"),
            esn=True,
            events=("reset", "link-down", "link-up", "work-waits", "work-done"),
            rules="MLX5",
        )
        self._part = part
        super().__init__(port.ConnectXPort(part), device, port.MAX_PACKET, modules)

    @property
    def version(self) -> str:
        return f"model of the {self._part.name} with crypto offload, our driver"

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), set_iv=False)  # the device makes it from the number

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        return super().outbound(step) if step.iv is None else Unsupported(what="set_iv")
