"""A packet taken apart, octet by octet, for people: which octets are which field, and what they say.

Every octet belongs to exactly one `Field`, in order, whatever the octets are: what cannot be read as a header is still
shown, as the part of it that is there. ESP is opened with the SA of its SPI, by the reference; the plaintext hangs as
`inner` fields (offsets in `plaintext`) below the field of the ciphertext. Nothing is judged here: a wrong length or
checksum is named where it stands, and the verdict is the oracle's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from espproof.adapters.case import Sa
from espproof.reference import ip
from espproof.reference.drops import DropReason
from espproof.reference.errors import Misuse
from espproof.reference.esp import HEADER_SIZE, NEXT_HEADER_DUMMY, Codec, Opened, sequence_low, spi_of, take_trailer
from espproof.reference.resynchronise import candidates
from espproof.reference.sequence import reconstruct
from espproof.reference.udp_encapsulation import KEEPALIVE, NON_ESP_MARKER, PORT

LAYERS = ("ip", "udp", "marker", "esp", "iv", "ciphertext", "icv", "payload", "tfc", "padding", "trailer", "link")
"""The layers a field can have: what an octet is coloured by."""
MAX_HALVES = 16
"""High halves that are tried for an SA that resynchronises (Appendix A3), so that a page stays quick to make."""

PROTOCOLS = {
    0: "hop-by-hop options", 1: "ICMP", 4: "IPv4", 6: "TCP", 17: "UDP", 41: "IPv6", 43: "routing header",
    44: "fragment header", 50: "ESP", 51: "AH", 58: "ICMPv6", 59: "no next header", 60: "destination options",
    132: "SCTP",
}  # fmt: skip
"""IANA protocol numbers that a packet here is likely to carry."""
_ECN = ("Not-ECT", "ECT(1)", "ECT(0)", "CE")


@dataclass(frozen=True, slots=True)
class Field:
    """Octets `start` up to, not including, `end`: a field called `name` that says `value`.

    `inner` and `plaintext` are of the ciphertext of an ESP packet that could be opened: its plaintext (payload to next
    header) and the fields of that, whose offsets count from the start of `plaintext`.
    """

    start: int
    end: int
    layer: str
    name: str
    value: str
    inner: tuple["Field", ...] = ()
    plaintext: bytes = b""


def dissect(packet: bytes, sas: Sequence[Sa], *, plain: bool = False) -> tuple[Field, ...]:
    """The fields of a whole IP packet, covering every octet once, in order. Raises nothing, whatever the octets are.

    `sas` are those that may have made the packet. `plain` is for a packet outside IPsec (what goes in outbound, what
    comes out inbound): IP headers and payload, ESP not opened.
    """
    reader = _Reader(bytes(packet))
    _ip(reader, len(packet), None if plain else tuple(sas))
    return tuple(reader.fields)


class _Reader:
    """Walks over octets and leaves fields behind; a field that is cut short by the end says so."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0
        self.fields: list[Field] = []

    def take(self, size: int, layer: str, name: str, say: Callable[[bytes], str], *, limit: int | None = None) -> None:
        """The next `size` octets, but none at or behind `limit`; `say` is only asked about a whole field."""
        end = min(self.at + size, len(self.octets) if limit is None else limit)
        if end <= self.at:
            return
        octets = self.octets[self.at : end]
        value = say(octets) if len(octets) == size else f"cut short: {len(octets)} of {size} octets"
        self.add(end, layer, name, value)

    def rest(self, end: int, layer: str, name: str, value: str = "") -> None:
        """Everything up to `end`."""
        if end > self.at:
            self.add(end, layer, name, value or _octets(end - self.at))

    def add(self, end: int, layer: str, name: str, value: str, inner: Sequence[Field] = (), text: bytes = b"") -> None:
        self.fields.append(Field(self.at, end, layer, name, value, tuple(inner), text))
        self.at = end


# ---------------------------------------------------------------------------------------------------------------- IP


