"""What the chip does to a frame between host memory and wire (X550 7.13.6, 7.13.10), as functions of frame and tables.

Frames are Ethernet frames without their CRC. On the way out software has written all headers, the ESP trailer and a blank
ICV; the chip computes checksums, encrypts, and writes the ICV. A super-packet it cuts up first: then trailer and ICV are
the chip's as well, and sequence number and IV rise by one with each segment. On the way in nothing is added or taken
away: payload becomes plaintext in place, and the report says what was found.

The chip does cryptography of its own here (GCM and GMAC with 128-bit keys), not `transforms`, which is the reference's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espproof.reference import ip
from espproof.reference.offload.niantic.descriptors import (
    AH,
    AUTHENTICATION_FAILED,
    CRC,
    ESP,
    INVALID_LENGTH,
    INVALID_PROTOCOL,
    L4_TCP,
    L4_UDP,
    TYPE_AH,
    TYPE_ESP,
    TYPE_IPV4,
    TYPE_IPV6,
    TYPE_SCTP,
    TYPE_TCP,
    TYPE_UDP,
    Context,
    Data,
    Report,
)
from espproof.reference.offload.niantic.tables import RxKey, Tables, TxSa

TCP, UDP, SCTP = 6, 17, 132
ESP_HEADER = 16
"""SPI, sequence number and IV."""
AH_HEADER = 20
"""The fixed part and the IV, in front of the ICV."""
ICV = 16
_VLAN_TYPES = (0x8100, 0x88A8)
_IPV4_TYPE, _IPV6_TYPE = 0x0800, 0x86DD
_WORD_SUM = 0xFFFF
_TCP_CHECKSUM, _UDP_CHECKSUM = slice(16, 18), slice(6, 8)
_FLAGS = slice(12, 14)
"""Of TCP: header length and flags."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The masks of DTXTCPFLGL and DTXTCPFLGH, which TCP's flags of a segment are combined with (7.2.4.7)."""

    first: int
    middle: int
    last: int


# ------------------------------------------------------------------------------------------------------------- transmit


def send(frame: bytes, context: Context, data: Data, tables: Tables, flags: Flags, *, ipsec: bool) -> Iterator[bytes]:
    """The frames that leave for what a driver has given. `ipsec` says whether the engine is on.

    With the engine off, or without a request for it, the chip has no part in IPsec, and what is in the buffers leaves in
    the clear: assumed, as "disabled regardless of the contents of the table" (8.2.2.25.1) says no more.
    """
    active = ipsec and data.ipsec
    sa = tables.tx[context.sa]
    if data.segments:
        for segment in _segments(frame, context, data, flags, ipsec=active):
            yield _protected(segment, context, sa) if active else segment
        return
    if data.ip_checksum and context.ipv4:
        frame = _with_ip_checksum(frame, context, 20 if data.ipsec else context.ip_length)
    if data.l4_checksum:
        frame = _with_l4_checksum(frame, context, len(frame) - (context.trailer if active and context.esp else 0))
    yield _protected(frame, context, sa) if active else frame


def _segments(frame: bytes, context: Context, data: Data, flags: Flags, *, ipsec: bool) -> Iterator[bytes]:
    """The frames of a super-packet, complete but for the cipher (7.13.6.3, steps 4 to 12)."""
    front = context.mac_length + context.ip_length + context.l4_length
    header, content = frame[:front], frame[front : front + data.payload_length]
    size = context.segment or len(content) or 1
    places = range(0, max(len(content), 1), size)
    for number, at in enumerate(places):
        part = header + content[at : at + size]
        last = at + size >= len(content)
        if context.l4 == L4_TCP:
            mask = -1 if len(places) == 1 else flags.last if last else flags.middle if number else flags.first
            part = _tcp(part, context, at, mask)
        else:
            part = _put(part, _l4(context) + 4, 2, len(part) - _l4(context))
        if number and ipsec:
            part = _counted(part, context, number)
        end = len(part)
        part = _with_l4_checksum(part, context, end, length=end - _l4(context))
        if ipsec and context.esp:
            part = part + _trailer(end - _l4(context), TCP if context.l4 == L4_TCP else UDP) + bytes(ICV)
        yield _ip_header(part, context, number)


