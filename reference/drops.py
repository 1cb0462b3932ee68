"""Why a packet is discarded: a small closed set, so that implementations can be compared without comparing strings.

What does not belong here: an implementation's own words for them (its adapter has that table), errors of a caller
(`errors.Misuse`) and control-plane refusals.
"""

from enum import Enum


class DropReason(Enum):
    """One reason to discard a packet; `value` is the name on the wire of the adapter protocol."""

    # inbound, in the order of RFC 4303 3.4
    MALFORMED = "malformed"  # too short, bad lengths, unreadable outer or inner header
    FRAGMENT = "fragment"  # 3.4.1: a fragment is offered to ESP
    NO_SA = "no-sa"  # 3.4.2
    REPLAY = "replay"  # 3.4.3: duplicate or left of the window
    INTEGRITY = "integrity"  # 3.4.4: wrong ICV
    PADDING = "padding"  # 3.4.4.1: pad length beyond the payload, padding octets wrong
    DUMMY = "dummy"  # 2.6: next header 59
    MODE = "mode"  # the payload is not what the SA's mode can carry
    SELECTOR = "selector"  # RFC 4301 5.2 step 4
    ECN = "ecn"  # RFC 6040 4.2: inner Not-ECT behind outer CE
    KEEPALIVE = "keepalive"  # RFC 3948 2.3
    # outbound
    SEQUENCE_OVERFLOW = "sequence-overflow"  # 3.3.3
    TOO_BIG = "too-big"  # the result does not fit the 16-bit length fields
    # both
    EXPIRED = "expired"  # RFC 4301 4.4.2.1, hard lifetime
    UNSPECIFIED = "unspecified"  # the implementation does not tell
