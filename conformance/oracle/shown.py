"""What a packet that turned out right has shown: requirements that every packet of such an SA puts to the test.

Nobody asks for these by name: a packet of an AES-CCM SA with extended sequence numbers that opens, or is delivered, has
the IV size, the nonce and the associated data that RFC 4309 asks for, whatever else the case was about. The tables say
which; `RULE` says which one is not met when such a packet does not open.
"""

from functools import cache
from itertools import product

from espproof.adapters.case import Sa
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY

_ALWAYS: dict[str, tuple[str, ...]] = {
    **{
        name: (
            "RFC4106-3.1-iv-size",
            "RFC4106-3.2-plaintext",
            "RFC4106-3.2-ciphertext-length",
            "RFC4106-4-nonce-layout",
            "RFC4106-8.4-key-lengths",
            icv,
        )
        for name, icv in (
            ("ENCR_AES_GCM_16", "RFC4106-6-icv-16"),
            ("ENCR_AES_GCM_12", "RFC4106-6-icv-8-12"),
            ("ENCR_AES_GCM_8", "RFC4106-6-icv-8-12"),
        )
    },
    **{
        name: (
            "RFC4309-3.1-iv-size",
            "RFC4309-3.2-plaintext",
            "RFC4309-4-nonce-layout",
            "RFC4309-7.4-key-lengths",
            icv,
        )
        for name, icv in (
            ("ENCR_AES_CCM_16", "RFC4309-3.3-icv-sizes"),
            ("ENCR_AES_CCM_12", "RFC4309-3.3-icv-12"),
            ("ENCR_AES_CCM_8", "RFC4309-3.3-icv-sizes"),
        )
    },
    "ENCR_NULL_AUTH_AES_GMAC": (
        "RFC4543-3.1-iv-size",
        "RFC4543-3.2-nonce-layout",
        "RFC4543-3.4-icv-16",
        "RFC4543-5.3-key-lengths",
    ),
    "ENCR_CHACHA20_POLY1305": (
        "RFC7634-2-iv-size",
        "RFC7634-2-nonce-layout",
        "RFC7634-2-key-256",
        "RFC7634-2-icv-16",
    ),
    "ENCR_AES_GCM_16_IIV": ("RFC8750-4-rest-unchanged",),
    "ENCR_AES_CCM_8_IIV": ("RFC8750-4-rest-unchanged",),
    "ENCR_CHACHA20_POLY1305_IIV": ("RFC8750-4-rest-unchanged",),
    "ENCR_AES_CBC": ("RFC3602-3-iv-size",),
    "ENCR_AES_CTR": (
        "RFC3686-2.3-no-block-padding",
        "RFC3686-3.1-iv-size",
        "RFC3686-3.2-plaintext",
        "RFC3686-4-counter-block",
        "RFC3686-5.4-key-lengths",
    ),
}
"""Encryption -> shown by any packet."""

_BY_KEY: dict[tuple[str, int], tuple[str, ...]] = {
    ("ENCR_AES_CBC", 16): ("RFC3602-2.2-key-128", "RFC3602-2.2-rounds-128"),
    ("ENCR_AES_CBC", 24): ("RFC3602-2.2-key-192-256", "RFC3602-2.2-rounds-192"),
    ("ENCR_AES_CBC", 32): ("RFC3602-2.2-key-192-256", "RFC3602-2.2-rounds-256"),
    ("ENCR_AES_CTR", 16): ("RFC3686-2.2-key-128", "RFC3686-2.2-rounds-128"),
    ("ENCR_AES_CTR", 24): ("RFC3686-2.2-key-192-256", "RFC3686-2.2-rounds-192"),
    ("ENCR_AES_CTR", 32): ("RFC3686-2.2-key-192-256", "RFC3686-2.2-rounds-256"),
    **{(f"ENCR_AES_CCM_{icv}", 16): ("RFC4309-2-key-128",) for icv in (8, 12, 16)},
    **{(f"ENCR_AES_CCM_{icv}", size): ("RFC4309-2-key-192-256",) for icv in (8, 12, 16) for size in (24, 32)},
}

_BY_AUTH: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("AUTH_HMAC_SHA2_256_128", "AUTH_HMAC_SHA2_384_192", "AUTH_HMAC_SHA2_512_256"),
    ("RFC4868-2.1.1-key-length", "RFC4868-2.3-truncation"),
)

