"""What a device has to keep up with at the speed of a link: numbers, half windows and the bus. Nothing is measured.

numbers    packets in a second, and how long the sequence numbers of one SA last (talk: 40 Gbit/s of the least packets
           use 2^25 to 2^26 numbers a second)
updates    of a device that knows half windows (`connectx.esn`): how often it is told, and how late it may be
bus        octets and transfers for each packet, with the cipher in line and beside
"""

from dataclasses import dataclass

from espproof.reference.errors import Misuse
from espproof.reference.offload.lookaside.messages import REQUEST, RESPONSE, SESSION

AROUND = 20
"""Octets of a frame on the wire besides the frame itself: preamble, start and gap (IEEE 802.3)."""
LEAST_FRAME = 64
DESCRIPTOR = 16
"""Octets of a descriptor of the Niantic; with the cipher in line a packet has two, data and context, and a report."""
IV, ICV = 8, 16
COVERED = 8


@dataclass(frozen=True, slots=True)
class Bus:
    """For one packet: octets to the devices and from them, and how often something crosses the bus."""

    to_device: int
    from_device: int
    transfers: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """At a link's speed with frames of one size."""

    packets: float
    """In a second."""
    short_lasts: float
    """Seconds until 2^32 numbers are used up."""
    long_lasts: float
    """The same of 2^64."""
    updates: float
    """In a second, with one SA that has all packets."""
    patience: float
    """Seconds from the crossing of a half window until the device must know."""
    in_line: Bus
    beside: Bus


def estimate(bits: float, frame: int, window: int = 64) -> Estimate:
    """`bits` in a second, `frame` octets with CRC, and an anti-replay window of so many packets. `Misuse` for what is no
    link, frame or window."""
    if bits <= 0 or frame < LEAST_FRAME or not 0 < window <= 2**31:
        raise Misuse(f"{bits:g} bit/s, frames of {frame} octets (at least {LEAST_FRAME}), a window of {window}")
    packets = bits / (8 * (frame + AROUND))
    sealed = frame + ICV
    beside = Bus(
        to_device=REQUEST + SESSION + COVERED + IV + sealed + DESCRIPTOR + sealed,
        from_device=sealed + RESPONSE + DESCRIPTOR,
        transfers=5 + 3,
    )
    return Estimate(
        packets=packets,
        short_lasts=2**32 / packets,
        long_lasts=2**64 / packets,
        updates=packets / 2**31,
        patience=(2**31 - window) / packets,
        in_line=Bus(to_device=2 * DESCRIPTOR + sealed, from_device=DESCRIPTOR, transfers=4),
        beside=beside,
    )
