"""NVIDIA's ConnectX and Innova, as the Linux driver mlx5 uses them, with our driver: crypto offload."""

from typing import Any

from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities, DeviceCapabilities, Mode
from espproof.adapters.case import DeviceHappening, Dropped, Outbound, Refused, Sent, Unsupported
from espproof.adapters.models.device import DeviceAdapter
from espproof.adapters.translate import OFFLOAD
from espproof.reference.errors import Misuse

PARTS = {"": "CONNECTX6", "innova": "INNOVA", "packet": "CONNECTX6"}
"""Variant of the adapter -> name of the personality."""

_EVENTS: tuple[DeviceHappening, ...] = ("reset", "link-down", "link-up", "work-waits", "work-done")


class ConnectXAdapter(DeviceAdapter):
    """`connectx`, and a variant for each other part."""

    def __init__(self, variant: str = "", modules: Any = None) -> None:
        if variant not in PARTS:
            raise Misuse(f"connectx:{variant}: variants are {', '.join(name for name in PARTS if name)}")
        self.name = f"connectx:{variant}" if variant else "connectx"
        modules = modules or OFFLOAD
        part = getattr(modules.offload.connectx.device, PARTS[variant])
        port = modules.offload.connectx.port
        self._is_packet = variant == "packet"
        modes: tuple[Mode, ...] = ("transport", "tunnel")
        device = DeviceCapabilities(
            encryption=port.CIPHERS,
            inbound=modes,
            outbound=modes,
            esn=True,
            windows=tuple(modules.offload.connectx.full.WINDOWS) if self._is_packet else None,
            fixed_headers=self._is_packet,
            octet_limits=not self._is_packet,
            events=_EVENTS + (("event-lost", "event-doubled") if self._is_packet else ()),
            rules="MLX5",
        )
        self._part = part
        made = modules.offload.connectx.packet_port.ConnectXPacketPort if self._is_packet else port.ConnectXPort
        super().__init__(made(part), device, port.MAX_PACKET, modules)

    def _host_half(self) -> Any:
        return self._modules.offload.whole.PacketEndpoint(self._port) if self._is_packet else super()._host_half()

    @property
    def version(self) -> str:
        return f"model of the {self._part.name} with {'packet' if self._is_packet else 'crypto'} offload, our driver"

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), set_iv=False)  # the device makes it from the number

    def outbound(self, step: Outbound) -> Sent | Dropped | Refused | Unsupported:
        return super().outbound(step) if step.iv is None else Unsupported(what="set_iv")
