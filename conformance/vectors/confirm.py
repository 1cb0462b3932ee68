"""The same packets again, by implementations that share no ESP code with us: scapy, the openssl command, Wireshark.

    scapy      makes each packet (through its adapter); its primitives are those of `cryptography`, as ours
    openssl    enciphers and authenticates the octets of separate algorithms, told where they are by RFC 4303 alone
    Wireshark  checks the ICV and decrypts, with the primitives of libgcrypt; 32-bit sequence numbers only
    Whole      any adapter: executes the vector, all of whose outcomes must be as expected

A packet with a mistake is confirmed as the right packet of the SA for which it is none (see `Made`). A confirmer that
contradicts a single packet raises `Contradiction`: then somebody is wrong, and no file is written.
"""

import re
import shutil
import struct
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from espproof.adapters.base import Adapter
from espproof.adapters.case import Lifetime, Octets, Outbound, Sa, Sent, SequenceNumber
from espproof.adapters.pcap import untimed
from espproof.adapters.registry import open_adapter
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.vectors import judge
from espproof.conformance.vectors.made import HALF, Made, Mistake, Vector
from espproof.reference import ip
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Misuse

SECONDS = 60
"""How long a program may take for one answer."""


class Contradiction(Exception):
    """Another implementation has other octets. Carries the vector, the implementation and both packets."""


class Confirmer(Protocol):
    """Somebody who can say that our octets are right."""

    def confirm(self, vectors: list[Vector]) -> Iterator[str]:
        """For each vector who confirmed what, in words, or "" if nothing can be said. Raises `Contradiction`."""


def here() -> list[Confirmer]:
    """The confirmers that this machine has. `Misuse` if one is missing: a build must not forget what was confirmed."""
    missing = [name for name in ("openssl", "tshark") if shutil.which(name) is None]
    if missing:
        raise Misuse(f"cannot confirm without {' and '.join(missing)}")
    return [Scapy(), OpenSsl(), Wireshark()]


# -------------------------------------------------------------------------------------------------------------- scapy


class Scapy:
    """Makes each packet again with scapy and compares the ESP octets."""

    def __init__(self) -> None:
        self._adapter: Adapter = open_adapter("scapy")

    def confirm(self, vectors: list[Vector]) -> Iterator[str]:
        for vector in vectors:
            done = 0
            for made in vector.made:
                again = self._esp(made)
                _compare(vector, f"scapy {self._adapter.version}", again, made.esp)
                done += again is not None
            yield _said(f"scapy {self._adapter.version}", "octets", done, len(vector.made))

    def _esp(self, made: Made) -> bytes | None:
        if made.plaintext is not None or (made.sa.mode == "transport" and _has_extensions(made.inner)):
            return None  # it makes none but right ones, and puts ESP in front of routing headers
        sa, number, header = made.sa, made.sequence, b""
        right = made.as_right_packet_of()
        if right is not None:
            sa, number = right
        elif made.mistake is Mistake.HALVES_SWAPPED and ENCRYPTION[sa.encr].aead:
            header = sa.spi.to_bytes(4, "big") + (number & HALF).to_bytes(4, "big")
            number = (number & HALF) << 32 | number >> 32  # its AAD is SPI ‖ low ‖ high: that of another number
        elif made.mistake is not Mistake.FORGED:
            return None
        esp = self._right(sa, number, made)
        if esp is None:
            return None
        esp = header + esp[len(header) :]
        return esp[:-3] + bytes([esp[-3] ^ 0x10]) + esp[-2:] if made.mistake is Mistake.FORGED else esp

    def _right(self, sa: Sa, number: int, made: Made) -> bytes | None:
        """By way of the explicit IV where ours is implicit, and of the whole tag where ours is cut."""
        explicit = sa.encr.removesuffix("_IIV")
        whole = "ENCR_AES_GCM_16" if explicit.startswith("ENCR_AES_GCM") else explicit
        iv = number.to_bytes(8, "big") if sa.encr != explicit else made.iv
        sender = msgspec.structs.replace(
            sa, name="out", direction="out", sequence=SequenceNumber(number - 1), dscp=0, df="clear", encr=whole,
            ecn="normal", hop_limit=64, udp=None, lifetime=Lifetime(), selectors=(), lookup="spi",
        )  # fmt: skip
        self._adapter.reset()
        if type(self._adapter.add_sa(sender)).__name__ != "Done":
            return None
        step = Outbound(sa="out", packet=Octets(made.inner), iv=Octets(iv) if iv else None)
        sent = self._adapter.outbound(step)
        if not isinstance(sent, Sent):
            return None
        esp = ip.parse(sent.packet).payload
        if sa.encr != explicit:
            esp = esp[:8] + esp[16:]
        return esp[: len(esp) - ENCRYPTION[whole].icv_size + ENCRYPTION[sa.encr].icv_size]


