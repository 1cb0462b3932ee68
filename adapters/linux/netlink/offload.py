"""SAs and policies that a network device is to carry: what `ip xfrm … offload KIND dev DEV` adds to their messages. Pure.

With crypto offload the device does the cryptography and the kernel the rest (headers, sequence numbers, window, policies);
the kernel does all of it for packets that do not pass the device. With packet offload the device does everything, and a
policy must say so too. Standard library only.
"""

from dataclasses import dataclass

from espproof.adapters.linux.netlink import xfrm
from espproof.adapters.linux.netlink.netlink import Malformed
from espproof.adapters.linux.netlink.xfrm import Attribute, OffloadFlag, Request

KINDS = ("crypto", "packet")


@dataclass(frozen=True, slots=True)
class Offload:
    """One of `KINDS`."""

    kind: str
    falls_back: bool = False
    """What the device leaves to the kernel in silence, or has no room for, is an SA like another: who makes SAs asks for
    one without a device then."""

    def sa(self, message: bytes, device: int, *, outbound: bool) -> bytes:
        """The message that adds an SA, with the device that is to carry it."""
        flags = OffloadFlag(0) if outbound else OffloadFlag.INBOUND
        if self.kind == "packet":
            flags |= OffloadFlag.PACKET
        return _with(message, device, flags)

    def policy(self, message: bytes, device: int) -> bytes:
        """The message that sets a policy; crypto offload knows no such thing."""
        return _with(message, device, OffloadFlag.PACKET) if self.kind == "packet" else message

    @staticmethod
    def was_taken(answer: bytes) -> bool:
        """Whether the kernel's answer to GETSA names a device: without it the kernel does everything itself."""
        try:
            return any(Attribute.OFFLOAD_DEV in told.attributes for told in xfrm.decode(answer))
        except Malformed:
            return False


def _with(message: bytes, device: int, flags: OffloadFlag) -> bytes:
    (request,) = xfrm.decode(message)
    attributes = dict(request.attributes) | {Attribute.OFFLOAD_DEV: xfrm.Offload(device, int(flags))}
    return xfrm.encode(Request(request.type, request.body, attributes))
