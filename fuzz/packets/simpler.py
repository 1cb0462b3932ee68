"""Less of a sealed packet, for minimising: whatever is taken away, the ICV stays right."""

from collections.abc import Iterator
from dataclasses import replace

from espproof.fuzz.packets.draft import Draft, drafted, with_number
from espproof.fuzz.packets.sealed import Keys, Sealed, aligned, with_trailer
from espproof.reference import ip
from espproof.reference.esp import TRAILER_SIZE


def simpler(sealed: Sealed, keys: Keys) -> Iterator[Sealed]:
    """Packets that are the same with less in them, the most drastic first; each has a right ICV."""
    for number, sa in enumerate(keys.sas[: sealed.sa]):
        if sa.mode == keys.sas[sealed.sa].mode:  # an SA before this one is a plainer one
            yield keys.new(number, aligned(sealed.plaintext, keys.codec(number).alignment))
    plain = keys.new(sealed.sa, b"")
    yield replace(sealed, front=plain.front, patch_at=plain.patch_at, udp=plain.udp)
    yield replace(sealed, sequence=plain.sequence, iv=plain.iv)
    alignment = keys.codec(sealed.sa).alignment
    for payload in _shorter_packets(drafted(sealed)):
        yield replace(sealed, plaintext=with_trailer(payload, sealed.plaintext[-1], alignment))
    body, trailer = sealed.plaintext[:-TRAILER_SIZE], sealed.plaintext[-TRAILER_SIZE:]
    size = len(body)
    while size:
        for at in range(0, len(body), size):
            zeros = bytes(len(body[at : at + size]))
            yield replace(sealed, plaintext=aligned(body[:at] + body[at + size :] + trailer, alignment))
            yield replace(sealed, plaintext=body[:at] + zeros + body[at + size :] + trailer)
        size //= 2


def _shorter_packets(draft: Draft) -> Iterator[bytes]:
    """Inner packets that are shorter and say so."""
    payload, version = draft.payload, {4: 4, 41: 6}.get(draft.next_header)
    header = ip.IPV6_HEADER_SIZE if version == 6 else ip.IPV4_HEADER_SIZE
    for size in (header, (header + len(payload)) // 2, len(payload) - 1):
        if version is not None and header <= size < len(payload):
            if version == 6:
                yield with_number(payload, ip.IPV6_PAYLOAD_LENGTH, size - header)[:size]
            else:
                cut = with_number(payload, ip.IPV4_TOTAL_LENGTH, size)[:size]
                yield ip.with_checksum(cut[:header]) + cut[header:]
