"""DPDK's `struct ipsec_test_data` (app/test/test_cryptodev_security_ipsec_test_vectors.h): whole packets, so Cases.

An outbound SA is tried in both directions, as DPDK does; an inbound one has no other. The number of a packet is the one
that stands in it, with `esn.hi` above it. Tunnel headers are compared as those of all vectors are: version, addresses
and protocol.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from espproof.adapters.case import (
    Case,
    Delivered,
    Inbound,
    Octets,
    Outbound,
    Sa,
    Sent,
    SequenceNumber,
    Step,
    UdpEncapsulation,
)
from espproof.conformance.requirements.ids import ACCEPTED, ICV
from espproof.conformance.vectors.peers.c_tables import Unknown, Value, tables
from espproof.conformance.vectors.peers.peer import NotForEsp, NotUnderstood, Peers, text_of
from espproof.reference import ip, udp_encapsulation
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.endpoint import PROTOCOL_UDP
from espproof.reference.errors import Malformed

_AEADS = {"AES_GCM": "ENCR_AES_GCM", "AES_CCM": "ENCR_AES_CCM", "CHACHA20_POLY1305": "ENCR_CHACHA20_POLY1305"}
_CIPHERS = {"AES_CBC": "ENCR_AES_CBC", "AES_CTR": "ENCR_AES_CTR", "3DES_CBC": "ENCR_3DES", "NULL": "ENCR_NULL"}
_MACS = {
    "MD5_HMAC": "AUTH_HMAC_MD5_96",
    "SHA1_HMAC": "AUTH_HMAC_SHA1_96",
    "SHA256_HMAC": "AUTH_HMAC_SHA2_256_128",
    "SHA384_HMAC": "AUTH_HMAC_SHA2_384_192",
    "SHA512_HMAC": "AUTH_HMAC_SHA2_512_256",
    "AES_XCBC_MAC": "AUTH_AES_XCBC_96",
    "AES_CMAC": "AUTH_AES_CMAC_96",
}
_HARMLESS = frozenset({
    "esn", "udp_encap", "copy_dscp", "copy_flabel", "copy_df", "ecn", "stats", "iv_gen_disable", "tunnel_hdr_verify",
    "ip_csum_enable", "l4_csum_enable", "udp_ports_verify",
})  # fmt: skip
"""Options that change no octet that is compared."""


def read(path: Path) -> Peers:
    """`Misuse` if the file is no C source."""
    found, left_out = tables(text_of(path), frozenset({"ipsec_test_data"}))
    peers = Peers(not_understood=[f"{path.name}: {what}" for what in left_out])
    if not found:
        peers.not_understood.append(f"{path.name}: no struct ipsec_test_data with an initialiser")
    for table in found:
        rows = table.value if isinstance(table.value, list) else [table.value]
        for number, row in enumerate(rows):
            name = table.name if len(rows) == 1 else f"{table.name}[{number}]"
            for way in ("outbound", "inbound") if _is_outbound(row) else ("inbound",):
                peers.take(f"{name} {way}", lambda name=name, row=row, way=way: _case(name, row, way))  # type: ignore[misc]
    return peers


def _is_outbound(row: Value) -> bool:
    return _enumerator(row, "ipsec_xform", "direction").endswith("_EGRESS")


def _case(name: str, row: Value, way: str) -> Case:
    direction = _enumerator(row, "ipsec_xform", "direction").removeprefix("RTE_SECURITY_IPSEC_SA_DIR_")
    if direction not in ("EGRESS", "INGRESS"):
        raise NotUnderstood(f"direction {direction!r:.40}")
    _refuse_the_rest(row)
    texts = [_text(row, member) for member in ("input_text", "output_text")]
    plain, protected = texts if direction == "EGRESS" else texts[::-1]
    outer, datagram, esp = _taken_apart(protected, bool(_number(row, "ipsec_xform", "options", "udp_encap")))
    sa = _sa(row, way, outer, esp, datagram)
    step: Step
    if way == "outbound":
        if datagram is not None and datagram.checksum:
            raise NotForEsp("a UDP checksum, which need not be sent (RFC 3948 2.1)")
        iv = _field(row, "iv", ENCRYPTION[sa.encr].iv_size)
        fixed = Octets(iv) if iv else None
        step = Outbound(sa=sa.name, packet=plain, iv=fixed, requirement=ICV, expect=Sent(packet=protected))
    else:
        step = Inbound(packet=protected, requirement=ACCEPTED, expect=Delivered(packet=plain, sa=sa.name))
    about = (ICV if way == "outbound" else ACCEPTED,)
    return Case(version=1, id=f"{name} {way}", source="DPDK", requirements=about, sas=(sa,), steps=(step,))


def _refuse_the_rest(row: Value) -> None:
    """What would make another packet than an SA of ours does."""
    protocol = _enumerator(row, "ipsec_xform", "proto")
    if not protocol.endswith("_PROTO_ESP"):
        raise NotForEsp(f"protocol {protocol!r:.40}")
    options = _member(row, "ipsec_xform", "options", default={})
    if not isinstance(options, dict):
        raise NotUnderstood("ipsec_xform.options")
    for option in options.keys() - _HARMLESS:
        if _number(row, "ipsec_xform", "options", option):
            raise NotForEsp(f"option {option}")
    if _number(row, "ar_packet"):
        raise NotForEsp("a packet of an anti-replay test")


def _taken_apart(protected: bytes, udp: bool) -> tuple[ip.Packet, udp_encapsulation.Datagram | None, bytes]:
    """IP header, UDP header if there should be one, ESP packet."""
    try:
        outer = ip.parse(protected)
        if outer.protocol != (PROTOCOL_UDP if udp else 50):
            raise NotUnderstood(f"the protected packet has protocol {outer.protocol}")
        datagram = udp_encapsulation.open_datagram(outer.payload) if udp else None
    except Malformed as error:
        raise NotUnderstood(f"the protected packet: {error}") from error
    esp = datagram.payload if datagram else outer.payload
    if len(esp) < 8:
        raise NotUnderstood("the protected packet has no ESP header")
    return outer, datagram, esp


def _sa(row: Value, way: str, outer: ip.Packet, esp: bytes, datagram: udp_encapsulation.Datagram | None) -> Sa:
    encr, auth, key_size = _algorithms(row)
    esn = bool(_number(row, "ipsec_xform", "options", "esn"))
    high = _number(row, "ipsec_xform", "esn", "hi") if esn else 0
    number = high << 32 | int.from_bytes(esp[4:8], "big")
    if not 0 < number < 1 << 64:
        raise NotForEsp("sequence number 0")
    mode = _enumerator(row, "ipsec_xform", "mode").removeprefix("RTE_SECURITY_IPSEC_SA_MODE_").lower()
    if mode not in ("tunnel", "transport"):
        raise NotUnderstood(f"mode {mode!r:.40}")
    spi = _number(row, "ipsec_xform", "spi")
    if not 0 <= spi < 1 << 32:
        raise NotUnderstood(f"SPI {spi}")
    ports = datagram and UdpEncapsulation(source_port=datagram.source_port, destination_port=datagram.destination_port)
    return Sa(
        name=way,
        direction="out" if way == "outbound" else "in",
        spi=spi,
        mode=mode,  # type: ignore[arg-type]
        source=_address(outer.source),
        destination=_address(outer.destination),
        encr=encr,
        encr_key=Octets(_field(row, "key", key_size)),
        salt=Octets(_field(row, "salt", ENCRYPTION[encr].salt_size)),
        auth=auth,
        auth_key=Octets(_field(row, "auth_key", INTEGRITY[auth].key_size)),
        esn=esn,
        sequence=SequenceNumber(number - 1),
        udp=ports,
    )


def _algorithms(row: Value) -> tuple[str, str, int]:
    """Encryption, integrity, octets of the encryption key."""
    if _number(row, "aead"):
        path = ("xform", "aead", "aead")
        algorithm = _enumerator(row, *path, "algo").removeprefix("RTE_CRYPTO_AEAD_")
        encr = _AEADS.get(algorithm)
        if encr is None:
            raise NotForEsp(f"AEAD {algorithm!r:.40}")
        size = _number(row, *path, "digest_length")
        encr = encr if encr in ENCRYPTION else f"{encr}_{size}"
        if encr not in ENCRYPTION or ENCRYPTION[encr].icv_size != size:
            raise NotForEsp(f"{algorithm} with an ICV of {size} octets")
        return encr, "NONE", _key_size(row, encr, *path)
    mac_path, cipher_path = ("xform", "chain", "auth", "auth"), ("xform", "chain", "cipher", "cipher")
    mac = _enumerator(row, *mac_path, "algo").removeprefix("RTE_CRYPTO_AUTH_")
    if mac == "AES_GMAC":
        return "ENCR_NULL_AUTH_AES_GMAC", "NONE", _key_size(row, "ENCR_NULL_AUTH_AES_GMAC", *mac_path)
    cipher = _enumerator(row, *cipher_path, "algo").removeprefix("RTE_CRYPTO_CIPHER_")
    if mac not in _MACS or cipher not in _CIPHERS:
        raise NotForEsp(f"{cipher!r:.40} with {mac!r:.40}")
    auth, encr = _MACS[mac], _CIPHERS[cipher]
    size = _number(row, *mac_path, "digest_length")
    if size != INTEGRITY[auth].icv_size:
        raise NotForEsp(f"{mac} with an ICV of {size} octets")
    return encr, auth, _key_size(row, encr, *cipher_path)


def _key_size(row: Value, encr: str, *path: str) -> int:
    size = _number(row, *path, "key", "length")
    if size not in ENCRYPTION[encr].key_sizes:
        raise NotForEsp(f"{encr} with a key of {size} octets")
    return size


# ------------------------------------------------------------------------------------------------------------- members


def _member(row: Value, *path: str, default: Value = 0) -> Value:
    """What stands there; what nobody initialised is zero, as in C."""
    for name in path:
        if not isinstance(row, Mapping):
            raise NotUnderstood(f"{'.'.join(path)} is in no struct")
        if name not in row:
            return default
        row = row[name]
    return row


def _number(row: Value, *path: str) -> int:
    value = _member(row, *path)
    if value in ("true", "false"):
        return int(value == "true")
    if not isinstance(value, int):
        raise NotUnderstood(f"{'.'.join(path)} is {_told(value)}")
    return value


def _enumerator(row: Value, *path: str) -> str:
    """The name of an enumerator, "" where there is none."""
    try:
        value = _member(row, *path)
    except NotUnderstood:
        return ""
    return str(value) if isinstance(value, str) else ""


def _field(row: Value, member: str, size: int) -> bytes:
    """So many octets of `member.data`, filled with zeros as in C."""
    data = _member(row, member, "data", default=[])
    octets = bytes(data) if isinstance(data, bytes) else _bytes(data, member)
    return octets[:size] + bytes(size - len(octets[:size]))


def _text(row: Value, member: str) -> Octets:
    size = _number(row, member, "len")
    if not 0 < size <= ip.MAX_LENGTH + ip.IPV6_HEADER_SIZE:
        raise NotUnderstood(f"{member}.len is {size}")
    return Octets(_field(row, member, size))


def _bytes(data: Value, member: str) -> bytes:
    values: list[Any] = data if isinstance(data, list) else [None]
    if not all(isinstance(value, int) and 0 <= value <= 255 for value in values):
        raise NotUnderstood(f"{member}.data is {_told(data)}")
    return bytes(values)


def _told(value: Value) -> str:
    return value.text if isinstance(value, Unknown) else f"{value!r:.60}"


def _address(octets: bytes) -> str:
    return str(ip_address(octets))
