"""A super-packet in the kernel's words: the header of `linux/virtio_net.h`, and the packet with its checksum begun. Pure.

The checksum field holds the sum over the pseudo-header alone, which the kernel (or a card) completes for each segment.
"""

import struct

from espproof.adapters.linux.association import Untold
from espproof.reference import ip
from espproof.reference.errors import Malformed

_HEADER = struct.Struct("=BBHHHH")
_NEEDS_CHECKSUM = 1
_NONE, _TCPV4, _TCPV6, _UDP = 0, 1, 4, 5
_TCP, _UDP_PROTOCOL = 6, 17
_CHECKSUM = {_TCP: 16, _UDP_PROTOCOL: 6}
"""Where it stands in the transport header."""
_SHORTEST = {_TCP: 20, _UDP_PROTOCOL: 8}


def protocol_of(packet: bytes) -> str:
    """ "tcp" or "udp"; "" for anything else."""
    try:
        return {_TCP: "tcp", _UDP_PROTOCOL: "udp"}.get(ip.parse(packet).protocol, "")
    except Malformed:
        return ""


def super_packet(packet: bytes, size: int) -> tuple[bytes, bytes]:
    """The `virtio_net_hdr` and the packet. `Untold` for what is neither TCP nor UDP, or lacks a part of its header."""
    try:
        whole = ip.parse(packet)
    except Malformed as error:
        raise Untold(f"super-packets that are no packets: {error}") from error
    at = _CHECKSUM.get(whole.protocol)
    if at is None or len(whole.payload) < _SHORTEST[whole.protocol]:
        raise Untold("super-packets of another protocol than TCP and UDP")
    transport = (whole.payload[12] >> 4) * 4 if whole.protocol == _TCP else 8
    kind = _UDP if whole.protocol == _UDP_PROTOCOL else _TCPV4 if whole.version == 4 else _TCPV6
    if len(whole.payload) - transport <= size:
        kind, size = _NONE, 0
    front = len(whole.header)
    header = _HEADER.pack(_NEEDS_CHECKSUM, kind, front + transport, size, front, at)
    pseudo = (
        whole.source + whole.destination + len(whole.payload).to_bytes(4, "big") + bytes(3) + bytes((whole.protocol,))
    )
    begun = ip.checksum(pseudo) ^ 0xFFFF
    return header, packet[: front + at] + begun.to_bytes(2, "big") + packet[front + at + 2 :]
