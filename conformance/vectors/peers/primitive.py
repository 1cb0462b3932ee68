"""An algorithm's octets against a transform of the reference, with the sizes that ESP gives it.

A vector of an AEAD or a MAC is seldom an ESP packet: its plaintext has no trailer, its associated data are no header. A
transform takes both as they come, so that what is held against the vector is the code that seals packets.
"""

from dataclasses import dataclass

from espproof.conformance.vectors.peers.peer import NotForEsp
from espproof.reference.algorithms import ENCRYPTION, INTEGRITY
from espproof.reference.errors import Misuse
from espproof.reference.transforms import Transform, mac, transform


@dataclass(frozen=True, slots=True)
class Aead:
    """`nonce` is salt ‖ IV, `associated` what the ICV covers in front. `right` False: the ICV is not that of the rest."""

    encr: str
    key: bytes
    nonce: bytes
    associated: bytes
    plaintext: bytes
    ciphertext: bytes
    icv: bytes
    right: bool = True

    def check(self) -> None:
        """`NotForEsp` if ESP has no such sizes."""
        cipher = ENCRYPTION[self.encr]
        if len(self.key) not in cipher.key_sizes:
            raise NotForEsp(f"{self.encr} with a key of {len(self.key)} octets")
        if len(self.nonce) != cipher.salt_size + cipher.iv_size:
            raise NotForEsp(f"{self.encr} with a nonce of {len(self.nonce)} octets")

    def judge(self) -> str:
        """What is wrong with the reference, "" if nothing is."""
        salt_size = ENCRYPTION[self.encr].salt_size
        salt, iv = self.nonce[:salt_size], self.nonce[salt_size:]
        sealer = transform(self.encr, "NONE", self.key, salt, b"")
        body = self.ciphertext + self.icv
        for header, high in _headers(self.associated):
            wrong = _held(sealer, header, high, iv, self.plaintext, body, self.right)
            if wrong:
                return wrong
        return ""


@dataclass(frozen=True, slots=True)
class Separate:
    """Encryption with an integrity algorithm, as the kernel's `authenc`: the ICV covers `header` ‖ IV ‖ ciphertext."""

    encr: str
    auth: str
    encr_key: bytes
    salt: bytes
    auth_key: bytes
    header: bytes
    iv: bytes
    plaintext: bytes
    ciphertext: bytes
    icv: bytes
    """At least what ESP sends of it; the rest is cut off."""
    right: bool = True

    def sealer(self) -> Transform:
        """`NotForEsp` if ESP has no such sizes."""
        if len(self.icv) < INTEGRITY[self.auth].icv_size:
            raise NotForEsp(f"{self.auth} with an ICV of {len(self.icv)} octets")
        try:
            return transform(self.encr, self.auth, self.encr_key, self.salt, self.auth_key)
        except Misuse as why:
            raise NotForEsp(str(why)) from why

    def judge(self) -> str:
        body = self.ciphertext + self.icv[: INTEGRITY[self.auth].icv_size]
        return _held(self.sealer(), self.header, b"", self.iv, self.plaintext, body, self.right)


@dataclass(frozen=True, slots=True)
class Mac:
    """An integrity algorithm alone; `tag` has at least the octets that ESP sends."""

    auth: str
    key: bytes
    message: bytes
    tag: bytes
    right: bool = True

    def check(self) -> None:
        """`NotForEsp` if ESP has no such sizes."""
        entry = INTEGRITY[self.auth]
        if len(self.key) != entry.key_size:
            raise NotForEsp(f"{self.auth} with a key of {len(self.key)} octets")
        if len(self.tag) < entry.icv_size:
            raise NotForEsp(f"{self.auth} with an ICV of {len(self.tag)} octets")

    def judge(self) -> str:
        """`NotForEsp` if a wrong tag is right as far as ESP sends it."""
        size = INTEGRITY[self.auth].icv_size
        made = mac(self.auth, self.key)(self.message)
        if self.right and made != self.tag[:size]:
            return f"the ICV is {made.hex()}, expected {self.tag[:size].hex()}"
        if not self.right and made == self.tag[:size]:
            if len(self.tag) > size:
                raise NotForEsp(f"{self.auth} with a mistake behind the octets that are sent")
            return f"the ICV is {made.hex()}, which the vector calls wrong"
        return ""


def _headers(associated: bytes) -> list[tuple[bytes, bytes]]:
    """As a transform takes them, header and high half: the whole as a header, and twelve octets also as ESN has them."""
    whole = [(associated, b"")]
    return [*whole, (associated[:4] + associated[8:], associated[4:8])] if len(associated) == 12 else whole


def _held(sealer: Transform, header: bytes, high: bytes, iv: bytes, plaintext: bytes, body: bytes, right: bool) -> str:
    opened = sealer.open(header, high, iv, body)
    if not right:
        return "" if opened is None else "a wrong ICV was accepted"
    if opened is None:
        return "a right ICV was not accepted"
    if opened != plaintext:
        return f"opened to {opened.hex()}, expected {plaintext.hex()}"
    sealed = sealer.seal(header, high, iv, plaintext)
    return "" if sealed == body else f"sealed to {sealed.hex()}, expected {body.hex()}"