def _ip(reader: _Reader, end: int, sas: tuple[Sa, ...] | None) -> None:
    """An IP packet up to `end`; what is behind its length is of layer "link". With `sas` None, ESP stays closed."""
    nibble = reader.octets[reader.at] >> 4 if reader.at < end else 0
    if nibble == 4:
        _ipv4(reader, end, sas)
    elif nibble == 6:
        _ipv6(reader, end, sas)
    reader.rest(end, "link" if nibble in (4, 6) else "payload", "behind the packet" if nibble in (4, 6) else "not IP")


def _ipv4(reader: _Reader, end: int, sas: tuple[Sa, ...] | None) -> None:
    packet = reader.octets[reader.at : end]
    size = (packet[0] & 0xF) * 4
    header = packet[: max(size, 20)]
    total = _number(packet[2:4]) if len(packet) >= 4 else len(packet)
    stop = min(end, reader.at + max(total, len(header)))
    start = reader.at
    fragment = _number(packet[6:8]) if len(packet) >= 8 else 0
    for width, name, say in (
        (1, "version, header length", lambda _: f"4, {size} octets" + ("" if size >= 20 else ", too few")),
        (1, "DSCP, ECN", lambda octets: _traffic_class(octets[0])),
        (2, "total length", lambda _: _length(total, len(packet))),
        (2, "identification", _hexadecimal),
        (2, "flags, fragment offset", _ipv4_fragment),
        (1, "TTL", _decimal),
        (1, "protocol", _protocol),
        (2, "header checksum", lambda octets: _ipv4_checksum(octets, header)),
        (4, "source", _address),
        (4, "destination", _address),
        (max(size - 20, 0), "options", lambda octets: _octets(len(octets))),
    ):
        reader.take(width, "ip", name, say, limit=end)
    if reader.at < end:
        is_fragment = bool(fragment & 0x3FFF)
        _upper(reader, stop, packet[9], sas, _Place(start, header, is_fragment))


def _ipv6(reader: _Reader, end: int, sas: tuple[Sa, ...] | None) -> None:
    packet = reader.octets[reader.at : end]
    start, length = reader.at, _number(packet[4:6]) if len(packet) >= 6 else len(packet)
    stop = min(end, start + ip.IPV6_HEADER_SIZE + length)
    for width, name, say in (
        (4, "version, DSCP, ECN, flow label", _ipv6_first),
        (2, "payload length", lambda _: _length(length, len(packet) - ip.IPV6_HEADER_SIZE)),
        (1, "next header", _protocol),
        (1, "hop limit", _decimal),
        (16, "source", _address),
        (16, "destination", _address),
    ):
        reader.take(width, "ip", name, say, limit=end)
    if reader.at >= stop:
        return
    protocol, is_fragment = packet[6], False
    while protocol in ip.EXTENSION_HEADERS and reader.at < stop:
        kind, protocol = protocol, reader.octets[reader.at]
        offset = _extension_header(reader, stop, kind)
        is_fragment = is_fragment or bool(offset & 0xFFF9)
        if offset & 0xFFF8:
            break
    _upper(reader, stop, protocol, sas, _Place(start, packet[: ip.IPV6_HEADER_SIZE], is_fragment))


