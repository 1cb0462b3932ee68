"""How a packet is to enter, in the words of `inside/stack.How`. Pure."""

from collections.abc import Sequence
from typing import Any

from espproof.adapters.case import Enter, Entering, Layout
from espproof.adapters.linux.association import Untold
from espproof.adapters.linux.super_packet import super_packet
from espproof.reference.xfrm.buffers import MOST_PIECES

_PAGE = 4096
"""Octets of the largest piece behind the first."""


def entering(step: Enter | Entering) -> tuple[dict[str, Any], bytes]:
    """How it enters, and the packet. `Untold` for what no way in can do."""
    if isinstance(step, Entering):
        step = Enter(side=step.side, packet=step.packet, mark=step.mark, segment=step.segment)
    packet: bytes = step.packet
    how: dict[str, Any] = {}
    if step.segment:
        if step.side == "wire" or step.layout is not None:
            raise Untold("super-packets from the wire, or in buffers as one wants them")
        if step.side == "local":
            how["segment"] = step.segment
        else:
            header, packet = super_packet(packet, step.segment)
            how["header"] = header.hex()
    if step.way:
        how["way"] = step.way
    if step.mark:
        if step.way not in ("", "veth", "splice"):
            raise Untold(f"marks of packets that come by way of {step.way}")
        how["mark"] = step.mark
    if step.layout is not None:
        how |= _layout(step, step.layout)
    return how, packet


def _layout(step: Enter, layout: Layout) -> dict[str, Any]:
    if layout.room is not None:
        raise Untold("room behind a packet")
    if layout.pieces and (step.way or step.mark or step.side == "local"):
        raise Untold("pieces, by another way than that which is for them")
    how: dict[str, Any] = {"shared": True} if layout.shared else {}
    return how | {"pieces": _vectors(len(step.packet), layout.pieces)} if layout.pieces else how


def _vectors(size: int, pieces: Sequence[int]) -> list[int]:
    """The sizes of all pieces but the last, none larger than a page behind the first."""
    sizes, left = [], size
    for piece in pieces:
        if piece >= left:
            break
        sizes.append(piece)
        left -= piece
    if any(one > _PAGE for one in sizes[1:]):
        raise Untold("pieces that are larger than a page")
    while sizes and left > _PAGE:
        sizes.append(_PAGE)
        left -= _PAGE
    if len(sizes) >= MOST_PIECES:
        raise Untold("so many pieces")
    return sizes