def _tcp(part: bytes, context: Context, at: int, mask: int) -> bytes:
    start = _l4(context)
    part = _put(part, start + 4, 4, int.from_bytes(part[start + 4 : start + 8], "big") + at)
    word = int.from_bytes(part[start + 12 : start + 14], "big")
    return _put(part, start + 12, 2, word & (0xF000 | mask & 0xFFF))


def _counted(part: bytes, context: Context, number: int) -> bytes:
    """Sequence number and IV of a later segment: each is one more than in the segment before."""
    start = _ipsec_header(part, context)
    at = start + (4 if context.esp else 8)
    for place, width in ((at, 4), (at + 4, 8)):
        part = _put(part, place, width, int.from_bytes(part[place : place + width], "big") + number)
    return part


def _trailer(length: int, next_header: int) -> bytes:
    """Padding to four octets, its length and the next header, behind so many octets of TCP or UDP (7.2.3.2.3.1)."""
    padding = -(length + 2) % 4
    return bytes(range(1, padding + 1)) + bytes((padding, next_header))


def _ip_header(part: bytes, context: Context, number: int) -> bytes:
    start = context.mac_length
    length = len(part) - start
    if not context.ipv4:
        return _put(part, start + 4, 2, length - ip.IPV6_HEADER_SIZE)
    part = _put(part, start + 2, 2, length)
    part = _put(part, start + 4, 2, int.from_bytes(part[start + 4 : start + 6], "big") + number)
    return _with_ip_checksum(part, context, ip.IPV4_HEADER_SIZE)


def _with_ip_checksum(frame: bytes, context: Context, length: int) -> bytes:
    """Over a header of `length` octets; with IPsec that is 20, as the context's length has the IPsec header in it."""
    start = context.mac_length
    blank = _put(frame, start + 10, 2, 0)
    return _put(blank, start + 10, 2, _checksum(blank[start : start + length]))


def _with_l4_checksum(frame: bytes, context: Context, end: int, *, length: int = 0) -> bytes:
    """From the TCP or UDP header to `end`; the sum of the pseudo-header is in the packet, for super-packets without the
    length. A sum of zero is sent as all ones for UDP: RFC 768."""
    if context.l4 not in (L4_TCP, L4_UDP):
        return frame  # SCTP's CRC is not modelled
    start = _l4(context)
    field = _TCP_CHECKSUM if context.l4 == L4_TCP else _UDP_CHECKSUM
    found = _checksum(frame[start:end], length)
    return _put(frame, start + field.start, 2, found or (0xFFFF if context.l4 == L4_UDP else 0))


