"""A packet in the making: a sealed one, its plaintext taken apart, to be changed at will and put together again.

    Sealed ──drafted──► Draft(…, payload, padding, pad length, next header) ──finished──► Sealed, aligned

What is drafted and finished without a change is what it was. The fields of a draft need not fit each other: whoever
changes one says what he means, and `finished` makes right only the padding, and that only where nobody has set it.
"""

from dataclasses import dataclass

from espproof.fuzz.packets.sealed import Keys, Sealed, aligned, with_trailer
from espproof.reference import ip
from espproof.reference.esp import TRAILER_SIZE, trailer


@dataclass(slots=True)
class Draft:
    """A packet in the making. `pad_length` None: padding and pad length are made right in the end."""

    sa: int
    front: bytes
    patch_at: int
    udp: bytes
    sequence: int
    iv: bytes
    payload: bytes
    padding: bytes
    pad_length: int | None
    next_header: int


def drafted(sealed: Sealed) -> Draft:
    """Take the plaintext apart as far as its trailer can be believed."""
    plaintext = sealed.plaintext
    pad_length, next_header = plaintext[-TRAILER_SIZE:]
    end = len(plaintext) - TRAILER_SIZE - pad_length
    right = end >= 0 and plaintext[end:] == trailer(pad_length, plaintext[-1])
    return Draft(
        sa=sealed.sa, front=sealed.front, patch_at=sealed.patch_at, udp=sealed.udp, sequence=sealed.sequence,
        iv=sealed.iv, payload=plaintext[: end if right else -TRAILER_SIZE], padding=b"",
        pad_length=None if right else pad_length, next_header=next_header,
    )  # fmt: skip


def finished(draft: Draft, keys: Keys) -> Sealed:
    """The draft with its trailer, aligned, so that it can be sealed."""
    alignment = keys.codec(draft.sa).alignment
    if draft.pad_length is None:
        plaintext = with_trailer(draft.payload, draft.next_header, alignment)
    else:
        plaintext = aligned(draft.payload + draft.padding + bytes([draft.pad_length, draft.next_header]), alignment)
    return Sealed(
        sa=draft.sa, front=draft.front, patch_at=draft.patch_at, udp=draft.udp, sequence=draft.sequence,
        iv=draft.iv, plaintext=plaintext,
    )  # fmt: skip


def version_of(payload: bytes) -> int:
    """What the first nibble says; 0 of nothing."""
    return payload[0] >> 4 if payload else 0


def with_number(buffer: bytes, field: slice, value: int) -> bytes:
    """The buffer with another number in a field, its low octets; as it is where the field is not there."""
    if field.stop > len(buffer):
        return buffer
    return ip.with_field(buffer, field, value & (1 << 8 * (field.stop - field.start)) - 1)


def octet(at: int) -> slice:
    """A field of one octet."""
    return slice(at, at + 1)
