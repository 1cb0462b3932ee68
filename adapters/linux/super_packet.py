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


def merged(header: bytes, packet: bytes) -> tuple[int, bytes]:
    """How many octets of payload each part has of a packet that came with that `virtio_net_hdr`, 0 if it is no
    super-packet; and the packet, with the checksum that was left to the device. `ValueError` for what is neither."""
    flags, kind, _, size, start, at = _HEADER.unpack(header)
    if flags & _NEEDS_CHECKSUM:
        place = start + at
        if place + 2 > len(packet):
            raise ValueError(f"a checksum at octet {place} of {len(packet)}")
        whole = ip.checksum(packet[start:])
        packet = packet[:place] + whole.to_bytes(2, "big") + packet[place + 2 :]
    return (size if kind != _NONE else 0), packet