# ------------------------------------------------------------------------------------------------------------ openssl

_CIPHERS: dict[str, Callable[[Sa, bytes], tuple[str, bytes]]] = {
    "ENCR_AES_CBC": lambda sa, iv: (f"-aes-{8 * len(sa.encr_key)}-cbc", iv),
    "ENCR_AES_CTR": lambda sa, iv: (f"-aes-{8 * len(sa.encr_key)}-ctr", sa.salt + iv + b"\0\0\0\1"),
    "ENCR_3DES": lambda sa, iv: ("-des-ede3-cbc", iv),
}
_DIGESTS = {
    "AUTH_HMAC_MD5_96": "MD5",
    "AUTH_HMAC_SHA1_96": "SHA1",
    "AUTH_HMAC_SHA2_256_128": "SHA256",
    "AUTH_HMAC_SHA2_384_192": "SHA384",
    "AUTH_HMAC_SHA2_512_256": "SHA512",
}


class OpenSsl:
    """Enciphers and authenticates with the `openssl` command; what is covered is written down here once more."""

    def __init__(self) -> None:
        self._version = " ".join(_run(["openssl", "version"], b"").decode().split()[:2])
        self._answers: dict[tuple[str, ...], bytes] = {}

    def confirm(self, vectors: list[Vector]) -> Iterator[str]:
        for vector in vectors:
            done = 0
            for made in vector.made:
                again = self._esp(made)
                _compare(vector, self._version, again, made.esp)
                done += again is not None
            yield _said(self._version, "ciphertext and ICV", done, len(vector.made))

    def _esp(self, made: Made) -> bytes | None:
        sa = made.sa
        if ENCRYPTION[sa.encr].aead:
            return None
        covered_sa, number = made.as_right_packet_of() or (sa, made.sequence)
        high, low = number >> 32, number & HALF
        head = struct.pack("!II", sa.spi, low) + made.iv
        plaintext = _plaintext(made)
        text = plaintext
        if sa.encr in _CIPHERS:
            option, iv = _CIPHERS[sa.encr](sa, made.iv)
            text = self._ask(["openssl", "enc", option, "-nopad", "-K", sa.encr_key.hex(), "-iv", iv.hex()], plaintext)
        covered = head + text + (struct.pack("!I", high) if covered_sa.esn else b"")
        if made.mistake is Mistake.HALVES_SWAPPED:
            covered = struct.pack("!III", sa.spi, high, low) + made.iv + text
        icv = self._mac(sa, covered)[: INTEGRITY[sa.auth].icv_size]
        if made.mistake is Mistake.FORGED:
            icv = icv[:-3] + bytes([icv[-3] ^ 0x10]) + icv[-2:]
        return head + text + icv

    def _mac(self, sa: Sa, covered: bytes) -> bytes:
        key = sa.auth_key.hex()
        if sa.auth == "AUTH_AES_XCBC_96":
            return self._xcbc(key, covered)
        how = ["-cipher", "AES-128-CBC"] if sa.auth == "AUTH_AES_CMAC_96" else ["-digest", _DIGESTS[sa.auth]]
        name = "CMAC" if sa.auth == "AUTH_AES_CMAC_96" else "HMAC"
        return self._ask(["openssl", "mac", *how, "-macopt", f"hexkey:{key}", "-binary", name], covered)

    def _xcbc(self, key: str, covered: bytes) -> bytes:
        """RFC 3566 section 4, by enciphering alone."""
        ecb = ["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", key]
        k1, k2, k3 = (self._ask(ecb, bytes([octet]) * 16) for octet in (1, 2, 3))
        whole = len(covered) % 16 == 0
        padded = covered if whole else covered + b"\x80" + bytes(-(len(covered) + 1) % 16)
        mask = k2 if whole else k3
        last = bytes(a ^ b for a, b in zip(padded[-16:], mask, strict=True))
        cbc = ["openssl", "enc", "-aes-128-cbc", "-nopad", "-K", k1.hex(), "-iv", bytes(16).hex()]
        return self._ask(cbc, padded[:-16] + last)[-16:]

    def _ask(self, command: list[str], octets: bytes) -> bytes:
        key = (*command, octets.hex())
        if key not in self._answers:
            self._answers[key] = _run(command, octets)
        return self._answers[key]


