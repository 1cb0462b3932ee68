"""The rules about descriptors and packets, judged when the chip takes a packet from memory.

The chip itself checks none of this: it does to a packet what the descriptor says.
"""

from espproof.reference import ip
from espproof.reference.offload.niantic import rules
from espproof.reference.offload.niantic.descriptors import AH, ESP, Context, Data
from espproof.reference.offload.niantic.engine import ICV
from espproof.reference.offload.rules import Breaches

_HEADERS = 512


def judge_context(context: Context, octets: bytes, breaches: Breaches) -> None:
    """A context as it comes, whatever packet it is for."""
    if context.octets() != octets:
        breaches.note(rules.UNUSED_ZERO, f"{octets.hex()} where {context.octets().hex()} says all")
    headers = context.mac_length + context.ip_length + context.l4_length
    if not 14 <= context.mac_length <= 127 or headers > _HEADERS:
        breaches.note(rules.HEADERS_FIT, f"{context.mac_length} + {context.ip_length} + {context.l4_length}")


def judge_packet(frame: bytes, packet: list[Data], context: Context | None, breaches: Breaches) -> None:
    """A packet with its descriptors, and the context that its first one names."""
    first = packet[0]
    if any(part.report for part in packet[:-1]):
        breaches.note(rules.REPORT_LAST, f"{len(packet)} descriptors")
    wants = first.ipsec or first.segments or first.ip_checksum or first.l4_checksum
    front = context.mac_length + context.ip_length + context.l4_length if context and first.segments else 0
    if first.payload_length != len(frame) - front:
        breaches.note(rules.PAYLOAD_LENGTH, f"PAYLEN {first.payload_length}, {len(frame)} octets, headers of {front}")
    if context is None or not wants:
        return
    if context.mac_length + context.ip_length > len(frame):
        breaches.note(rules.HEADERS_FIT, f"{context.mac_length} + {context.ip_length} of {len(frame)} octets")
        return
    if first.segments:
        _judge_super_packet(frame, first, context, breaches)
    if first.ipsec:
        _judge_ipsec(frame, first, context, breaches)


def _judge_super_packet(frame: bytes, first: Data, context: Context, breaches: Breaches) -> None:
    if not context.segment or not 8 <= context.l4_length <= 64:
        breaches.note(rules.SEGMENT_SIZES, f"MSS {context.segment}, L4LEN {context.l4_length}")
    if not first.l4_checksum or (context.ipv4 and not first.ip_checksum):
        breaches.note(rules.SEGMENT_CHECKSUMS, f"TXSM {first.l4_checksum:d}, IXSM {first.ip_checksum:d}")


def _judge_ipsec(frame: bytes, first: Data, context: Context, breaches: Breaches) -> None:
    packet = frame[context.mac_length :]
    protocol, start = _whole(packet)
    if protocol != (ESP if context.esp else AH):
        breaches.note(
            rules.NO_OPTIONS, f"no {'ESP' if context.esp else 'AH'} behind a plain IP header: {packet[:40].hex()}"
        )
        return
    if first.segments:
        if context.trailer:
            breaches.note(rules.TRAILER_LENGTH, f"IPS_ESP_LEN {context.trailer} of a super-packet")
        return
    if not context.esp:
        icv = packet[start + 20 : start + 36]
    else:
        icv = packet[-ICV:]
        padding = packet[-ICV - 2] if len(packet) >= start + 16 + 2 + ICV else -1
        if context.trailer != padding + 18:
            breaches.note(rules.TRAILER_LENGTH, f"IPS_ESP_LEN {context.trailer}, padding of {padding}")
        if (len(packet) - start) % 4:
            breaches.note(rules.ALIGNED, f"{len(packet) - start} octets from the ESP header on")
    if any(icv):
        breaches.note(rules.ICV_BLANK, icv.hex())


def _whole(packet: bytes) -> tuple[int, int]:
    """Protocol and end of an IP header without options and extension headers, of a packet that is no fragment."""
    if len(packet) >= ip.IPV4_HEADER_SIZE and packet[0] == 0x45 and not int.from_bytes(packet[6:8], "big") & 0x3FFF:
        return packet[9], ip.IPV4_HEADER_SIZE
    if len(packet) >= ip.IPV6_HEADER_SIZE and packet[0] >> 4 == 6:
        return packet[6], ip.IPV6_HEADER_SIZE
    return -1, 0
