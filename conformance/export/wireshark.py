"""The SAs of a case for Wireshark and tshark: one line of its `esp_sa` table per SA, in a command that can be run.

A line is "protocol","source","destination","SPI","encryption","key","authentication","key", and since the versions after
4.0 "length of the sequence number","high half"; older ones throw the two away and say so. The key of a counter mode is
key ‖ salt. What Wireshark cannot do stands in a comment:

  * no replay window, no state: each packet is opened by itself;
  * one high half of an extended sequence number per SA, and in 4.0 none at all: other packets show a bad ICV (they are
    decrypted all the same: the high half is no part of what is encrypted);
  * no AES-CCM, no GMAC; the ICV of XCBC and CMAC is shown, not checked;
  * where the inner packet is malformed for some dissector (four octets to port 53), what follows in the tree, among it
    whether the ICV is right, is lost.
"""

import shlex
from collections.abc import Iterator
from ipaddress import ip_address

from espproof.adapters.case import Case, Sa
from espproof.conformance.export.comment import comment
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

ENABLE = ("esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE")
NEWER_THAN_4_0 = frozenset({"ENCR_CHACHA20_POLY1305", "ENCR_CHACHA20_POLY1305_IIV", "ENCR_AES_GCM_16_IIV"})
"""Encryption that 4.0 does not know: it refuses to start when it is told of one."""
UDP_PORT = 4500
"""The one port behind which Wireshark looks for ESP by itself."""


def wireshark(case: Case, capture: str = "CASE.pcap") -> str:
    """A shell script: comments, and the tshark command that opens `capture` with all options."""
    lines = ["#!/bin/sh", *comment(f"espproof case {case.id}"), *comment(case.title)]
    lines += [
        "# In Wireshark itself: Preferences, Protocols, ESP: attempt to decode, attempt to check, ESP SAs; or append what",
        "# stands behind uat:esp_sa: to the file esp_sa in the personal configuration folder (Help, About, Folders).",
    ]
    for sa in case.every_sa():
        lines += [line for note in notes(sa) for line in comment(f"SA {sa.name}: {note}")]
    command = ["tshark", "-r", capture, "-V", *options(case)]
    return "\n".join(lines) + "\n" + _folded(command) + "\n"


def options(case: Case) -> list[str]:
    """The arguments that tell tshark of the case's SAs; the ones that match most closely first, as the first is taken."""
    arguments = [argument for setting in ENABLE for argument in ("-o", setting)]
    sas = sorted(case.every_sa(), key=lambda sa: -len(sa.lookup))
    for line in dict.fromkeys(line for sa in sas if (line := esp_sa(sa)) is not None):
        arguments += ["-o", f"uat:esp_sa:{line}"]
    ports = {sa.udp.destination_port for sa in sas if sa.udp is not None}
    for port in sorted(ports - {UDP_PORT}):
        arguments += ["-d", f"udp.port=={port},udpencap"]
    return arguments


def esp_sa(sa: Sa) -> str | None:
    """The SA's line; None if Wireshark cannot open its packets, or it is no possible SA."""
    try:
        source, destination = ip_address(sa.source), ip_address(sa.destination)
        cipher, integrity = ENCRYPTION[sa.encr], INTEGRITY[sa.auth]
    except (ValueError, KeyError):
        return None
    if cipher.names.wireshark is None or sa.protocol != "esp":
        return None
    fields = [
        f"IPv{destination.version}",
        str(source) if sa.lookup == "spi+destination+source" else "*",
        str(destination) if sa.lookup != "spi" else "*",
        f"{sa.spi:#010x}",
        cipher.names.wireshark,
        _hexadecimal(sa.encr_key + sa.salt),
        integrity.names.wireshark or f"ANY {8 * integrity.icv_size} bit authentication [no checking]",
        _hexadecimal(sa.auth_key),
    ]
    if sa.esn:
        fields += ["64-bit", f"{high_half(sa):#x}"]
    return ",".join(f'"{field}"' for field in fields)


def high_half(sa: Sa) -> int:
    """Of the next sequence number in order."""
    return min(int(sa.sequence) + 1, 2**64 - 1) >> 32


def notes(sa: Sa) -> Iterator[str]:
    """What Wireshark cannot do for an SA."""
    cipher, integrity = ENCRYPTION.get(sa.encr), INTEGRITY.get(sa.auth)
    if sa.protocol == "ah":
        yield "Wireshark shows AH without its ICV verified; left out"
    elif cipher is None or integrity is None:
        yield "there is no such algorithm; left out"
    elif cipher.names.wireshark is None:
        yield f"Wireshark cannot open {sa.encr}; left out"
    elif esp_sa(sa) is None:
        yield "its addresses are none; left out"
    else:
        if sa.encr in NEWER_THAN_4_0:
            yield f"Wireshark 4.0 does not know {sa.encr} and refuses the line; later versions do"
        if integrity.names.wireshark is None:
            yield f"Wireshark does not check the ICV of {sa.auth}"
        if sa.esn:
            yield (
                f"the sequence numbers are extended; packets are opened with the high half {high_half(sa):#x}, others "
                "show a bad ICV, and Wireshark 4.0 ignores the high half altogether"
            )


def _hexadecimal(octets: bytes) -> str:
    return f"0x{octets.hex()}" if octets else ""


def _folded(command: list[str]) -> str:
    """One option to a line."""
    text = shlex.join(command[:4])
    rest = command[4:]
    return " \\\n  ".join([text, *[shlex.join(rest[at : at + 2]) for at in range(0, len(rest), 2)]])
