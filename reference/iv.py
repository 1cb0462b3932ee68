"""Explicit IVs of the quality that each algorithm asks for, as a function of a number that comes once under a key.

Counter modes (CTR, GCM, CCM, GMAC, ChaCha20-Poly1305) need an IV that never repeats under a key (RFC 4106 3.1, RFC 3686
3.1). The sequence number is one as long as no other SA has the key, before or beside this one; the endpoint, which may
be given a key twice, counts the packets of the key instead. CBC needs an IV that an observer cannot predict (RFC 3602
3); here it is the encryption of the number under a key derived from the SA's own (the method of NIST SP 800-38A,
appendix C), so that the reference needs no source of randomness and a run can be repeated.
"""

import hashlib
import hmac
from collections.abc import Callable

from espproof.reference.algorithms import ENCRYPTION

IvSource = Callable[[int], bytes]
"""Number of the packet under its key -> explicit IV."""


def iv_source(encr: str, encr_key: bytes) -> IvSource:
    """The source for one SA; algorithms without an explicit IV get the empty one."""
    cipher = ENCRYPTION[encr]
    if cipher.iv_size == 0:
        return lambda number: b""
    if cipher.block_size == 1 and cipher.iv_size == 8:
        return lambda number: number.to_bytes(8, "big")
    derived = hashlib.sha256(b"espproof iv" + encr_key).digest()
    size = cipher.iv_size
    return lambda number: hmac.digest(derived, number.to_bytes(8, "big"), "sha256")[:size]
