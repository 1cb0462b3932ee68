"""Defects of algorithms that prove one demand of their documents each: keys, IVs, what is covered, what is sent of it."""

from espproof.adapters.seeded.model import defect

_KEYS = "    if cipher.aead:\n        return _combined("
_CUT = '    if cipher.name.startswith("ENCR_AES") or "GMAC" in cipher.name:\n        '
_MAC_SEAL = "return ciphertext + self._mac(header + iv + ciphertext + esn_high)"
_MAC_OPEN = "if not hmac.compare_digest(self._mac(header + iv + ciphertext + esn_high), icv):"
_LONG_KEYS = (
    "RFC3602-2.2-key-192-256", "RFC3686-2.2-key-192-256", "RFC4309-2-key-192-256",
    "RFC3686-5.4-key-lengths", "RFC4106-8.4-key-lengths", "RFC4309-7.4-key-lengths", "RFC4543-5.3-key-lengths",
)  # fmt: skip
_OPEN_SEPARATE = (
    "        ciphertext, icv = body[: -self._icv_size], body[-self._icv_size :]\n"
    "        " + _MAC_OPEN + "\n            return None\n"
)

DEFECTS = (
    # ---------------------------------------------------------------------------------------------------------- keys
    defect(
        "crypto-aes-192-as-128", "D-058", "crypto",
        "there is no entry for AES keys of 192 bits: their first 128 are used",
        ("transforms", _KEYS, _CUT + "encr_key = encr_key[:16] if len(encr_key) == 24 else encr_key\n" + _KEYS),
        breaks=(*_LONG_KEYS, "RFC3602-2.2-rounds-192", "RFC3686-2.2-rounds-192", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-aes-256-as-128", "D-058", "crypto",
        "the size of an AES key is kept in bits, in one octet: of 256 nothing is left, and 128 is the default",
        ("transforms", _KEYS, _CUT + "encr_key = encr_key[:16] if len(encr_key) == 32 else encr_key\n" + _KEYS),
        breaks=(*_LONG_KEYS, "RFC3602-2.2-rounds-256", "RFC3686-2.2-rounds-256", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-aes-128-as-256", "ours", "crypto",
        "the key is kept where 256 bits have room, and used whole: behind one of 128 bits are zeros",
        ("transforms", _KEYS, _CUT + "encr_key = encr_key.ljust(32, b\"\\0\") if len(encr_key) == 16 else encr_key\n" + _KEYS),
        breaks=("RFC3602-2.2-key-128", "RFC3602-2.2-rounds-128", "RFC3686-2.2-key-128", "RFC3686-2.2-rounds-128",
                "RFC4309-2-key-128", "RFC8750-4-rest-unchanged", "RFC4106-8.4-key-lengths",
                "RFC4543-5.3-key-lengths"),
    ),
    defect(
        "crypto-chacha-key-of-128", "ours", "crypto",
        "ChaCha20 gets a key of 128 bits, twice, as its authors allow",
        ("transforms", "Combined(ChaCha20Poly1305(key), salt)", "Combined(ChaCha20Poly1305(key[:16] * 2), salt)"),
        breaks=("RFC7634-2-key-256", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-sha2-key-of-20", "ours", "crypto",
        "HMAC keys are copied to where those of SHA-1 had room: of longer ones the first 20 octets are used",
        ("transforms", "        return lambda message: hmac.digest(key, message, digest)[:size]\n",
                       "        key = key[:20]\n        return lambda message: hmac.digest(key, message, digest)[:size]\n"),
        breaks=("RFC4868-2.1.1-key-length",),
    ),
    defect(
        "crypto-implicit-iv-without-salt", "V-036", "crypto",
        "with an implicit IV nobody takes the salt out of the keying material: it is 0",
        ("transforms", "    name = cipher.name.removesuffix(\"_IIV\")\n",
                       "    name = cipher.name.removesuffix(\"_IIV\")\n    salt = bytes(len(salt)) if cipher.implicit_iv else salt\n"),
        breaks=("RFC8750-4-rest-unchanged",),
    ),
    defect(
        "crypto-gmac-iv-before-salt", "ours", "crypto",
        "the nonce of GMAC is IV, then salt",
        ("transforms", "self._aead.encrypt(self._salt + iv, b\"\"", "self._aead.encrypt(iv + self._salt, b\"\""),
        breaks=("RFC4543-3.2-nonce-layout",),
    ),
    defect(
        "crypto-iv-is-sequence", "ours", "crypto",
        "the receiver makes the IV of a counter mode from the sequence number, as its own sender does",
        ("esp", "        plaintext = self._transform.open(packet[:HEADER_SIZE], high, packet[HEADER_SIZE:body], packet[body:])\n",
                "        counts = self.iv_size == 8 and self.alignment == 4\n"
                "        iv = sequence.to_bytes(8, \"big\") if counts else packet[HEADER_SIZE:body]\n"
                "        plaintext = self._transform.open(packet[:HEADER_SIZE], high, iv, packet[body:])\n"),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    # -------------------------------------------------------------------------------------------------- what is covered
    defect(
        "crypto-trailer-in-clear", "ours", "crypto",
        "pad length and next header are written behind what was encrypted, as the length of the payload alone was given",
        ("transforms", "        return self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))\n",
                       "        sealed = self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))\n"
                       "        if not isinstance(self._aead, AESCCM):\n            return sealed\n"
                       "        return sealed[: len(plaintext) - 2] + plaintext[-2:] + sealed[len(plaintext) :]\n"),
        ("transforms", "        return whole[: self._icv_size - 16]\n",
                       "        return whole[: len(plaintext) - 2] + plaintext[-2:] + whole[len(plaintext) : self._icv_size - 16]\n"),
        ("transforms", "        return Cipher(self._aes, modes.CTR(block)).encryptor().update(data)\n\n    decrypt = encrypt\n",
                       "        return Cipher(self._aes, modes.CTR(block)).encryptor().update(data[:-2]) + data[-2:]\n\n"
                       "    decrypt = encrypt\n"),
        breaks=("RFC4106-3.2-plaintext", "RFC4309-3.2-plaintext", "RFC3686-3.2-plaintext", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "crypto-gcm-whole-blocks", "O-001", "crypto",
        "with a truncated ICV the ciphertext of GCM is as long as the blocks of AES that were made for it",
        ("transforms", "        return whole[: self._icv_size - 16]\n",
                       "        filler = bytes(-len(plaintext) % 16)\n"
                       "        return whole[:-16] + filler + whole[-16 : self._icv_size - 16 or None]\n"),
        breaks=("RFC4106-3.2-ciphertext-length",),
    ),
    defect(
        "crypto-residual-block-in-clear", "ours", "crypto",
        "CBC is padded to 4 octets: what is no whole block at the end stays as it was",
        ("esp", "self.alignment = max(4, cipher.block_size)", "self.alignment = 4"),
        ("transforms", "        return Cipher(self._algorithm, modes.CBC(iv)).encryptor().update(data)\n",
                       "        rest = data[len(data) - len(data) % (self._algorithm.block_size // 8) :]\n"
                       "        return Cipher(self._algorithm, modes.CBC(iv)).encryptor().update(data) + rest\n"),
        breaks=("RFC4303-2.4-block-multiple",),
    ),
    defect(
        "icv-before-encryption", "ours", "icv",
        "the ICV is computed over the plaintext: first integrity, then encryption",
        ("transforms", _MAC_SEAL, "return ciphertext + self._mac(header + iv + plaintext + esn_high)"),
        breaks=("RFC4303-3.3.2.1-encrypt-then-mac", "RFC4303-1-both-services-supported"),
    ),
    defect(
        "icv-without-iv", "ours", "icv",
        "the IV is not yet in the packet when its ICV is computed",
        ("transforms", _MAC_SEAL, "return ciphertext + self._mac(header + ciphertext + esn_high)"),
        breaks=("RFC4303-3.3.2.1-icv-coverage", "RFC4303-3.3.2-icv", "RFC4303-3.3.2.1-esn-high-appended"),
    ),
    # ----------------------------------------------------------------------------------------------------- what is sent
    defect(
        "icv-combined-not-sent", "ours", "icv",
        "a combined-mode algorithm needs no integrity algorithm, so that no room is left for an ICV",
        ("transforms", "return self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))",
                       "return self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))[: len(plaintext)]"),
        breaks=("RFC4303-3.3.2.2-combined-icv-optional", "RFC4303-2.8-icv-length"),
    ),
    defect(
        "icv-gcm-right-end", "ours", "icv",
        "of a truncated tag the right end is sent",
        ("transforms", "        return whole[: self._icv_size - 16]\n",
                       "        return whole[:-16] + whole[-self._icv_size :]\n"),
        breaks=("RFC4106-6-icv-8-12",),
    ),
    defect(
        "icv-sha256-of-96", "linux 2.6.32", "icv",
        "HMAC-SHA-256 is truncated to 96 bits, as HMAC-SHA-1 is",
        ("algorithms", "\"AUTH_HMAC_SHA2_256_128\", 32, 16,", "\"AUTH_HMAC_SHA2_256_128\", 32, 12,"),
        breaks=("RFC4868-2.3-truncation", "RFC4303-2.8-icv-length"),
    ),
    defect(
        "icv-gmac-twelve", "N-102", "icv",
        "the tag of GMAC is truncated to 12 octets",
        ("algorithms", "\"ENCR_NULL_AUTH_AES_GMAC\", _AES, 4, 8, 16,", "\"ENCR_NULL_AUTH_AES_GMAC\", _AES, 4, 8, 12,"),
        ("transforms", "        plaintext, icv = body[:-16], body[-16:]\n", "        plaintext, icv = body[:-12], body[-12:]\n"),
        ("transforms", "_aad(header, esn_high) + iv + plaintext)", "_aad(header, esn_high) + iv + plaintext)[:12]"),
        breaks=("RFC4543-3.4-icv-16",),
    ),
    defect(
        "icv-chacha-twelve", "N-102", "icv",
        "the tag of ChaCha20-Poly1305 is truncated to 12 octets",
        ("algorithms", "\"ENCR_CHACHA20_POLY1305\", (32,), 4, 8, 16,", "\"ENCR_CHACHA20_POLY1305\", (32,), 4, 8, 12,"),
        ("transforms", "        return self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))\n",
                       "        sealed = self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))\n"
                       "        return sealed[:-4] if isinstance(self._aead, ChaCha20Poly1305) else sealed\n"),
        breaks=("RFC7634-2-icv-16", "RFC8750-4-rest-unchanged"),
    ),
    defect(
        "icv-shorter-separate", "ours", "icv",
        "as much of an ICV is compared as the packet has: one of 12 octets is enough, whatever was agreed",
        ("transforms", _OPEN_SEPARATE,
                       "        for size in (self._icv_size, 12):\n"
                       "            ciphertext, icv = body[:-size], body[-size:]\n"
                       "            if hmac.compare_digest(self._mac(header + iv + ciphertext + esn_high)[:size], icv):\n"
                       "                break\n"
                       "        else:\n            return None\n"),
        breaks=("RFC4303-2.8-icv-length", "RFC4868-2.3-no-other-truncation"),
    ),
    defect(
        "icv-shorter-gcm", "P-004", "icv",
        "an SA of GCM with 16 octets of ICV takes packets with 12 as well",
        ("transforms", "        explicit = Combined(AESGCM(key), salt)\n", "        explicit = _Lenient(key, salt)\n"),
        ("transforms", "def _combined(",
         "class _Lenient(Combined):\n"
         "    def __init__(self, key, salt):\n"
         "        super().__init__(AESGCM(key), salt)\n        self._shorter = TruncatedGcm(key, salt, 12)\n\n"
         "    def open(self, header, esn_high, iv, body):\n"
         "        whole = super().open(header, esn_high, iv, body)\n"
         "        return self._shorter.open(header, esn_high, iv, body) if whole is None else whole\n\n\n"
         "def _combined("),
        breaks=("RFC4106-6-icv-others",),
    ),
    # ---------------------------------------------------------------------------------------------------------- IVs
    defect(
        "iv-ccm-whole-nonce", "ours", "iv",
        "CCM sends its whole nonce of 11 octets as the IV",
        ("algorithms", "return _aead(f\"ENCR_AES_CCM_{icv}\", _AES, 3, 8, icv,",
                       "return _aead(f\"ENCR_AES_CCM_{icv}\", _AES, 3, 11, icv,"),
        ("transforms", "return self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))",
                       "return self._aead.encrypt(self._salt + iv[-8:], plaintext, _aad(header, esn_high))"),
        ("transforms", "return self._aead.decrypt(self._salt + iv, body, _aad(header, esn_high))",
                       "return self._aead.decrypt(self._salt + iv[-8:], body, _aad(header, esn_high))"),
        breaks=("RFC4309-3.1-iv-size", "RFC4303-2.3-next-layer-aligned"),
    ),
    defect(
        "iv-gmac-whole-nonce", "ours", "iv",
        "GMAC sends its whole nonce of 12 octets as the IV",
        ("algorithms", "\"ENCR_NULL_AUTH_AES_GMAC\", _AES, 4, 8, 16,", "\"ENCR_NULL_AUTH_AES_GMAC\", _AES, 4, 12, 16,"),
        ("transforms", "self._aead.encrypt(self._salt + iv, b\"\"", "self._aead.encrypt(self._salt + iv[-8:], b\"\""),
        breaks=("RFC4543-3.1-iv-size", "RFC4303-2.3-ipv6-alignment"),
    ),
    defect(
        "iv-chacha-whole-nonce", "ours", "iv",
        "ChaCha20-Poly1305 sends its whole nonce of 12 octets as the IV",
        ("algorithms", "\"ENCR_CHACHA20_POLY1305\", (32,), 4, 8, 16,", "\"ENCR_CHACHA20_POLY1305\", (32,), 4, 12, 16,"),
        ("transforms", "return self._aead.encrypt(self._salt + iv, plaintext, _aad(header, esn_high))",
                       "return self._aead.encrypt(self._salt + iv[-8:], plaintext, _aad(header, esn_high))"),
        ("transforms", "return self._aead.decrypt(self._salt + iv, body, _aad(header, esn_high))",
                       "return self._aead.decrypt(self._salt + iv[-8:], body, _aad(header, esn_high))"),
        breaks=("RFC7634-2-iv-size", "RFC4303-2.3-ipv6-alignment"),
    ),
    defect(
        "iv-cbc-of-eight", "ours", "iv",
        "the IV of AES-CBC is one of 3DES: 8 octets, followed by zeros that are not sent",
        ("algorithms", "\"ENCR_AES_CBC\", _AES, 0, 16, 16,", "\"ENCR_AES_CBC\", _AES, 0, 8, 16,"),
        ("transforms", "        return Cipher(self._algorithm, modes.CBC(iv)).encryptor().update(data)\n",
                       "        iv = iv.ljust(self._algorithm.block_size // 8, b\"\\0\")\n"
                       "        return Cipher(self._algorithm, modes.CBC(iv)).encryptor().update(data)\n"),
        ("transforms", "        return Cipher(self._algorithm, modes.CBC(iv)).decryptor().update(data)\n",
                       "        iv = iv.ljust(self._algorithm.block_size // 8, b\"\\0\")\n"
                       "        return Cipher(self._algorithm, modes.CBC(iv)).decryptor().update(data)\n"),
        breaks=("RFC3602-3-iv-size",),
    ),
    defect(
        "iv-implicit-number-first", "ours", "iv",
        "without extended numbers the implicit IV is the sequence number and four zeros behind it",
        ("transforms", "return (esn_high or bytes(4)) + header[4:]",
                       "return esn_high + header[4:] if esn_high else header[4:] + bytes(4)"),
        breaks=("RFC8750-4-zero-high-half",),
    ),
)  # fmt: skip