_AAD: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("ENCR_AES_GCM_16", "ENCR_AES_GCM_12", "ENCR_AES_GCM_8"), ("RFC4106-5-aad", "RFC4106-5-aad-esn")),
    **dict.fromkeys(("ENCR_AES_CCM_16", "ENCR_AES_CCM_12", "ENCR_AES_CCM_8"), ("RFC4309-5-aad", "RFC4309-5-aad-esn")),
    "ENCR_NULL_AUTH_AES_GMAC": ("RFC4543-3.3-aad", "RFC4543-3.3-aad"),
    "ENCR_CHACHA20_POLY1305": ("RFC7634-2.1-aad", "RFC7634-2.1-aad-esn"),
    **dict.fromkeys(
        ("ENCR_AES_GCM_16_IIV", "ENCR_AES_CCM_8_IIV", "ENCR_CHACHA20_POLY1305_IIV"),
        ("RFC8750-4-zero-high-half", "RFC8750-4-esn-iv"),
    ),
}
"""Combined-mode algorithm -> what its packets show with 32-bit and with extended sequence numbers."""
_SEPARATE = ("RFC4303-3.3.2-icv", "RFC4303-3.3.2.1-esn-high-appended")


def icv_rule(sa: Sa) -> str:
    """The requirement that a packet of this SA does not meet when a right receiver finds its ICV wrong."""
    return _AAD.get(sa.encr, _SEPARATE)[sa.esn]


def iv_rule(encr: str) -> str:
    """The requirement on the explicit IVs of an algorithm."""
    return _IV.get(encr, "RFC4303-3.3.2-icv")


_IV = {
    "ENCR_AES_CBC": "RFC3602-3-iv-unpredictable",
    "ENCR_3DES": "RFC3602-3-iv-unpredictable",
    "ENCR_AES_CTR": "RFC3686-3.1-iv-unique",
    "ENCR_CHACHA20_POLY1305": "RFC7634-2-iv-unique",
    "ENCR_NULL_AUTH_AES_GMAC": "RFC4543-3.1-iv-unique",
    **dict.fromkeys(("ENCR_AES_GCM_16", "ENCR_AES_GCM_12", "ENCR_AES_GCM_8"), "RFC4106-3.1-iv-unique"),
    **dict.fromkeys(("ENCR_AES_CCM_16", "ENCR_AES_CCM_12", "ENCR_AES_CCM_8"), "RFC4309-3.1-iv-unique"),
}

IV_RULES = tuple(dict.fromkeys(_IV.values()))


def by_right_packet(sa: Sa, inner_version: int) -> frozenset[str]:
    """What a packet of this SA around one of that IP version has shown that a right receiver opens.

    That holds of a packet which the implementation sent, and of one that it delivered.
    """
    return _by_right_packet(
        sa.encr, len(sa.encr_key), sa.auth, sa.esn, sa.mode, sa.udp is not None, inner_version, ":" in sa.destination
    )


@cache
def _by_right_packet(
    encr: str, key_size: int, auth: str, esn: bool, mode: str, udp: bool, inner_version: int, outer_ipv6: bool
) -> frozenset[str]:
    cipher = ENCRYPTION[encr]
    shown = {
        "RFC4303-2.2-always-sent",
        "RFC4303-2.8-icv-length",
        "RFC4303-2.3-ipv6-alignment" if inner_version == 6 else "RFC4303-2.3-next-layer-aligned",
        _AAD.get(encr, _SEPARATE)[esn],
        *_ALWAYS.get(encr, ()),
        *_BY_KEY.get((encr, key_size), ()),
        *_BY_AUTH.get(auth, ()),
    }
    if cipher.aead:
        shown |= {"RFC4303-3.3.2.2-combined-covers-header", "RFC4303-3.3.2.2-combined-icv-optional"}
    else:
        shown |= {"RFC4303-3.3.2.1-encrypt-then-mac", "RFC4303-3.3.2.1-icv-coverage"}
    if esn:
        shown |= {
            "RFC4303-2.2.1-icv-covers-high",
            "RFC4303-2.2.1-esn-implemented",
            "RFC4303-2.2.1-high-not-sent",
        }
    if cipher.block_size > 1:
        shown.add("RFC4303-2.4-block-multiple")
    if encr in ("ENCR_NULL", "ENCR_NULL_AUTH_AES_GMAC"):
        shown.add("RFC4303-1-integrity-only-supported")
    else:
        shown.add("RFC4303-1-both-services-supported")
    if mode == "tunnel":
        if (inner_version == 6) != outer_ipv6:
            shown.add("RFC4303-3.1.2-mixed-versions")
        if udp:
            shown.add("RFC3948-1-tunnel-mode")
    return frozenset(shown)


RIGHT_PACKET = tuple(
    sorted(
        {
            shown
            for name, cipher in ENCRYPTION.items()
            for auth in (INTEGRITY if not cipher.aead else ("NONE",))
            for size in cipher.key_sizes
            for esn, udp, outer_ipv6 in product((False, True), repeat=3)
            for mode, inner in (("transport", 6 if outer_ipv6 else 4), ("tunnel", 4), ("tunnel", 6))
            for shown in _by_right_packet(name, size, auth, esn, mode, udp, inner, outer_ipv6)
        }
    )
)
"""Everything that `by_right_packet` can say, for the checks that send or deliver packets of every kind of SA."""
