"""Messages to the firmware and back, bit by bit (IFC): bit 0 is the highest of the first octet.

command   header of what is asked ── object, for create and modify
answer    header of what came of it ── object, for query
"""

from dataclasses import dataclass
from enum import IntEnum

from espproof.reference.errors import Misuse


@dataclass(frozen=True, slots=True)
class Bits:
    """`width` bits from bit `at` on, as a number, the highest bit first."""

    name: str
    at: int
    width: int


class Layout:
    """`size` octets with fields in them; what no field covers is zero."""

    def __init__(self, name: str, size: int, *fields: Bits) -> None:
        self.name, self.size, self.fields = name, size, fields
        taken: set[int] = set()
        for one in fields:
            mine = set(range(one.at, one.at + one.width))
            if taken & mine or one.at + one.width > 8 * size:
                raise Misuse(f"{name}: {one.name} has bits of another field, or of none")
            taken |= mine
        self._by_name = {one.name: one for one in fields}

    def encode(self, **values: int) -> bytes:
        """The octets; a field that is not named is zero. `Misuse` for a value that does not fit."""
        word = 0
        for name, value in values.items():
            field = self._by_name.get(name)
            if field is None or value < 0 or value >> field.width:
                raise Misuse(f"{self.name} has no {name} of {value:#x}")
            word |= value << (8 * self.size - field.at - field.width)
        return word.to_bytes(self.size, "big")

    def decode(self, octets: bytes) -> dict[str, int]:
        """Each field; of octets that are too short the rest is zero."""
        word = int.from_bytes(octets[: self.size].ljust(self.size, b"\0"), "big")
        return {one.name: word >> (8 * self.size - one.at - one.width) & ((1 << one.width) - 1) for one in self.fields}


class Opcode(IntEnum):
    CREATE = 0xA00
    MODIFY = 0xA01
    QUERY = 0xA02
    DESTROY = 0xA03


class Type(IntEnum):
    KEY = 0xC
    IPSEC = 0x13


class Status(IntEnum):
    """What came of a command (include/linux/mlx5/device.h)."""

    OK = 0x0
    BAD_OPERATION = 0x2
    BAD_PARAMETER = 0x3
    BAD_RESOURCE = 0x5
    EXCEEDED = 0x8
    BAD_STATE = 0x9


COMMAND = Layout("command", 16, Bits("opcode", 0, 16), Bits("obj_type", 48, 16), Bits("obj_id", 64, 32))
ANSWER = Layout("answer", 16, Bits("status", 0, 8), Bits("syndrome", 32, 32), Bits("obj_id", 64, 32))
KEY = Layout(
    "encryption_key_obj", 192,
    Bits("modify_field_select", 0, 64), Bits("key_size", 84, 4), Bits("key_purpose", 92, 4), Bits("key", 0x200, 256),
)  # fmt: skip
"""A key of 128 bits has 128 bits of nothing in front of it."""
KEY_SIZES = {16: 0, 32: 1}
"""Octets -> `key_size`."""
PURPOSE_IPSEC = 2
IPSEC = Layout(
    "ipsec_obj", 64,
    Bits("modify_field_select", 0, 64), Bits("full_offload", 64, 1), Bits("esn_en", 66, 1), Bits("esn_overlap", 67, 1),
    Bits("icv_length", 70, 2), Bits("esn_msb", 96, 32), Bits("dekn", 136, 24), Bits("salt", 160, 32),
    Bits("implicit_iv", 192, 64),
)  # fmt: skip
"""`dekn` is the number of a key; `icv_length` 0 is 16 octets."""
CONTEXT = Layout(
    "ipsec_aso", 64,
    Bits("valid", 0, 1), Bits("mode", 2, 2), Bits("window_sz", 4, 2), Bits("soft_lft_arm", 6, 1),
    Bits("hard_lft_arm", 7, 1), Bits("remove_flow_enable", 8, 1), Bits("esn_event_arm", 9, 1),
    Bits("remove_flow_pkt_cnt", 32, 32),
    Bits("remove_flow_soft_lft", 64, 32), Bits("mode_parameter", 224, 32), Bits("replay_protection_window", 256, 256),
)  # fmt: skip
"""Behind an `ipsec_obj` with `full_offload`. `mode_parameter` is the number; bit n of the window is the number n below."""
SELECT_CONTEXT, SELECT_ARM, SELECT_LIMITS = 1 << 2, 1 << 3, 1 << 4
"""Of `modify_field_select`: number and window; the arm of events about halves; counter, threshold and their arms. In the
device these are operations of their own (ASO): assumed."""
SELECT_OVERLAP, SELECT_MSB = 1 << 0, 1 << 1
"""Of `modify_field_select`: what a modification changes."""

METADATA_MARKER = 1 << 31
METADATA_HANDLE = (1 << 24) - 1
METADATA_SYNDROME = 24
"""Of the 32 bits that go with a packet through the steering rules: marker, syndrome (from this bit on), handle."""


class Syndrome(IntEnum):
    """What the device found of a packet that it has worked on (mlx5, ipsec_fs.c)."""

    RIGHT = 0
    AUTHENTICATION_FAILED = 1
    BAD_TRAILER = 2
    REPLAYED = 3
    """In the device a register of its own (metadata_reg_c_4)."""


def metadata(handle: int, syndrome: int = Syndrome.RIGHT) -> int:
    """The 32 bits of a packet of that SA."""
    return METADATA_MARKER | syndrome << METADATA_SYNDROME | handle