def _extension_header(reader: _Reader, stop: int, kind: int) -> int:
    """One IPv6 extension header; the offset and M flag (16 bits) if it is a fragment header, else 0."""
    name, at = PROTOCOLS[kind], reader.at
    reader.take(1, "ip", f"{name}: next header", _protocol, limit=stop)
    if kind != ip.PROTOCOL_FRAGMENT:
        size = 8 + 8 * reader.octets[at + 1] if at + 1 < stop else 8
        reader.take(1, "ip", f"{name}: length", lambda _: _octets(size), limit=stop)
        reader.take(size - 2, "ip", f"{name}: contents", lambda octets: _octets(len(octets)), limit=stop)
        return 0
    reader.take(1, "ip", f"{name}: reserved", _decimal, limit=stop)
    reader.take(2, "ip", f"{name}: offset, M", _ipv6_fragment, limit=stop)
    reader.take(4, "ip", f"{name}: identification", _hexadecimal, limit=stop)
    return _number(reader.octets[at + 2 : at + 4]) if at + 4 <= stop else 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the upper layer stands: the IP header in front of it."""

    start: int
    header: bytes
    is_fragment: bool

    @property
    def addresses(self) -> tuple[bytes, bytes]:
        """Source and destination; short if the header is."""
        if self.header[0] >> 4 == 4:
            return self.header[12:16], self.header[16:20]
        return self.header[8:24], self.header[24:40]


def _upper(reader: _Reader, stop: int, protocol: int, sas: tuple[Sa, ...] | None, place: _Place) -> None:
    name = PROTOCOLS.get(protocol, f"protocol {protocol}")
    if place.is_fragment:
        reader.rest(stop, "payload", f"fragment of {name}")
    elif protocol == 50 and sas is not None:
        _esp(reader, stop, sas, place)
    elif protocol == 17:
        _udp(reader, stop, sas, place)
    else:
        reader.rest(stop, "payload", f"{name} payload")


def _udp(reader: _Reader, stop: int, sas: tuple[Sa, ...] | None, place: _Place) -> None:
    datagram = reader.octets[reader.at : stop]
    reader.take(2, "udp", "source port", _decimal, limit=stop)
    reader.take(2, "udp", "destination port", _decimal, limit=stop)
    reader.take(2, "udp", "length", lambda octets: _length(_number(octets), len(datagram)), limit=stop)
    reader.take(
        2, "udp", "checksum", lambda octets: _hexadecimal(octets) if any(octets) else "0: none sent", limit=stop
    )
    ports = {sa.udp.destination_port for sa in sas or () if sa.udp is not None} | {PORT}
    length = _number(datagram[4:6]) if len(datagram) >= 6 else 0
    inside = min(stop, reader.at + max(length - 8, 0)) if length >= 8 else stop
    payload = reader.octets[reader.at : inside]
    if sas is None or len(datagram) < 8 or _number(datagram[2:4]) not in ports:
        reader.rest(inside, "payload", "UDP payload")
    elif payload == KEEPALIVE:
        reader.rest(inside, "payload", "NAT keepalive", "0xff")
    elif payload[:4] == NON_ESP_MARKER:
        reader.take(4, "marker", "non-ESP marker", lambda _: "zero: IKE follows", limit=inside)
        reader.rest(inside, "payload", "IKE message")
    else:
        _esp(reader, inside, sas, place)
    reader.rest(stop, "link", "behind the UDP datagram")


# --------------------------------------------------------------------------------------------------------------- ESP


@dataclass(frozen=True, slots=True)
class _Key:
    """One SA's codec and, if it opened the packet, what was inside."""

    sa: Sa
    codec: Codec
    sequence: int
    plaintext: bytes | None = None
    note: str = ""


def _esp(reader: _Reader, stop: int, sas: tuple[Sa, ...], place: _Place) -> None:
    esp = reader.octets[reader.at : stop]
    key = _find(esp, sas, place) if len(esp) >= HEADER_SIZE else None
    who = f", SA {key.sa.name}" if key is not None else ", no SA here has it"
    reader.take(4, "esp", "SPI", lambda octets: _hexadecimal(octets) + who, limit=stop)
    reader.take(4, "esp", "sequence number", lambda octets: _sequence(octets, key), limit=stop)
    if key is None:
        reader.rest(stop, "ciphertext", "protected, not opened")
        return
    codec = key.codec
    if len(esp) < HEADER_SIZE + codec.iv_size + codec.icv_size:
        reader.rest(stop, "ciphertext", "too short", f"{_octets(len(esp))}; the least of this SA is {codec.smallest}")
        return
    reader.take(codec.iv_size, "iv", "IV", _hexadecimal, limit=stop)
    end = stop - codec.icv_size
    if end > reader.at:
        if key.plaintext is None:
            reader.rest(end, "ciphertext", "ciphertext", f"{_octets(end - reader.at)}, not opened")
        else:
            inner = _plaintext(key.plaintext, key.sa)
            reader.add(end, "ciphertext", "ciphertext", _octets(end - reader.at), inner, key.plaintext)
    reader.take(codec.icv_size, "icv", "ICV", lambda octets: key.note, limit=stop)


