"""`niantic:PROGRAM`: a driver of the user's on our model of the X550, below the reference's host half.

After a failure the next case has a new process, and a new card.
"""

import shlex

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import DeviceCapabilities, Mode
from espproof.adapters.driver.messages import Feature
from espproof.adapters.driver.port import DriverPort
from espproof.adapters.models.device import DeviceAdapter
from espproof.reference.errors import Misuse
from espproof.reference.offload.niantic.device import Niantic
from espproof.reference.offload.niantic.port import MAX_PACKET

_LEAST = 1500
"""Octets of a packet that every driver sends, as every implementation does (`Capabilities.max_packet`)."""
_KEYS = (16,)
"""Octets of keys that the chip has."""


class DriverAdapter(DeviceAdapter):
    """`Misuse` for a command that cannot be split, `AdapterError` if it does not bring up the card."""

    _port: DriverPort

    def __init__(self, command: str) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise Misuse(f"niantic:{command}: {error}") from error
        if not self._command:
            raise Misuse("niantic: needs a command, for example 'niantic:./driver'")
        port = DriverPort(self._command)
        super().__init__(port, _able(port), min(MAX_PACKET, port.longest))
        self.name = f"niantic:{command}"

    @property
    def chip(self) -> Niantic:
        """The card itself, for whoever looks at it."""
        return self._port.chip

    @property
    def version(self) -> str:
        return "a driver on the model of the X550"

    def reset(self) -> None:
        if self._port.failed:
            self._port.close()
            self._port = DriverPort(self._command)
            del self._endpoint
        super().reset()

    def close(self) -> None:
        self._port.close()


def _able(port: DriverPort) -> DeviceCapabilities:
    """What the driver has said that it does."""
    features = port.features
    ciphers = {Feature.AES_GCM: "ENCR_AES_GCM_16", Feature.AES_GMAC: "ENCR_NULL_AUTH_AES_GMAC"}
    inbound: dict[Feature, Mode] = {Feature.IN_TRANSPORT: "transport", Feature.IN_TUNNEL: "tunnel"}
    outbound: dict[Feature, Mode] = {Feature.OUT_TRANSPORT: "transport", Feature.OUT_TUNNEL: "tunnel"}
    most_in, most_out = port.most
    if not most_in or not most_out:
        raise AdapterError("the driver has no room for SAs")
    if port.longest < _LEAST:
        raise AdapterError(f"the driver sends packets of {port.longest} octets at most, not of {_LEAST}")
    return DeviceCapabilities(
        encryption={name: _KEYS for feature, name in ciphers.items() if feature in features},
        inbound=tuple(mode for feature, mode in inbound.items() if feature in features),
        outbound=tuple(mode for feature, mode in outbound.items() if feature in features),
        most={"in": most_in, "out": most_out},
        events=("reset", "link-down", "link-up"),
        rules="X550",
    )