# ---------------------------------------------------------------------------------------------------------- Wireshark

_WIRESHARK_ENCRYPTION = {name: entry.names.wireshark for name, entry in ENCRYPTION.items() if entry.names.wireshark}
_WIRESHARK_INTEGRITY = {name: entry.names.wireshark for name, entry in INTEGRITY.items() if entry.names.wireshark}


class Wireshark:
    """Has tshark check ICV and plaintext of every packet with 32-bit numbers, one capture file per SA."""

    def __init__(self) -> None:
        first = _run(["tshark", "--version"], b"").decode(errors="replace").splitlines()[0]
        found = re.search(r"\d+\.\d+\.\d+", first)
        self._version = f"Wireshark {found[0] if found else '?'}"

    def confirm(self, vectors: list[Vector]) -> Iterator[str]:
        packets: dict[Sa, list[tuple[Vector, Made]]] = {}
        for vector in vectors:
            for made in vector.made:
                sa = _wireshark_sa(made)
                if sa is not None:
                    packets.setdefault(sa, []).append((vector, made))
        done: Counter[str] = Counter()
        for sa, members in packets.items():
            plaintexts = self._open(sa, [made for _, made in members])
            for (vector, made), plaintext in zip(members, plaintexts or (), strict=plaintexts is not None):
                _compare(vector, self._version, plaintext, _plaintext(made))
                done[vector.case.id] += 1
        for vector in vectors:
            yield _said(self._version, "ICV and plaintext", done[vector.case.id], len(vector.made))

    def _open(self, sa: Sa, packets: list[Made]) -> list[bytes] | None:
        """The plaintexts of packets whose ICV tshark finds good; b"" where it does not; None if it lacks the suite."""
        version = 6 if ":" in sa.source else 4
        keys = f'"IPv{version}","*","*","{sa.spi:#010x}"'
        encryption = f'"{_WIRESHARK_ENCRYPTION[sa.encr]}","0x{(sa.encr_key + sa.salt).hex()}"'
        encryption = encryption.replace('"0x"', '""')
        integrity = f'"{_WIRESHARK_INTEGRITY[sa.auth]}","0x{sa.auth_key.hex()}"'.replace('"0x"', '""')
        with tempfile.TemporaryDirectory(prefix="espproof-") as folder:
            path = Path(folder) / "packets.pcap"
            path.write_bytes(untimed((made.packet for made in packets), snaplen=ip.MAX_LENGTH))
            options = [f"uat:esp_sa:{keys},{encryption},{integrity}", "esp.enable_encryption_decode:TRUE",
                       "esp.enable_authentication_check:TRUE", "esp.do_esp_sequence_analysis:FALSE"]  # fmt: skip
            command = ["tshark", "-n", "-r", str(path), *(word for option in options for word in ("-o", option)),
                       "-T", "fields", "-e", "esp.icv_good", "-e", "esp.decrypted_data"]  # fmt: skip
            try:
                lines = _run(command, b"").decode().splitlines()
            except Misuse as error:
                if "Invalid -o flag" in str(error):
                    return None
                raise
        rows = [line.split("\t") for line in lines]
        return [bytes.fromhex(row[1].split(",")[0].replace(":", "")) if row[0] == "1" else b"" for row in rows]


