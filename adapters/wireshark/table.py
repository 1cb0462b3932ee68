"""Wireshark's table of SAs (`esp_sa`) and its list of UDP ports, as preferences that sharkd takes at run time.

A line is "protocol","source","destination","SPI","encryption","key","authentication","key". Versions after 4.0 have two
more columns for extended sequence numbers, with defaults. The key of a counter mode is key ‖ salt. The first line that
matches a packet counts.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from espproof.adapters.case import Sa
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

ENCRYPTION_NAMES = {name: entry.names.wireshark for name, entry in ENCRYPTION.items() if entry.names.wireshark}
INTEGRITY_NAMES = {name: entry.names.wireshark for name, entry in INTEGRITY.items() if entry.names.wireshark}


def preferences(sas: Iterable[Sa]) -> list[tuple[str, str]]:
    """Names and values; one for the ports, then one per SA, those that match most closely first."""
    ordered = sorted(sas, key=lambda sa: -len(sa.lookup))
    lines = [("uat", f"esp_sa:{line(sa)}") for sa in ordered]
    return [("udpencap.udp.port", ",".join(map(str, sorted(ports(ordered))))), *lines]


def ports(sas: Iterable[Sa]) -> set[int]:
    """Where UDP encapsulation is received."""
    return {sa.udp.destination_port for sa in sas if sa.udp is not None}


def line(sa: Sa) -> str:
    source, destination = ip_address(sa.source), ip_address(sa.destination)
    fields = (
        f"IPv{destination.version}",
        str(source) if sa.lookup == "spi+destination+source" else "*",
        str(destination) if sa.lookup != "spi" else "*",
        f"{sa.spi:#010x}",
        ENCRYPTION_NAMES[sa.encr],
        _hexadecimal(sa.encr_key + sa.salt),
        INTEGRITY_NAMES[sa.auth],
        _hexadecimal(sa.auth_key),
    )
    return ",".join(f'"{field}"' for field in fields)


def possible(sa: Sa) -> bool:
    """Whether the fields of a line would mean this SA; an endpoint refuses any other, the table takes it."""
    cipher, integrity = ENCRYPTION[sa.encr], INTEGRITY[sa.auth]
    try:
        versions = {ip_address(sa.source).version, ip_address(sa.destination).version}
    except ValueError:
        return False
    return (
        len(versions) == 1
        and sa.spi != 0
        and cipher.aead == (sa.auth == "NONE")
        and len(sa.salt) == cipher.salt_size
        and len(sa.auth_key) == integrity.key_size
    )


def matches(sa: Sa) -> tuple[object, ...]:
    """What a packet must have to be this SA's: two SAs with the same cannot be told apart."""
    return (
        sa.spi,
        sa.lookup,
        ip_address(sa.destination) if sa.lookup != "spi" else ip_address(sa.destination).version,
        ip_address(sa.source) if sa.lookup == "spi+destination+source" else None,
    )


def _hexadecimal(octets: bytes) -> str:
    return f"0x{octets.hex()}" if octets else ""
