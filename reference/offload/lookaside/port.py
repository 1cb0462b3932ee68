"""The device with its driver, as the stack sees it: which SAs it has sessions for, and octets there and back."""

from espproof.reference.algorithms import INTEGRITY
from espproof.reference.offload.api import Refused
from espproof.reference.offload.lookaside.device import Lookaside
from espproof.reference.offload.lookaside.driver import Driver
from espproof.reference.offload.lookaside.messages import SESSION, Cipher, Operation, Session
from espproof.reference.offload.memory import Arena
from espproof.reference.offload.rules import Breaches
from espproof.reference.sa import SecurityAssociation

_MEMORY = 1 << 24
_RINGS = 2
CIPHERS = {"ENCR_AES_GCM_16": (16, 24, 32), "ENCR_AES_CBC": (16, 24, 32)}
"""Key sizes in octets."""
MACS = {
    "NONE": Cipher.AES_GCM,
    "AUTH_HMAC_SHA1_96": Cipher.AES_CBC_HMAC_SHA1,
    "AUTH_HMAC_SHA2_256_128": Cipher.AES_CBC_HMAC_SHA256,
}
LEAST = 200
"""Octets of an IP packet from which on the way over the bus pays: assumed (the talk has no number)."""


class LookasidePort:
    """Device, driver and the memory between them."""

    least = LEAST

    def __init__(self) -> None:
        self.memory = Arena(_MEMORY)
        self.device = Lookaside(self.memory)
        self.driver = Driver(self.device, self.memory)

    @property
    def entries(self) -> int:
        return self.driver.sessions

    @property
    def left(self) -> int:
        """Of parts of memory that are no ring, no session and no buffer in flight, as many octets as a session has."""
        return SESSION * (self.memory.taken - _RINGS - self.driver.sessions - self.driver.in_flight)

    @property
    def breaches(self) -> Breaches:
        return self.device.breaches

    def reset(self) -> None:
        self.driver.reset()

    def set_link(self, up: bool) -> None:
        """There is none."""

    def befalls(self, event: str) -> None:
        """`work-waits`: the device finishes nothing, until `work-done`."""
        self.device.stalls = event == "work-waits"

    def calm(self) -> None:
        self.device.stalls = False

    # ------------------------------------------------------------------------------------------ what the stack asks for

    def add(self, sa: SecurityAssociation) -> int:
        if len(sa.encr_key) not in CIPHERS.get(sa.encr, ()) or sa.auth not in MACS:
            raise Refused(
                f"{sa.encr} with {sa.auth}: the device has AES-GCM, and AES-CBC with HMAC-SHA1 or HMAC-SHA-256"
            )
        icv = INTEGRITY[sa.auth].icv_size if sa.auth_key else 16
        return self.driver.open_session(Session(MACS[sa.auth], icv, sa.encr_key, sa.salt, sa.auth_key))

    def delete(self, session: int) -> None:
        self.driver.close_session(session)

    def seal(self, session: int, covered: bytes, iv: bytes, plaintext: bytes) -> int | None:
        return self.driver.submit(Operation.SEAL, session, covered, iv, plaintext)

    def open(self, session: int, covered: bytes, iv: bytes, octets: bytes) -> int | None:
        return self.driver.submit(Operation.OPEN, session, covered, iv, octets)

    def result(self, ticket: int) -> bytes | None:
        return self.driver.result(ticket)

    def forget(self, ticket: int) -> None:
        self.driver.forget(ticket)
