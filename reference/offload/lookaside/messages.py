"""What device and driver find in each other's memory. Numbers are little-endian, as on the bus.

    session   cipher, sizes, keys: 96 octets, read anew for each request
    request   64 octets of a ring: what to do, with which session, on which octets
    response  16 octets of the other ring: of which request, and what came of it

The octets of a request lie in one buffer: `covered` octets that the ICV covers in front (SPI and number as the algorithm
wants them), the IV, then plaintext with room for the ICV, or ciphertext with it. What comes back is in the same place.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

_SESSION = struct.Struct("<HHHH32s8s32s16x")
_REQUEST = struct.Struct("<HHHHQQIIQ24x")
_RESPONSE = struct.Struct("<QH6x")
SESSION, REQUEST, RESPONSE = _SESSION.size, _REQUEST.size, _RESPONSE.size


class Cipher(IntEnum):
    """What a session is for."""

    AES_GCM = 1
    AES_CBC_HMAC_SHA1 = 2
    AES_CBC_HMAC_SHA256 = 3


class Operation(IntEnum):
    SEAL = 1
    OPEN = 2


class Status(IntEnum):
    DONE = 0
    WRONG_ICV = 1
    WRONG_REQUEST = 2


@dataclass(frozen=True, slots=True)
class Session:
    """Keys of an SA. `salt` is AES-GCM's; `icv` is how many octets of it are sent."""

    cipher: int
    icv: int
    key: bytes
    salt: bytes
    authentication_key: bytes = b""

    def octets(self) -> bytes:
        sizes = len(self.key), len(self.authentication_key)
        return _SESSION.pack(self.cipher, self.icv, *sizes, self.key, self.salt, self.authentication_key)

    @classmethod
    def read(cls, octets: bytes) -> "Session":
        cipher, icv, size, authentication_size, key, salt, authentication_key = _SESSION.unpack(octets)
        return cls(cipher, icv, key[:size], salt[:4], authentication_key[:authentication_size])


@dataclass(frozen=True, slots=True)
class Request:
    """`session` and `buffer` are addresses, `length` is what the buffer holds behind `covered` and `iv`; `cookie` comes
    back with the response."""

    operation: int
    covered: int
    iv: int
    session: int
    buffer: int
    length: int
    cookie: int

    def octets(self) -> bytes:
        return _REQUEST.pack(
            self.operation, self.covered, self.iv, 0, self.session, self.buffer, self.length, 0, self.cookie
        )

    @classmethod
    def read(cls, octets: bytes) -> "Request":
        operation, covered, iv, _, session, buffer, length, _, cookie = _REQUEST.unpack(octets)
        return cls(operation, covered, iv, session, buffer, length, cookie)


@dataclass(frozen=True, slots=True)
class Response:
    """What came of the request with that cookie."""

    cookie: int
    status: int

    def octets(self) -> bytes:
        return _RESPONSE.pack(self.cookie, self.status)

    @classmethod
    def read(cls, octets: bytes) -> "Response":
        return cls(*_RESPONSE.unpack(octets))
