"""The rest of netdevsim, a simulated card of Linux' own: its driver takes SAs, and encrypts nothing.

    kernel ── ESP header, room for an IV, plain octets, trailer, room for an ICV ──► netdevsim ──► here ──► the wire

What the stack hands to a card comes out at the other end of the cable as it was handed over. The cipher of AES-GCM is
done here, with a counter of the card's as IV, for as many packets as the driver says that it was given for it. If these
are as many as are plain, fragments among them or not, they are the plain ones. If they are all that came out, those that
the stack has encrypted are encrypted once more, as a card would; and if it is neither, the plain ones leave as they are,
as nobody has asked for more.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from espproof.adapters.capabilities import DeviceCapabilities
from espproof.adapters.case import (
    AddSa,
    Burst,
    DeleteSa,
    DeviceSa,
    DeviceState,
    Done,
    Emerged,
    FlushSas,
    Octets,
    Outcome,
    Sa,
    Sent,
)
from espproof.adapters.exec.messages import Reset
from espproof.adapters.linux.questions import Asked

_SLOTS = 33
"""NSIM_IPSEC_MAX_SA_COUNT; the two directions share them."""
_KEY = 16
DEVICE = DeviceCapabilities(
    encryption={"ENCR_AES_GCM_16": (_KEY,)}, outbound=("transport", "tunnel"), udp=True, most={"out": _SLOTS}
)
"""What the card can do. What comes in, it leaves to the stack; longer keys its driver takes and cuts."""
TABLE = "/sys/kernel/debug/netdevsim/netdevsim1/ports/0/ipsec"
"""Where the driver tells of its SAs, and of how many packets it was given for them."""
_ESP, _UDP = 50, 17
_IPV4, _IPV6, _UDP_HEADER = 20, 40, 8
_IPV6_OPTIONS = {0, 43, 60}
_HEADER, _IV, _ICV = 8, 8, 16
_SA = re.compile(
    r"sa\[(\d+)\] ([rt])x ipaddr=(.+)\n"
    r"sa\[\1\] +spi=0x([0-9a-f]{8}) proto=0x[0-9a-f]+ salt=0x([0-9a-f]{8}) crypt=\d+\n"
    r"sa\[\1\] +key=0x([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8})\n"
)
_HEAD = re.compile(r"SA count=(\d+) tx=(\d+)\n")

_Place = tuple[str, int, IPv4Address | IPv6Address]
"""Direction, SPI and destination: no two SAs of a kernel have all of them, but with marks."""


class Entry(NamedTuple):
    """An SA in the table."""

    place: _Place
    salt: bytes
    key: bytes


class Table(NamedTuple):
    """What the driver tells: packets that it was given for an SA since it is there, and its SAs."""

    given: int
    entries: tuple[Entry, ...]


def table(text: str) -> Table:
    """From the words of the driver. `ValueError` if they are others."""
    head = _HEAD.match(text)
    found = [_entry(one) for one in _SA.finditer(text)]
    if head is None or int(head[1]) != len(found):
        raise ValueError(f"no table of netdevsim: {text!s:.200}")
    return Table(int(head[2]), tuple(found))


def _entry(told: re.Match[str]) -> Entry:
    direction = "in" if told[2] == "r" else "out"
    salt, *key = (int(word, 16).to_bytes(4, "little") for word in told.groups()[4:])
    return Entry((direction, int(told[4], 16), ip_address(told[3])), salt, b"".join(key))


class _Found(NamedTuple):
    """Where ESP is in a packet, and the SA that it is for."""

    start: int
    sa: Sa


class Netdevsim:
    """The card's cipher, and its account of a case: the SAs that there are, and the packets that it has done."""

    def __init__(self) -> None:
        self._sas: dict[str, Sa] = {}
        self._done: Counter[str] = Counter()
        self._given = 0
        self._iv = 0

    def note(self, step: Asked, outcome: Outcome) -> None:
        """What of the SAs there are has changed with a step."""
        match step:
            case Reset() | FlushSas():
                self._sas.clear()
                self._done.clear()
            case AddSa(sa=sa) if isinstance(outcome, Done):
                self._sas[sa.name] = sa
                self._done.pop(sa.name, None)
            case DeleteSa(sa=name) if isinstance(outcome, Done):
                self._sas.pop(name, None)

    def passed(self, outcome: Outcome, text: str) -> Outcome:
        """What comes of a step, with its packets as they are behind the card; `text` is what the driver has said then."""
        before, self._given = self._given, table(text).given
        packets = [(packet, _esp(packet, self._sas)) for packet in _sent(outcome)]
        there = [found is not None for _, found in packets]
        plain = [found is not None and not _is_sealed(packet, found) for packet, found in packets]
        whole = [is_plain and not _is_fragment(packet) for (packet, _), is_plain in zip(packets, plain, strict=True)]
        count = self._given - before
        chosen = next((some for some in (whole, plain, there) if sum(some) == count), [False] * len(packets))
        new = (
            self._sealed(packet, found) if found and is_chosen else packet
            for (packet, found), is_chosen in zip(packets, chosen, strict=True)
        )
        return _with(outcome, new)

    def _sealed(self, packet: Octets, found: _Found) -> Octets:
        self._iv += 1
        self._done[found.sa.name] += 1
        header = packet[found.start : found.start + _HEADER]
        iv = self._iv.to_bytes(_IV, "big")
        plain = packet[found.start + _HEADER + _IV : -_ICV]
        sealed = AESGCM(found.sa.encr_key).encrypt(found.sa.salt + iv, plain, header)
        return Octets(packet[: found.start] + header + iv + sealed)

    def told(self, text: str) -> DeviceState:
        """What the card knows."""
        entries = list(table(text).entries)
        known: list[DeviceSa] = []
        taken = 0
        for name, sa in self._sas.items():
            entry = next((one for one in entries if one.place == _place(sa)), None)
            if entry is not None:
                entries.remove(entry)
            if entry is None:
                known.append(DeviceSa(sa=name, by="software", reason="it is not in netdevsim's table"))
            elif sa.direction == "in":
                known.append(DeviceSa(sa=name, by="software", reason="netdevsim decrypts nothing"))
            elif (entry.key, entry.salt) != (sa.encr_key, sa.salt):
                known.append(DeviceSa(sa=name, by="software", reason="netdevsim has another key or salt for it"))
            else:
                known.append(DeviceSa(sa=name, by="device", packets=self._done[name]))
                taken += 1
        left = sum(octet != 0 for one in entries for octet in one.key + one.salt)
        return DeviceState(sas=tuple(known), entries=taken + len(entries), left=left)