def _wireshark_sa(made: Made) -> Sa | None:
    """The SA, without what does not matter, under which tshark should find the packet right."""
    right = made.as_right_packet_of()
    if right is None or right[0].esn:
        return None
    sa, _ = right
    if sa.udp is not None:
        return None  # its SAs have no ports: whether it looks for ESP there is a matter of its settings
    if sa.encr not in _WIRESHARK_ENCRYPTION or sa.auth not in _WIRESHARK_INTEGRITY:
        return None
    return msgspec.structs.replace(
        sa, name="in", sequence=SequenceNumber(0), received_offsets=(), replay_window=64, lifetime=Lifetime(),
        selectors=(), dscp="copy", df="copy", ecn="normal", hop_limit=64, lookup="spi",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------- implementations as a whole


class Whole:
    """An adapter, for which a vector is not its octets but all of it: SAs, steps, each outcome as expected.

    A vector that it does otherwise is not confirmed, and no contradiction: what the implementation departs from is known
    to `espproof run`, which shows who is right.
    """

    def __init__(self, name: str) -> None:
        if name.partition(":")[0] in ("reference", "seeded"):
            raise Misuse(f"{name} has made the vectors: it cannot confirm them")
        self._adapter = open_adapter(name)
        found = re.search(r"\d+(\.\d+)+", self._adapter.version)
        self._who = f"{name.partition(':')[0]} {found[0] if found else '0'}"

    def confirm(self, vectors: list[Vector]) -> Iterator[str]:
        with self._adapter as adapter:
            caps = adapter.capabilities()
            for vector in vectors:
                done = judge.judge(vector.case, adapter, caps)
                yield f"{self._who}: every outcome" if done.verdict is Verdict.PASS else ""


# ------------------------------------------------------------------------------------------------------------- common


def _has_extensions(packet: bytes) -> bool:
    return packet[0] >> 4 == 6 and len(ip.parse(packet).header) > ip.IPV6_HEADER_SIZE


def _plaintext(made: Made) -> bytes:
    """Payload and trailer as RFC 4303 2.4 has them, counted once more; a wrong one as it was made."""
    if made.plaintext is not None:
        return made.plaintext
    if made.sa.mode == "tunnel":
        payload, next_header = made.inner, {4: 4, 6: 41}[made.inner[0] >> 4]
    else:
        parsed = ip.parse(made.inner)
        payload, next_header = parsed.payload, parsed.protocol
    block = max(4, ENCRYPTION[made.sa.encr].block_size)
    padding = 0
    while (len(payload) + padding + 2) % block:
        padding += 1
    return payload + bytes(range(1, padding + 1)) + bytes([padding, next_header])


def _compare(vector: Vector, who: str, theirs: bytes | None, ours: bytes) -> None:
    if theirs is not None and theirs != ours:
        raise Contradiction(f"{vector.case.id}: {who} has {theirs.hex()}, we have {ours.hex()}")


def _said(who: str, what: str, done: int, total: int) -> str:
    if not done:
        return ""
    return f"{who}: {what} of each packet" if done == total else f"{who}: {what} of {done} of {total} packets"


def _run(command: list[str], octets: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=octets, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Misuse(f"{command[0]}: {error}") from error
    if done.returncode:
        raise Misuse(f"{command[0]}: {done.stderr.decode(errors='replace').strip()[:200]}")
    return done.stdout
