"""Explicit IVs of the quality that each algorithm asks for, as a function of the sequence number.

Counter modes (CTR, GCM, CCM, GMAC, ChaCha20-Poly1305) need an IV that never repeats under a key; the sequence number is
one (RFC 4106 3.1, RFC 3686 3.1). CBC needs one that an observer cannot predict (RFC 3602 3); here it is the encryption
of the sequence number under a key derived from the SA's own (the method of NIST SP 800-38A, appendix C), so that the
reference needs no source of randomness and a run can be repeated.
"""

import hashlib
import hmac
from collections.abc import Callable

from espproof.reference.algorithms import ENCRYPTION

IvSource = Callable[[int], bytes]
"""Whole sequence number -> explicit IV."""


def iv_source(encr: str, encr_key: bytes) -> IvSource:
    """The source for one SA; algorithms without an explicit IV get the empty one."""
    cipher = ENCRYPTION[encr]
    if cipher.iv_size == 0:
        return lambda sequence: b""
    if cipher.block_size == 1 and cipher.iv_size == 8:
        return lambda sequence: sequence.to_bytes(8, "big")
    derived = hashlib.sha256(b"espproof iv" + encr_key).digest()
    size = cipher.iv_size
    return lambda sequence: hmac.digest(derived, sequence.to_bytes(8, "big"), "sha256")[:size]