def _checksum(octets: bytes, total: int = 0) -> int:
    """The ones' complement of the ones' complement sum (RFC 1071) of 16-bit words, and of what is in `total` already."""
    total += sum(int.from_bytes(octets[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & _WORD_SUM) + (total >> 16)
    return total ^ _WORD_SUM


def _protected(frame: bytes, context: Context, sa: TxSa) -> bytes:
    """Steps 5 and 6 of 7.13.6.1: ICV, and ciphertext in the place of plaintext. A frame that has no room for them leaves
    as it came: assumed."""
    start = _ipsec_header(frame, context)
    if context.esp:
        if len(frame) < start + ESP_HEADER + ICV:
            return frame
        header, iv, plaintext = (
            frame[start : start + 8],
            frame[start + 8 : start + ESP_HEADER],
            frame[start + ESP_HEADER : -ICV],
        )
        return frame[: start + ESP_HEADER] + _seal(sa.key, sa.salt + iv, header, iv, plaintext, encrypt=context.encrypt)
    room = start + AH_HEADER + ICV
    if len(frame) < room:
        return frame
    iv = frame[start + 12 : start + AH_HEADER]
    tag = AESGCM(sa.key).encrypt(sa.salt + iv, b"", _covered_by_ah(frame, context.mac_length, start))
    return frame[: start + AH_HEADER] + tag + frame[room:]


def _seal(key: bytes, nonce: bytes, header: bytes, iv: bytes, plaintext: bytes, *, encrypt: bool) -> bytes:
    """7.13.7.1 and 7.13.7.2."""
    if encrypt:
        return AESGCM(key).encrypt(nonce, plaintext, header)
    return plaintext + AESGCM(key).encrypt(nonce, b"", header + iv + plaintext)


def _covered_by_ah(frame: bytes, packet: int, start: int) -> bytes:
    """What the ICV of an AH at `start` covers: the IP packet that begins at `packet`, with what routers change zeroed
    (appendix A.3.1; RFC 4302 3.3.3.1), and with it IV and ICV, which are one field of AH (RFC 4543 4). That the chip
    counts the IV as that field is assumed: the data sheet says neither."""
    header, rest = frame[packet:start], frame[start + 12 + 8 + ICV :]
    if header[0] >> 4 == 4:
        header = header[:1] + b"\0" + header[2:6] + bytes(3) + header[9:10] + bytes(2) + header[12:]
    else:
        header = bytes((0x60, 0, 0, 0)) + header[4:7] + b"\0" + header[8:]
    return header + frame[start : start + 12] + bytes(8 + ICV) + rest


def _l4(context: Context) -> int:
    return context.mac_length + context.ip_length


def _ipsec_header(frame: bytes, context: Context) -> int:
    """Where it begins. The chip looks at the packet, as a driver may give a length with or without the IPsec header."""
    version = frame[context.mac_length] >> 4 if len(frame) > context.mac_length else 0
    return context.mac_length + (ip.IPV6_HEADER_SIZE if version == 6 else ip.IPV4_HEADER_SIZE)


def _put(frame: bytes, at: int, width: int, value: int) -> bytes:
    return frame[:at] + (value % (1 << 8 * width)).to_bytes(width, "big") + frame[at + width :]


# -------------------------------------------------------------------------------------------------------------- receive


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the chip's parser knows of a frame; `ipsec` is where AH or ESP begins, if it can work on it."""

    type: int = 0
    at: int = 0
    protocol: int = 0
    address: bytes = b""
    ipsec: int | None = None


def receive(frame: bytes, tables: Tables, *, ipsec: bool, mismatch_is_error: bool) -> tuple[bytes, Report, int | None]:
    """The frame as it goes into host memory, the report, and the index of the SA, which the report does not tell.

    `mismatch_is_error`: the data sheet says of an entry for the other protocol that it is no match (7.13.9.1), and that
    it is an error of its own (7.13.10, step 4).
    """
    seen = _parse(frame)
    untouched = Report(len(frame), seen.type)
    if not ipsec or seen.ipsec is None:
        return frame, untouched, None
    at = seen.ipsec
    spi = frame[at : at + 4] if seen.protocol == ESP else frame[at + 4 : at + 8]
    found = tables.find(seen.address, spi)
    if found is None or not found[1].valid or found[1].ipv6 != bool(seen.type & TYPE_IPV6):
        return frame, untouched, None
    index, key = found
    if key.esp != (seen.protocol == ESP):
        return (
            (frame, replace(untouched, matched=True, error=INVALID_PROTOCOL), index)
            if mismatch_is_error
            else (frame, untouched, None)
        )
    frame, error = _opened_esp(frame, seen, key) if key.esp else _checked_ah(frame, seen, key)
    return frame, replace(untouched, matched=True, error=error), index


def plain(frame: bytes) -> Report:
    """Of a frame that the engine has nothing to do with."""
    return Report(len(frame), _parse(frame).type)


def _opened_esp(frame: bytes, seen: _Seen, key: RxKey) -> tuple[bytes, int]:
    at, end = seen.ipsec or 0, _end(frame, seen)
    if end - at + CRC < 40 or (end - at) % 4:
        return frame, INVALID_LENGTH
    header, iv, body = frame[at : at + 8], frame[at + 8 : at + ESP_HEADER], frame[at + ESP_HEADER : end]
    nonce = key.salt + iv
    try:
        if key.decrypts:
            plaintext = AESGCM(key.key).decrypt(nonce, body, header)
        else:
            plaintext = body[:-ICV]
            AESGCM(key.key).decrypt(nonce, body[-ICV:], header + iv + plaintext)
    except InvalidTag:
        return frame, AUTHENTICATION_FAILED  # what is left in the payload is not said; assumed: as it came
    return frame[: at + ESP_HEADER] + plaintext + body[-ICV:] + frame[end:], 0


def _checked_ah(frame: bytes, seen: _Seen, key: RxKey) -> tuple[bytes, int]:
    at, end = seen.ipsec or 0, _end(frame, seen)
    ipv6 = bool(seen.type & TYPE_IPV6)
    if end - at + CRC < (44 if ipv6 else 40):
        return frame, INVALID_LENGTH
    room = at + AH_HEADER + ICV
    iv, tag = frame[at + 12 : at + AH_HEADER], frame[at + AH_HEADER : room]
    try:
        AESGCM(key.key).decrypt(key.salt + iv, tag, _covered_by_ah(frame[:end], seen.at, at))
    except InvalidTag:
        return frame, AUTHENTICATION_FAILED
    return frame, 0


def _parse(frame: bytes) -> _Seen:
    """7.13.12.1: IPsec is worked on behind an IP header without options or extension headers, in whole packets."""
    at = 12
    while int.from_bytes(frame[at : at + 2], "big") in _VLAN_TYPES and at < 20:
        at += 4
    kind = int.from_bytes(frame[at : at + 2], "big")
    at += 2
    if kind == _IPV4_TYPE and len(frame) >= at + ip.IPV4_HEADER_SIZE and frame[at] >> 4 == 4:
        protocol = frame[at + 9]
        types = TYPE_IPV4 | _types(protocol)
        if frame[at] & 0xF != 5 or int.from_bytes(frame[at + 6 : at + 8], "big") & 0x3FFF:
            return _Seen(types, at, protocol)
        address = bytes(12) + frame[at + 16 : at + 20]
        return _Seen(types, at, protocol, address, _start(frame, at + ip.IPV4_HEADER_SIZE, protocol))
    if kind == _IPV6_TYPE and len(frame) >= at + ip.IPV6_HEADER_SIZE and frame[at] >> 4 == 6:
        protocol = frame[at + 6]
        return _Seen(
            TYPE_IPV6 | _types(protocol),
            at,
            protocol,
            frame[at + 24 : at + 40],
            _start(frame, at + ip.IPV6_HEADER_SIZE, protocol),
        )
    return _Seen()


def is_tagged(frame: bytes) -> bool:
    """Whether the frame has a VLAN tag."""
    return int.from_bytes(frame[12:14], "big") in _VLAN_TYPES


def _types(protocol: int) -> int:
    return {ESP: TYPE_ESP, AH: TYPE_AH, TCP: TYPE_TCP, UDP: TYPE_UDP, SCTP: TYPE_SCTP}.get(protocol, 0)


def _start(frame: bytes, at: int, protocol: int) -> int | None:
    return at if protocol in (ESP, AH) and len(frame) >= at + 8 else None


def _end(frame: bytes, seen: _Seen) -> int:
    """Where the IP packet ends, by its own length: what is behind is the link's padding."""
    length = (
        int.from_bytes(frame[seen.at + 2 : seen.at + 4], "big")
        if seen.type & TYPE_IPV4
        else int.from_bytes(frame[seen.at + 4 : seen.at + 6], "big") + ip.IPV6_HEADER_SIZE
    )
    return min(seen.at + length, len(frame))
