"""What a host chooses itself in the parts of its own super-packets, and nobody judges.

    IPv4    identification, as none of them is to be fragmented (RFC 6864 4.1)
    TCP     window (RFC 9293 3.8.6), PSH (RFC 9293 3.9.1: what is sent at once is for the sender to say)

Everything else is the super-packet's, and the checksum has to be that of what was chosen.
"""

from espproof.adapters.case import Enter
from espproof.reference import ip
from espproof.reference.errors import Malformed
from espproof.reference.xfrm import segmentation

_PSH = 0x08
_FLAGS, _WINDOW, _TCP_CHECKSUM = 13, slice(14, 16), slice(16, 18)
_TCP_HEADER = 20


def is_own(step: Enter) -> bool:
    """Whether it is a super-packet of the host's own."""
    return step.side == "local" and bool(step.segment)


def as_chosen(want: bytes, got: bytes) -> bytes:
    """The reference's part with what is open as the host has chosen it; as it is, beside what is no such packet."""
    try:
        should, is_ = ip.parse(want), ip.parse(got)
    except Malformed:
        return want
    if (should.version, should.protocol, len(should.header)) != (is_.version, is_.protocol, len(is_.header)):
        return want
    header, payload = should.header, should.payload
    if should.version == 4:
        identification = int.from_bytes(is_.header[ip.IPV4_IDENTIFICATION], "big")
        header = ip.with_checksum(ip.with_field(header, ip.IPV4_IDENTIFICATION, identification))
    if should.protocol == segmentation.PROTOCOL_TCP and len(is_.payload) >= _TCP_HEADER:
        flags = payload[_FLAGS] & ~_PSH | is_.payload[_FLAGS] & _PSH
        payload = payload[:_FLAGS] + bytes((flags,)) + is_.payload[_WINDOW] + payload[_WINDOW.stop :]
        payload = segmentation.with_checksum(should, payload, _TCP_CHECKSUM)
    return header + payload