def _find(esp: bytes, sas: tuple[Sa, ...], place: _Place) -> _Key | None:
    """The SA that opens these octets; else the most specific one of that SPI, with why it does not; else None."""
    fitting = [sa for sa in sas if sa.spi == spi_of(esp)]
    keys = []
    for sa in sorted(fitting, key=lambda sa: _addresses(sa) != place.addresses):
        codec = codec_of(sa)
        if codec is None:
            continue
        key = _open(esp, sa, codec)
        if key.plaintext is not None:
            return key
        keys.append(key)
    return keys[0] if keys else None


def codec_of(sa: Sa) -> Codec | None:
    """The reference's codec with an SA's keys; None if no standard allows such an SA, and of AH."""
    if sa.protocol != "esp":
        return None
    try:
        return Codec(sa.spi, sa.encr, sa.auth, bytes(sa.encr_key), bytes(sa.salt), bytes(sa.auth_key), esn=sa.esn)
    except Misuse:
        return None


def _addresses(sa: Sa) -> tuple[bytes, bytes]:
    try:
        return ip_address(sa.source).packed, ip_address(sa.destination).packed
    except ValueError:
        return b"", b""


def _open(esp: bytes, sa: Sa, codec: Codec) -> _Key:
    numbers = tuple(_numbers(sequence_low(esp), sa))
    for sequence in numbers:
        opened = codec.open(esp, sequence)
        if isinstance(opened, bytes):
            return _Key(sa, codec, sequence, opened, f"right, {_octets(codec.icv_size)}")
        if opened is DropReason.MALFORMED:
            multiple = f"the plaintext is no multiple of {codec.alignment} octets, or too short"
            return _Key(sa, codec, numbers[0], None, f"not checked: {multiple}")
    return _Key(sa, codec, numbers[0], None, f"wrong{_mistake(esp, sa, codec, numbers[0])}")


def _numbers(low: int, sa: Sa) -> Iterator[int]:
    """The whole sequence numbers that a packet with this low half may have, the likeliest first."""
    if not sa.esn:
        yield low
        return
    high, known = int(sa.sequence) >> 32, int(sa.sequence)
    guess = reconstruct(low, known, sa.replay_window) if sa.direction == "in" else None
    halves = dict.fromkeys([guess >> 32 if guess is not None else high, high, high + 1, max(high - 1, 0)])
    for half in halves:
        if half < 1 << 32:
            yield half << 32 | low
    if guess is not None and sa.resync_limit:
        yield from candidates(low, guess, min(sa.resync_limit, MAX_HALVES))


def _mistake(esp: bytes, sa: Sa, codec: Codec, sequence: int) -> str:
    """The mistake with the high half that explains a wrong ICV, if one of the usual ones does."""
    if not sa.esn:
        return ""
    swapped = int.from_bytes((sequence >> 32).to_bytes(4, "big"), "little") << 32 | sequence_low(esp)
    plain = codec_of(msgspec.structs.replace(sa, esn=False))
    for what, other, number in (
        ("with the high half of the sequence number left out", plain, sequence),
        ("with a high half of 0", codec, sequence_low(esp)),
        ("with the high half byte-swapped", codec, swapped),
    ):
        if other is not None and isinstance(other.open(esp, number), bytes):
            return f"; it would be right {what}"
    return ""


