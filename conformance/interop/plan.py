"""What two implementations can do together: rows of SA options, the two SAs of a row, and the packets inside.

The rows are a covering array over what both declare, as in `strategies.options`; rows that the sender has been used with
before are taken first, so that what it sent then can be used again.
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Literal

from espproof.adapters.capabilities import Capabilities
from espproof.adapters.case import Octets, Sa, SequenceNumber, UdpEncapsulation
from espproof.conformance.strategies import packets, values
from espproof.conformance.strategies.options import Options, OptionSpace, pairs_of
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

MAX_PACKET = 1500
"""Octets of the longest packet, before and after protection, whatever more both can do."""
_SPI = 0x1A2B3C4D
_MATERIAL = 0x2F15
_HEADER = {"4": 20, "6": 40}
_UDP_HEADER = 8
_ESP_HEADER = 8
_TRAILER = 2
_BLOCK = 16
"""Octets that a sender may pad to, whatever its algorithm asks for."""


class NothingInCommon(Exception):
    """Two implementations share no SA; says for want of what."""


def common(sender: Capabilities, receiver: Capabilities) -> Capabilities:
    """What an SA between the two can be, in one set of capabilities. Raises `NothingInCommon`."""
    encryption = {
        name: sizes
        for name, theirs in sender.encryption.items()
        if (sizes := tuple(size for size in theirs if size in receiver.encryption.get(name, ())))
    }
    shared = {
        "encryption": encryption,
        **{
            name: tuple(value for value in getattr(sender, name) if value in getattr(receiver, name))
            for name in ("integrity", "modes", "families", "esn")
        },
    }
    for name, there in (
        ("direction out", "out" in sender.directions),
        ("direction in", "in" in receiver.directions),
        *shared.items(),
    ):
        if not there:
            raise NothingInCommon(name)
    return Capabilities(
        encryption=encryption,
        integrity=shared["integrity"],  # type: ignore[arg-type]
        modes=shared["modes"],  # type: ignore[arg-type]
        families=shared["families"],  # type: ignore[arg-type]
        esn=shared["esn"],  # type: ignore[arg-type]
        replay_windows=receiver.replay_windows,
        udp=tuple(version for version in sender.udp if version in receiver.udp),
        max_packet=min(sender.max_packet, receiver.max_packet, MAX_PACKET),
    )


def rows_of(shared: Capabilities, used: Iterable[Options]) -> tuple[Options, ...]:
    """Rows that cover every pair of options, the `used` ones first."""
    space = OptionSpace(shared)
    left = set(space.pairs)
    chosen: list[Options] = []
    for row in (*used, *space.rows):
        covered = left & pairs_of(row)
        if covered and pairs_of(row) <= space.pairs:
            chosen.append(row)
            left -= covered
    if not chosen:
        raise NothingInCommon("an encryption algorithm with an integrity algorithm, a mode and a family")
    return tuple(chosen)


def name_of(row: Options) -> str:
    """The row in words that a pattern can match: `AES_GCM_16-128/tunnel/4in4/esn/w64`."""
    cipher = f"{row.encr.removeprefix('ENCR_')}-{8 * row.key_size}"
    integrity = f"+{row.auth.removeprefix('AUTH_')}" if row.auth != "NONE" else ""
    options = [*(["esn"] if row.esn else []), *(["udp"] if row.udp else []), f"w{row.replay_window}"]
    return "/".join((cipher + integrity, row.mode, row.family, *options))


def outbound_sa(row: Options, caps: Capabilities, sequence: int) -> Sa:
    """The sender's SA, with the header fields that the sender can do. The window is the receiver's business."""
    dscp: Literal["copy"] | int = "copy" if "copy" in caps.dscp else 0x2B
    ecn, df = (caps.ecn or ("normal",))[0], (caps.df or ("copy",))[0]
    return _sa(row, "out", sequence, replay_window=64, dscp=dscp, ecn=ecn, df=df)


def inbound_sa(row: Options, caps: Capabilities, sequence: int) -> Sa:
    """The receiver's SA."""
    lookup = "spi" if "spi" in caps.lookup else caps.lookup[0]
    ecn = (caps.ecn or ("normal",))[0]
    return _sa(row, "in", sequence, replay_window=row.replay_window, ecn=ecn, lookup=lookup)


def _sa(row: Options, direction: Literal["in", "out"], sequence: int, **fields: object) -> Sa:
    source, destination = packets.GATEWAYS[int(row.family[3])][0]
    return Sa(
        name=direction,
        direction=direction,
        spi=_SPI,
        mode="tunnel" if row.mode == "tunnel" else "transport",
        source=source,
        destination=destination,
        encr=row.encr,
        encr_key=Octets(values.octets(_MATERIAL, "encr", row.key_size)),
        salt=Octets(values.octets(_MATERIAL, "salt", ENCRYPTION[row.encr].salt_size)),
        auth=row.auth,
        auth_key=Octets(values.octets(_MATERIAL, "auth", INTEGRITY[row.auth].key_size)),
        esn=row.esn,
        sequence=SequenceNumber(sequence),
        udp=UdpEncapsulation() if row.udp else None,
        **fields,  # type: ignore[arg-type]
    )


def shortest_packet(row: Options) -> int:
    """Octets of an IP packet with one octet in it."""
    return _HEADER[row.family[0]] + 1


def longest_packet(row: Options, limit: int) -> int:
    """Octets of the longest packet that is no longer than `limit` octets when protected."""
    encryption = ENCRYPTION[row.encr]
    icv = encryption.icv_size if encryption.aead else INTEGRITY[row.auth].icv_size
    around = _HEADER[row.family[3]] + (_UDP_HEADER if row.udp else 0) + _ESP_HEADER + encryption.iv_size + icv
    inside = (limit - around) // _BLOCK * _BLOCK - _TRAILER
    return inside if row.mode == "tunnel" else inside + _HEADER[row.family[0]]


def packet(row: Options, number: int, size: int) -> Octets:
    """An IP packet of `size` octets, told apart from others by `number`: DF set, ECN 0, no options."""
    version = int(row.family[0])
    room = size - _HEADER[row.family[0]]
    udp = number % 2 == 1 and room >= _UDP_HEADER
    recipe = packets.Recipe(
        version=version,
        protocol=packets.UDP if udp else packets.EXPERIMENTAL,
        length=room - (_UDP_HEADER if udp else 0),
        traffic_class=(0, 0xB8, 0x28)[number % 3],
        dont_fragment=True,
        identification=number & 0xFFFF,
        flow_label=0x50000 | number & 0xFFFF,
    )
    if row.mode == "tunnel":
        source, destination = packets.hosts(version, "out")
    else:
        source, destination = (ip_address(text).packed for text in packets.GATEWAYS[version][0])
    return Octets(packets.build(recipe, source, destination))
