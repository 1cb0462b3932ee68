"""Defects of algorithms: ICV and what it covers, keys, salts, nonces and IVs, extended sequence numbers in the ICV."""

from espproof.adapters.seeded.defects_octets import BURST_OUT
from espproof.adapters.seeded.model import defect

_MAC_SEAL = "return ciphertext + self._mac(header + iv + ciphertext + esn_high)"
_MAC_OPEN = "if not hmac.compare_digest(self._mac(header + iv + ciphertext + esn_high), icv):"
_AAD = "return header[:4] + esn_high + header[4:] if esn_high else header"
_COUNTER_IV = 'return lambda number: number.to_bytes(8, "big")'
_CBC_IV = 'return lambda number: hmac.digest(derived, number.to_bytes(8, "big"), "sha256")[:size]'

DEFECTS = (
    # ---------------------------------------------------------------------------------------------------------- icv
    defect(
        "icv-esn-high-missing", "V-009", "icv",
        "the high half of the sequence number is left out of the HMAC input, on both sides",
        ("transforms", _MAC_SEAL, "return ciphertext + self._mac(header + iv + ciphertext)"),
        ("transforms", _MAC_OPEN, "if not hmac.compare_digest(self._mac(header + iv + ciphertext), icv):"),
        breaks=("RFC4303-3.3.2.1-esn-high-appended", "RFC4303-2.2.1-icv-covers-high"),
    ),
    defect(
        "icv-esn-high-host-order", "V-010", "icv",
        "the high half is appended to the HMAC input in host byte order, on both sides",
        ("transforms", _MAC_SEAL, "return ciphertext + self._mac(header + iv + ciphertext + esn_high[::-1])"),
        ("transforms", _MAC_OPEN,
         "if not hmac.compare_digest(self._mac(header + iv + ciphertext + esn_high[::-1]), icv):"),
        breaks=("RFC4303-3.3.2.1-esn-high-appended",),
    ),
    defect(
        "icv-esn-high-swapped-inbound", "LX-011", "icv",
        "the receiver converts the high half to network byte order once too often",
        ("esp", "high = (sequence >> 32).to_bytes(4, \"big\") if self.esn else b\"\"",
                "high = (sequence >> 32).to_bytes(4, \"little\") if self.esn else b\"\""),
        breaks=("RFC4303-2.2.1-icv-covers-high",),
    ),
    defect(
        "icv-esn-high-before-ciphertext", "V-011", "icv",
        "the high half is put behind the header, not behind the ciphertext, of what HMAC covers",
        ("transforms", _MAC_SEAL, "return ciphertext + self._mac(header + esn_high + iv + ciphertext)"),
        ("transforms", _MAC_OPEN,
         "if not hmac.compare_digest(self._mac(header + esn_high + iv + ciphertext), icv):"),
        breaks=("RFC4303-3.3.2.1-esn-high-appended",),
    ),
    defect(
        "icv-pointer-not-moved", "V-011", "icv",
        "after the high half was put in front of the ICV, the ICV is still looked for where it was",
        ("transforms", _MAC_OPEN,
         "if esn_high:\n            icv = (esn_high + icv)[: self._icv_size]\n        " + _MAC_OPEN),
        breaks=("RFC4303-3.3.2.1-esn-high-appended",),
    ),
    defect(
        "icv-esn-high-sent", "O-004", "icv",
        "the high half is left in the packet, between ciphertext and ICV",
        ("transforms", _MAC_SEAL, "return ciphertext + esn_high + self._mac(header + iv + ciphertext + esn_high)"),
        breaks=("RFC4303-3.3.2.1-esn-high-appended", "RFC4303-2.2.1-high-not-sent"),
    ),
    defect(
        "icv-aead-halves-swapped", "O-004", "icv",
        "the two halves of the sequence number stand in the wrong order in the associated data",
        ("transforms", _AAD, "return header + esn_high"),
        breaks=("RFC4106-5-aad-esn", "RFC4309-5-aad-esn", "RFC7634-2.1-aad-esn", "RFC8750-4-rest-unchanged",
                "RFC4543-3.3-aad"),
    ),
    defect(
        "icv-aead-high-missing", "V-009", "icv",
        "the associated data of combined-mode algorithms lack the high half",
        ("transforms", _AAD, "return header"),
        breaks=("RFC4106-5-aad-esn", "RFC4309-5-aad-esn", "RFC7634-2.1-aad-esn", "RFC8750-4-rest-unchanged",
                "RFC4543-3.3-aad"),
    ),
    defect(
        "icv-aead-high-always", "D-011", "icv",
        "the associated data are 12 octets long with 32-bit sequence numbers as well",
        ("transforms", _AAD, "return header[:4] + (esn_high or bytes(4)) + header[4:]"),
        breaks=("RFC4106-5-aad", "RFC4309-5-aad", "RFC7634-2.1-aad", "RFC8750-4-rest-unchanged", "RFC4543-3.3-aad"),
    ),
    defect(
        "icv-aead-no-associated-data", "P-004", "icv",
        "combined-mode algorithms are used without associated data: the header is not covered",
        ("transforms", _AAD, "return b\"\""),
        breaks=("RFC4303-3.3.2.2-combined-covers-header", "RFC4106-5-aad", "RFC4309-5-aad", "RFC7634-2.1-aad",
                "RFC8750-4-rest-unchanged", "RFC4543-3.3-aad"),
    ),
    defect(
        "icv-ccm-always-eight", "P-005", "icv",
        "CCM sends 8 octets of ICV, whatever was agreed",
        ("algorithms", "return _aead(f\"ENCR_AES_CCM_{icv}\", _AES, 3, 8, icv,",
                       "return _aead(f\"ENCR_AES_CCM_{icv}\", _AES, 3, 8, 8,"),
        breaks=("RFC4303-2.8-icv-length", "RFC4309-3.3-icv-sizes", "RFC4309-3.3-icv-12"),
    ),
    defect(
        "icv-gcm-twelve", "N-102", "icv",
        "AES-GCM with an ICV of 16 octets sends 12",
        ("algorithms", "\"ENCR_AES_GCM_16\", _AES, 4, 8, 16, \"RFC 4106\"",
                       "\"ENCR_AES_GCM_16\", _AES, 4, 8, 12, \"RFC 4106\""),
        breaks=("RFC4303-2.8-icv-length", "RFC4106-6-icv-16"),
    ),
    defect(
        "icv-mismatch-count-as-success", "W-003", "icv",
        "the comparison returns how many octets differ, the caller takes only a negative number for a failure",
        ("transforms", _MAC_OPEN,
         "if sum(a != b for a, b in zip(self._mac(header + iv + ciphertext + esn_high), icv)) < 0:"),
        breaks=("RFC4303-3.4.4.1-icv-wrong-discarded", "RFC4303-3.4.4.1-icv-before-delivery",
                "RFC4303-3.4.3-icv-wrong-discarded"),
    ),
    defect(
        "icv-last-octets-not-compared", "W-003", "icv",
        "96 bits of the ICV are compared, however long it is",
        ("transforms", _MAC_OPEN,
         "if not hmac.compare_digest(self._mac(header + iv + ciphertext + esn_high)[:12], icv[:12]):"),
        breaks=("RFC4303-3.4.4.1-icv-wrong-discarded", "RFC4868-2.3-compared-half"),
    ),
    defect(
        "icv-truncated-gcm-unverified", "P-004", "icv",
        "the tag of GCM with a truncated ICV is not verified",
        ("transforms", "return plaintext + decryptor.finalize()", "return plaintext"),
        breaks=("RFC4303-3.4.4.2-icv-wrong-discarded", "RFC4303-3.4.3-combined-sequence-matches"),
    ),
    defect(
        "icv-gmac-unverified", "P-004", "icv",
        "the tag of GMAC is computed and not compared",
        ("transforms", "return plaintext if hmac.compare_digest(self._tag(header, esn_high, iv, plaintext), icv) else None",
                       "return plaintext if self._tag(header, esn_high, iv, plaintext) else None"),
        breaks=("RFC4303-3.4.4.2-icv-wrong-discarded", "RFC4303-3.4.3-combined-sequence-matches"),
    ),
    defect(
        "icv-failure-sticks", "V-053", "icv",
        "the status of an operation is not cleared: the packet after one with a wrong ICV is discarded too",
        ("endpoint", "        opened = authenticate(entry, esp)\n",
                     "        left_over = entry.state.errors.pop(DropReason.INTEGRITY, 0)\n"
                     "        opened = DropReason.UNSPECIFIED if left_over else authenticate(entry, esp)\n"),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    # ------------------------------------------------------------------------------------------------------- crypto
    defect(
        "crypto-gcm-long-nonce", "D-008", "crypto",
        "the nonce of GCM is given as 16 octets (salt, IV, 1), from which the cipher derives another counter block",
        ("transforms", "explicit = Combined(AESGCM(key), salt)", "explicit = Combined(_Long(AESGCM(key)), salt)"),
        ("transforms", "def _combined(",
         "class _Long:\n"
         "    def __init__(self, aead):\n        self._aead = aead\n\n"
         "    def encrypt(self, nonce, data, aad):\n"
         "        return self._aead.encrypt(nonce + bytes((0, 0, 0, 1)), data, aad)\n\n"
         "    def decrypt(self, nonce, data, aad):\n"
         "        return self._aead.decrypt(nonce + bytes((0, 0, 0, 1)), data, aad)\n\n\n"
         "def _combined("),
        breaks=("RFC4106-4-nonce-layout", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-salt-byteswapped", "D-010", "crypto",
        "the salt is an integer to the implementation, and converted to network byte order",
        ("transforms", "    def __init__(self, aead: _Aead, salt: bytes) -> None:\n        self._aead = aead\n        self._salt = salt",
                       "    def __init__(self, aead: _Aead, salt: bytes) -> None:\n        self._aead = aead\n        self._salt = salt[::-1]"),
        breaks=("RFC4106-4-nonce-layout", "RFC4309-4-nonce-layout", "RFC7634-2-nonce-layout",
                "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-gcm-salt-ignored", "V-036", "crypto",
        "the salt of AES-GCM cannot be given: it is 0",
        ("transforms", "explicit = Combined(AESGCM(key), salt)", "explicit = Combined(AESGCM(key), bytes(4))"),
        breaks=("RFC4106-4-nonce-layout", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-ctr-nonce-ignored", "D-048", "crypto",
        "the nonce of AES-CTR is not copied into the counter block",
        ("transforms", "self._nonce = nonce", "self._nonce = bytes(4)"),
        breaks=("RFC3686-4-counter-block",),
    ),
    defect(
        "crypto-ctr-counter-from-zero", "D-048", "crypto",
        "the block counter of AES-CTR begins with 0",
        ("transforms", "block = self._nonce + iv + b\"\\x00\\x00\\x00\\x01\"", "block = self._nonce + iv + bytes(4)"),
        breaks=("RFC3686-4-counter-block",),
    ),
    defect(
        "crypto-chacha-salt-of-three", "S-011", "crypto",
        "the salt of ChaCha20-Poly1305 is taken for 3 octets long, as that of CCM is",
        ("transforms", "Combined(ChaCha20Poly1305(key), salt)", "Combined(ChaCha20Poly1305(key), salt[:3] + b\"\\0\")"),
        breaks=("RFC7634-2-nonce-layout", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-gmac-iv-not-covered", "D-011", "crypto",
        "the associated data of GMAC lack the IV",
        ("transforms", "_aad(header, esn_high) + iv + plaintext)", "_aad(header, esn_high) + plaintext)"),
        breaks=("RFC4543-3.3-aad",),
    ),
    defect(
        "crypto-null-skips-integrity", "V-048", "crypto",
        "NULL encryption is taken for no protection at all: its ICV is not verified",
        ("transforms", _MAC_OPEN, _MAC_OPEN[:-1] + " and not isinstance(self._cipher, Null):"),
        breaks=("RFC4303-3.4.4.1-icv-wrong-discarded",),
    ),
    # ----------------------------------------------------------------------------------------------------------- iv
    defect(
        "iv-cbc-constant", "V-034", "iv",
        "the IV of CBC is made once per SA",
        ("iv", _CBC_IV, "return lambda number: hmac.digest(derived, b\"\", \"sha256\")[:size]"),
        breaks=("RFC3602-3-iv-unpredictable",),
    ),
    defect(
        "iv-cbc-counter", "V-034", "iv",
        "the IV of CBC is a counter, which an observer can predict",
        ("iv", _CBC_IV, "return lambda number: number.to_bytes(size, \"big\")"),
        breaks=("RFC3602-3-iv-unpredictable",),
    ),
    defect(
        "iv-counter-mode-repeats", "V-034", "iv",
        "the IV of counter modes is made anew for every second packet",
        ("iv", _COUNTER_IV, "return lambda number: (number | 1).to_bytes(8, \"big\")"),
        breaks=("RFC3686-3.1-iv-unique", "RFC4106-3.1-iv-unique", "RFC4309-3.1-iv-unique", "RFC4543-3.1-iv-unique",
                "RFC7634-2-iv-unique"),
    ),
    defect(
        "iv-repeats-in-burst", "V-034", "iv",
        "the IV generator is seeded anew for each burst, and not moved on between its packets",
        ("endpoint", BURST_OUT,
         "    def outbound_burst(self, name, packets, now):\n"
         "        entry = self.entry(name)\n"
         "        iv = entry.iv_source(entry.state.sequence + 1)\n"
         "        return [self.outbound(name, packet, iv, now=now) for packet in packets]\n\n" + BURST_OUT),
        breaks=("RFC3602-3-iv-unpredictable", "RFC3686-3.1-iv-unique", "RFC4106-3.1-iv-unique",
                "RFC4309-3.1-iv-unique", "RFC4543-3.1-iv-unique", "RFC7634-2-iv-unique"),
    ),
    defect(
        "iv-lanes-share-first", "V-054", "iv",
        "four CBC packets at once go through the lanes of one vector unit, and all take the first one's IV",
        ("endpoint", BURST_OUT,
         "    def outbound_burst(self, name, packets, now):\n"
         "        entry = self.entry(name)\n"
         "        sent = []\n"
         "        for first in range(0, len(packets), 4):\n"
         "            lanes = packets[first : first + 4]\n"
         "            shared = len(lanes) == 4 and entry.codec.iv_size == 16\n"
         "            iv = entry.iv_source(entry.state.sequence + 1) if shared else None\n"
         "            sent += [self.outbound(name, packet, iv, now=now) for packet in lanes]\n"
         "        return sent\n\n" + BURST_OUT),
        breaks=("RFC3602-3-iv-unpredictable",),
    ),
    defect(
        "iv-less-salt", "P-008", "iv",
        "the explicit IV of GCM and GMAC is shortened by the size of the salt",
        ("algorithms", "return _aead(f\"ENCR_AES_GCM_{icv}\", _AES, 4, 8, icv,",
                       "return _aead(f\"ENCR_AES_GCM_{icv}\", _AES, 4, 4, icv,"),
        breaks=("RFC4106-3.1-iv-size", "RFC4303-2.3-ipv6-alignment"),
    ),
    defect(
        "iv-ctr-sixteen", "D-009", "iv",
        "the IV of AES-CTR has 16 octets on the wire",
        ("algorithms", "\"ENCR_AES_CTR\", _AES, 4, 8, 1,", "\"ENCR_AES_CTR\", _AES, 4, 16, 1,"),
        ("transforms", "block = self._nonce + iv + b\"\\x00\\x00\\x00\\x01\"",
                       "block = self._nonce + iv[-8:] + b\"\\x00\\x00\\x00\\x01\""),
        breaks=("RFC3686-3.1-iv-size",),
    ),
    defect(
        "iv-implicit-high-missing", "V-009", "iv",
        "the implicit IV is made of the low half of the sequence number alone",
        ("transforms", "return (esn_high or bytes(4)) + header[4:]", "return bytes(4) + header[4:]"),
        breaks=("RFC8750-4-esn-iv",),
    ),
    defect(
        "iv-implicit-halves-swapped", "V-010", "iv",
        "the implicit IV has the low half of the sequence number first",
        ("transforms", "return (esn_high or bytes(4)) + header[4:]", "return header[4:] + (esn_high or bytes(4))"),
        breaks=("RFC8750-4-esn-iv", "RFC8750-4-zero-high-half"),
    ),
)  # fmt: skip
