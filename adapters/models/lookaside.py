"""A look-aside crypto device, as Intel's QAT is one, with our driver: what pays is given away, bursts all at once."""

from typing import Any

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.case import (
    Burst,
    InboundBurst,
    OutboundBurst,
    Refused,
    Unsupported,
)
from espproof.adapters.models.device import DeviceAdapter
from espproof.adapters.translate import OFFLOAD

MAX_PACKET = 65535
"""Octets: no link is in the way."""


class LookasideAdapter(DeviceAdapter):
    """`lookaside`."""

    name = "lookaside"

    def __init__(self, modules: Any = None) -> None:
        modules = modules or OFFLOAD
        port = modules.offload.lookaside.port
        device = DeviceCapabilities(
            encryption=port.CIPHERS,
            integrity=tuple(port.MACS),
            inbound=("transport", "tunnel"),
            outbound=("transport", "tunnel"),
            esn=True,
            udp=True,
            aside=port.LEAST,
            events=("reset", "work-waits", "work-done"),
            rules="QAT",
        )
        self._engine = port.LookasidePort()
        super().__init__(self._engine, device, MAX_PACKET, modules)

    @property
    def version(self) -> str:
        return "model of a look-aside device, our driver"

    def _host_half(self) -> Any:
        return self._modules.offload.aside.AsideEndpoint(self._engine)

    def outbound_burst(self, step: OutboundBurst) -> Burst | Refused | Unsupported:
        packets = [bytes(packet) for packet in step.packets]
        try:
            results = self._endpoint.outbound_burst(step.sa, packets, self._now)
        except self._modules.errors.Misuse as error:
            return Refused(reason=str(error))
        return Burst(results=tuple(map(self._sent, results)))

    def inbound_burst(self, step: InboundBurst) -> Burst | Unsupported:
        packets = [bytes(packet) for packet in step.packets]
        return Burst(results=tuple(map(self._received, self._endpoint.inbound_burst(packets, self._now))))
