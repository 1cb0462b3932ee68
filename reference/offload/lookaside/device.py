"""The device: a ring of requests, engines, and a ring of responses.

    tail        the driver has written requests up to there: the engines have them
    run         the engines go on. So many of them work side by side, and of those that began together the last is the
                first to finish: responses come in another order than requests
    taken       the driver has read so many responses
    stalls      while it is set nothing is finished (a device that is slow, or dead)

The cryptography is its own, not `transforms`, which is the reference's. `crossings` counts the octets that cross the bus:
those of requests, sessions and buffers to the device, and of buffers and responses back.
"""

import hmac
from collections import deque
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as CbcCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from espproof.reference.offload.lookaside import rules
from espproof.reference.offload.lookaside.messages import (
    REQUEST,
    RESPONSE,
    SESSION,
    Cipher,
    Operation,
    Request,
    Response,
    Session,
    Status,
)
from espproof.reference.offload.memory import Memory
from espproof.reference.offload.rules import Breaches

ENGINES = 4
_HASHES = {Cipher.AES_CBC_HMAC_SHA1: "sha1", Cipher.AES_CBC_HMAC_SHA256: "sha256"}
_BLOCK = 16


@dataclass(slots=True)
class Crossings:
    """Octets over the bus, and how often something crossed it."""

    to_device: int = 0
    from_device: int = 0
    transfers: int = 0


class Lookaside:
    """One pair of rings, of `size` entries each, in memory at `requests` and `responses`."""

    def __init__(self, memory: Memory) -> None:
        self.breaches = Breaches()
        self.crossings = Crossings()
        self.stalls = False
        self._memory = memory
        self.reset()

    def reset(self) -> None:
        """What was asked for is forgotten, and where the rings are."""
        self.requests = self.responses = self.size = 0
        self._fetched = self._finished = self.taken = 0
        self._working: deque[Request] = deque()

    def set_rings(self, requests: int, responses: int, size: int) -> None:
        """Addresses, and entries of each."""
        self.requests, self.responses, self.size = requests, responses, size

    def tail(self, count: int) -> None:
        """So many requests have been written since the reset."""
        if count - self.taken > self.size:
            self.breaches.note(rules.ROOM, f"{count - self.taken} requests in a ring of {self.size}")
        while self._fetched < count:
            octets = self._read(self.requests + self._fetched % self.size * REQUEST, REQUEST)
            self._working.append(Request.read(octets))
            self._fetched += 1

    def run(self) -> int:
        """How many responses there have been since the reset."""
        while self._working and not self.stalls:
            together = [self._working.popleft() for _ in range(min(ENGINES, len(self._working)))]
            for request in reversed(together):
                status = self._carried_out(request)
                self._write(
                    self.responses + self._finished % self.size * RESPONSE, Response(request.cookie, status).octets()
                )
                self._finished += 1
        return self._finished

    def _carried_out(self, request: Request) -> Status:
        if request.operation not in (Operation.SEAL, Operation.OPEN) or not request.session or not request.buffer:
            self.breaches.note(rules.REQUEST, f"operation {request.operation}, session {request.session:#x}")
            return Status.WRONG_REQUEST
        session = Session.read(self._read(request.session, SESSION))
        whole = self._read(request.buffer, request.covered + request.iv + request.length)
        covered, rest = whole[: request.covered], whole[request.covered :]
        iv, octets = rest[: request.iv], rest[request.iv :]
        if request.operation == Operation.SEAL:
            done: bytes | None = _sealed(session, covered, iv, octets[: len(octets) - session.icv])
        else:
            done = _opened(session, covered, iv, octets)
        if done is None:
            return Status.WRONG_ICV
        self._write(request.buffer + request.covered + request.iv, done)
        return Status.DONE

    def _read(self, address: int, length: int) -> bytes:
        self.crossings.to_device += length
        self.crossings.transfers += 1
        return self._memory.read(address, length)

    def _write(self, address: int, octets: bytes) -> None:
        self.crossings.from_device += len(octets)
        self.crossings.transfers += 1
        self._memory.write(address, octets)


def _sealed(session: Session, covered: bytes, iv: bytes, plaintext: bytes) -> bytes:
    """Ciphertext and ICV."""
    if session.cipher == Cipher.AES_GCM:
        return AESGCM(session.key).encrypt(session.salt + iv, plaintext, covered)
    encryptor = CbcCipher(AES(session.key), CBC(iv)).encryptor()
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return ciphertext + _mac(session, covered, iv + ciphertext)


def _opened(session: Session, covered: bytes, iv: bytes, octets: bytes) -> bytes | None:
    """The plaintext, or None if the ICV is wrong; then nothing is written."""
    if session.cipher == Cipher.AES_GCM:
        try:
            return AESGCM(session.key).decrypt(session.salt + iv, octets, covered)
        except InvalidTag:
            return None
    ciphertext, icv = octets[: -session.icv], octets[-session.icv :]
    if len(ciphertext) % _BLOCK or not hmac.compare_digest(_mac(session, covered, iv + ciphertext), icv):
        return None
    decryptor = CbcCipher(AES(session.key), CBC(iv)).decryptor()
    return decryptor.update(ciphertext) + decryptor.finalize()


def _mac(session: Session, covered: bytes, rest: bytes) -> bytes:
    """Of `covered`, SPI and the low half of the number stand in front, the high half, if there is one, behind all else
    (RFC 4303 2.2.1)."""
    octets = covered[:8] + rest + covered[8:]
    return hmac.digest(session.authentication_key, octets, _HASHES[Cipher(session.cipher)])[: session.icv]
