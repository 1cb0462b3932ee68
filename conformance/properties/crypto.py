"""Every algorithm, octet for octet: RFC 3602, 3686, 4106, 4309, 4543, 4868, 7634, 8750."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.shown import RIGHT_PACKET
from espproof.conformance.requirements.ids import ACCEPTED, COVERS_HIGH, ICV
from espproof.conformance.strategies.values import octets
from espproof.reference.algorithms import INTEGRITY

CONFIDENTIALITY_ONLY = "RFC4303-1-confidentiality-only"
KEY_SIZE = {
    "ENCR_AES_CTR": "RFC3686-5.1-keymat-size",
    "ENCR_NULL_AUTH_AES_GMAC": "RFC4543-5.4-keymat-size",
    **dict.fromkeys(("ENCR_AES_GCM_16", "ENCR_AES_GCM_12", "ENCR_AES_GCM_8"), "RFC4106-8.1-keymat-size"),
    **dict.fromkeys(("ENCR_AES_CCM_16", "ENCR_AES_CCM_12", "ENCR_AES_CCM_8"), "RFC4309-7.1-keymat-size"),
}
HMAC_KEY_SIZE = "RFC4868-2.1.1-key-length-only"
SHA2 = ("AUTH_HMAC_SHA2_256_128", "AUTH_HMAC_SHA2_384_192", "AUTH_HMAC_SHA2_512_256")
CTR_ALONE = "RFC3686-3.3-integrity-not-null"
GMAC_WITH_ANOTHER = "RFC4543-3-no-second-encryption"
AH_GMAC = "RFC4543-5.3-ah-not-with-esp"
CHACHA_WITH_ANOTHER = "RFC7634-4-integ-not-negotiated"


@check(
    ICV,
    *RIGHT_PACKET,
    weight=2.0,
    proved_by=("crypto-chacha-salt-of-three", "crypto-gcm-long-nonce", "crypto-aes-192-as-128"),
)
def known_iv(s: Scenario) -> None:
    """With the IV fixed, the ESP packet is fixed octet for octet."""
    s.need("set_iv", s.caps.set_iv)
    sa = s.outbound_sa(sequence=None)
    size = s.iv_size(sa)
    iv = octets(s.draw(st.integers(1, 2**16)), "iv", size)
    s.send(sa, ICV, packet=s.packet(sa), iv=iv)


@check(
    ACCEPTED,
    *RIGHT_PACKET,
    weight=3.0,
    proved_by=("crypto-chacha-salt-of-three", "crypto-gcm-long-nonce", "crypto-aes-192-as-128"),
)
def every_algorithm(s: Scenario) -> None:
    """Right packets of every algorithm, key size and length are opened."""
    row = s.choose(s.rows())
    sa = s.inbound_sa(sequence=None, encr=row.encr, key_size=row.key_size, auth=row.auth)
    start = int(sa.sequence)
    s.need("room for packets", start + 3 <= s.last_number(sa))
    for number in (start + 1, start + 2):
        s.receive(sa, number, ACCEPTED if number >> 32 == start >> 32 else COVERS_HIGH, packet=s.packet(sa))


@check(ACCEPTED, proved_by=("crypto-iv-is-sequence",))
def any_iv(s: Scenario) -> None:
    """The receiver takes the IV from the packet, whatever it is."""
    sa = s.inbound_sa(sequence=0)
    size = s.iv_size(sa)
    for number in (1, 2, 3):
        iv = s.choose((octets(number, "iv", size), bytes(size), b"\xff" * size))
        s.receive(sa, number, ACCEPTED, iv=iv)


@check(CONFIDENTIALITY_ONLY, records=True)
def confidentiality_only(s: Scenario) -> None:
    """Whether an SA may have encryption alone is recorded: RFC 4303 leaves it open, RFC 8221 is against it."""
    name = next((name for name in ("ENCR_AES_CBC", "ENCR_3DES", "ENCR_AES_CTR") if name in s.caps.encryption), "")
    s.need("a separate cipher", name)
    sa = s.inbound_sa(sequence=0, encr=name, replay_window=(0, 32, 64), add=False)
    alone = s.changed(sa, auth="NONE", auth_key=octets(1, "none", 0), replay_window=0)
    s.add(alone, CONFIDENTIALITY_ONLY, behaviour="SA with encryption alone")


@check(
    *dict.fromkeys(KEY_SIZE.values()),
    HMAC_KEY_SIZE,
    proved_by=("crypto-hmac-key-of-any-size", "crypto-salt-size-unchecked"),
)
def wrong_key_size(s: Scenario) -> None:
    """An SA whose keying material is too long or too short for its algorithm is refused."""
    s.need(
        "an algorithm with a fixed key size",
        set(KEY_SIZE) & set(s.caps.encryption) or set(SHA2) & set(s.caps.integrity),
    )
    row = s.choose([row for row in s.rows() if row.encr in KEY_SIZE or row.auth in SHA2])
    sa = s.inbound_sa(sequence=0, encr=row.encr, key_size=row.key_size, auth=row.auth, add=False)
    if row.auth in SHA2 and (row.encr not in KEY_SIZE or s.draw(st.booleans())):
        size = INTEGRITY[row.auth].key_size + s.draw(st.sampled_from((-1, 1, -16, 4)))
        s.add(s.changed(sa, auth_key=octets(3, "auth", size)), HMAC_KEY_SIZE)
    else:
        field = s.draw(st.sampled_from(("salt", "encr_key")))
        size = len(getattr(sa, field)) + s.draw(st.sampled_from((-1, 1)))
        s.add(s.changed(sa, **{field: octets(3, field, size)}), KEY_SIZE[row.encr])


@check(CTR_ALONE, proved_by=("crypto-counter-mode-alone",))
def counter_mode_alone(s: Scenario) -> None:
    """AES-CTR without integrity is refused: whoever can flip ciphertext can flip plaintext."""
    s.need("encryption ENCR_AES_CTR", "ENCR_AES_CTR" in s.caps.encryption)
    sa = s.inbound_sa(sequence=0, encr="ENCR_AES_CTR", add=False)
    s.add(s.changed(sa, auth="NONE", auth_key=octets(1, "none", 0)), CTR_ALONE)


@check(GMAC_WITH_ANOTHER, CHACHA_WITH_ANOTHER, proved_by=("crypto-combined-with-integrity",))
def combined_with_another(s: Scenario) -> None:
    """A combined-mode algorithm stands alone: an SA that adds an integrity algorithm is refused."""
    rules = {"ENCR_NULL_AUTH_AES_GMAC": GMAC_WITH_ANOTHER, "ENCR_CHACHA20_POLY1305": CHACHA_WITH_ANOTHER}
    there = [name for name in rules if name in s.caps.encryption]
    others = [name for name in s.caps.integrity if name != "NONE"]
    s.need("GMAC or ChaCha20-Poly1305, and an integrity algorithm", there and others)
    name, other = s.choose(there), s.choose(others)
    sa = s.inbound_sa(sequence=0, encr=name, add=False)
    s.add(s.changed(sa, auth=other, auth_key=octets(5, "auth", INTEGRITY[other].key_size)), rules[name])


@check(AH_GMAC, proved_by=("crypto-unknown-integrity-is-default",))
def integrity_of_ah(s: Scenario) -> None:
    """AUTH_AES_128_GMAC and its like are for AH: an ESP SA that asks for one is refused."""
    sa = s.inbound_sa(sequence=0, encr=s.choose(tuple(s.caps.encryption)), add=False)
    name, size = s.draw(st.sampled_from((("AUTH_AES_128_GMAC", 20), ("AUTH_AES_256_GMAC", 36))))
    s.add(s.changed(sa, auth=name, auth_key=octets(6, "auth", size)), AH_GMAC)
