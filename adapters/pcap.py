"""Capture files of IP packets: libpcap's savefile format, little-endian, without a link layer (LINKTYPE_RAW).

    header:      magic  2  4  0  0  snaplen  link type
    per packet:  second  fraction  octets kept  octets in all ‖ octets

The magic says what the fraction of a second counts: microseconds or nanoseconds. Which packets, and what their times mean,
is the caller's affair.
"""

import struct
from collections.abc import Iterable

LINKTYPE_RAW = 101
SNAPLEN = 262144
"""Octets of the largest packet that readers take; what is larger is cut, and says so in its record."""
_MICROSECONDS, _NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")


def savefile(packets: Iterable[tuple[int, int, bytes]], *, nanoseconds: bool = False, snaplen: int = SNAPLEN) -> bytes:
    """A capture of (second, fraction, octets), of which at most `snaplen` are kept."""
    parts = [_HEADER.pack(_NANOSECONDS if nanoseconds else _MICROSECONDS, 2, 4, 0, 0, snaplen, LINKTYPE_RAW)]
    for second, fraction, octets in packets:
        kept = octets[:snaplen]
        parts += [_RECORD.pack(second, fraction, len(kept), len(octets)), kept]
    return b"".join(parts)


def untimed(packets: Iterable[bytes], *, snaplen: int = SNAPLEN) -> bytes:
    """The same where no time matters: all at 0."""
    return savefile(((0, 0, octets) for octets in packets), snaplen=snaplen)