def _place(sa: Sa) -> _Place:
    return sa.direction, sa.spi, ip_address(sa.destination)


def _esp(packet: Octets, sas: dict[str, Sa]) -> _Found | None:
    """Where the ESP header of an outbound SA of these is, if there is one behind the IP header, its options, or UDP."""
    start, protocol, destination = _behind(packet)
    if protocol == _UDP:
        start += _UDP_HEADER
    spi = int.from_bytes(packet[start : start + 4], "big")
    if protocol not in (_ESP, _UDP) or len(packet) < start + _HEADER + _IV + _ICV:
        return None
    sa = next((one for one in sas.values() if _place(one) == ("out", spi, destination)), None)
    return _Found(start, sa) if sa is not None and (sa.udp is None) == (protocol == _ESP) else None


def _behind(packet: Octets) -> tuple[int, int, IPv4Address | IPv6Address]:
    """Where what is behind the headers of IP begins, its protocol, and the destination."""
    if packet[0] >> 4 == 4:
        return 4 * (packet[0] & 15), packet[9], ip_address(bytes(packet[16:20]))
    at, protocol = _IPV6, packet[6]
    while protocol in _IPV6_OPTIONS and at + 8 <= len(packet):
        at, protocol = at + 8 * (packet[at + 1] + 1), packet[at]
    return at, protocol, ip_address(bytes(packet[24:40]))


def _is_fragment(packet: Octets) -> bool:
    """Of IPv4: one that the stack has protected as it is, or one of a packet that was protected before it was cut up."""
    return packet[0] >> 4 == 4 and bool(int.from_bytes(packet[6:8], "big") & 0x3FFF)


def _is_sealed(packet: Octets, found: _Found) -> bool:
    """Whether the stack has encrypted it: the ICV is right."""
    esp = packet[found.start :]
    nonce = found.sa.salt + esp[_HEADER : _HEADER + _IV]
    try:
        AESGCM(found.sa.encr_key).decrypt(nonce, esp[_HEADER + _IV :], esp[:_HEADER])
    except InvalidTag:
        return False
    return True


def _sent(outcome: Outcome) -> Sequence[Octets]:
    """Packets that went out on the wire."""
    match outcome:
        case Sent(packet=packet):
            return [packet]
        case Burst(results=results):
            return [one.packet for one in results if isinstance(one, Sent)]
        case Emerged(packets=packets):
            return [one.packet for one in packets if one.side == "wire"]
    return []


def _with(outcome: Outcome, new: Iterator[Octets]) -> Outcome:
    """The same, with other packets in the place of those that went out."""
    match outcome:
        case Sent():
            return replace(outcome, packet=next(new))
        case Burst(results=results):
            fates = (replace(one, packet=next(new)) if isinstance(one, Sent) else one for one in results)
            return replace(outcome, results=tuple(fates))
        case Emerged(packets=packets):
            its = (replace(one, packet=next(new)) if one.side == "wire" else one for one in packets)
            return replace(outcome, packets=tuple(its))
    return outcome