def _plaintext(plaintext: bytes, sa: Sa) -> tuple[Field, ...]:
    """Payload, TFC padding, padding, pad length and next header of an authenticated packet."""
    reader = _Reader(plaintext)
    if len(plaintext) < 2:
        reader.rest(len(plaintext), "trailer", "too short for a trailer")
        return tuple(reader.fields)
    opened, pad_length, next_header = take_trailer(plaintext), plaintext[-2], plaintext[-1]
    end = len(plaintext) - 2 - pad_length
    if end < 0:
        reader.rest(len(plaintext) - 2, "payload", "payload or padding")
    else:
        _payload(reader, end, next_header, sa)
        right = isinstance(opened, Opened)
        reader.rest(len(plaintext) - 2, "padding", "padding", "1, 2, 3, …" if right else "not 1, 2, 3, …")
    beyond = ", more than there is" if end < 0 else ""
    reader.take(1, "trailer", "pad length", lambda octets: f"{octets[0]}{beyond}")
    reader.take(1, "trailer", "next header", _protocol)
    return tuple(reader.fields)


def _payload(reader: _Reader, end: int, next_header: int, sa: Sa) -> None:
    if next_header == NEXT_HEADER_DUMMY:
        reader.rest(end, "payload", "dummy payload")
    elif sa.mode == "tunnel" and next_header in (4, 41):
        _inner_packet(reader, end)
    else:
        reader.rest(end, "payload", f"{PROTOCOLS.get(next_header, f'protocol {next_header}')} payload")


def _inner_packet(reader: _Reader, end: int) -> None:
    """An IP packet and, behind its length, TFC padding."""
    inner = _Reader(reader.octets[:end])
    _ip(inner, end, None)
    for field in inner.fields:
        tfc = field.layer == "link" and field.name == "behind the packet"
        reader.add(field.end, "tfc" if tfc else field.layer, "TFC padding" if tfc else field.name, field.value)


# ------------------------------------------------------------------------------------------------------------ values


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


def _decimal(octets: bytes) -> str:
    return str(_number(octets))


def _hexadecimal(octets: bytes) -> str:
    return f"0x{octets.hex()}"


def _octets(count: int) -> str:
    return f"{count} octet{'' if count == 1 else 's'}"


def _length(claimed: int, there: int) -> str:
    return str(claimed) if claimed == there else f"{claimed}; {there} octets are there"


def _protocol(octets: bytes) -> str:
    name = PROTOCOLS.get(octets[0])
    return f"{octets[0]} ({name})" if name else str(octets[0])


def _address(octets: bytes) -> str:
    return str(ip_address(octets))


def _traffic_class(octet: int) -> str:
    return f"DSCP {octet >> 2}, {_ECN[octet & 3]}"


def _ipv4_fragment(octets: bytes) -> str:
    field = _number(octets)
    flags = [name for bit, name in ((0x8000, "reserved bit"), (0x4000, "DF"), (0x2000, "MF")) if field & bit]
    return ", ".join([*(flags or ["no flags"]), f"offset {(field & 0x1FFF) * 8}"])


def _ipv6_fragment(octets: bytes) -> str:
    field = _number(octets)
    return f"offset {field & 0xFFF8}, {'more' if field & 1 else 'no more'} to come"


def _ipv4_checksum(octets: bytes, header: bytes) -> str:
    right = ip.checksum(header[:10] + header[12:])
    return f"{_hexadecimal(octets)}, " + (
        "right" if _number(octets) % 0xFFFF == right % 0xFFFF else f"not {right:#06x}"
    )


def _ipv6_first(octets: bytes) -> str:
    first = _number(octets)
    return f"6, {_traffic_class(first >> 20 & 0xFF)}, flow label {first & 0xFFFFF:#07x}"


def _sequence(octets: bytes, key: _Key | None) -> str:
    low = _number(octets)
    if key is None or not key.sa.esn:
        return str(low)
    high = f"high half {key.sequence >> 32:#x}, not sent"
    return f"{low:#010x} ({high})" if key.plaintext is not None else f"{low:#010x}"
