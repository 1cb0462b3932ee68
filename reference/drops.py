"""Why a packet is discarded: a small closed set, so that implementations can be compared without comparing strings.

Each member carries the Linux counter (`/proc/net/xfrm_stat`) that the same discard bumps there; `None` where Linux has
no xfrm counter for it. What does not belong here: errors of a caller (`errors.Misuse`) and control-plane refusals.
"""

from enum import Enum


class DropReason(Enum):
    """One reason to discard a packet; `value` is the name on the wire of the adapter protocol."""

    linux_counter: str | None

    def __new__(cls, value: str, linux_counter: str | None) -> "DropReason":
        member = object.__new__(cls)
        member._value_ = value
        member.linux_counter = linux_counter
        return member

    # inbound, in the order of RFC 4303 3.4
    MALFORMED = ("malformed", "XfrmInHdrError")  # too short, bad lengths, unreadable outer or inner header
    FRAGMENT = ("fragment", None)  # 3.4.1: a fragment is offered to ESP
    NO_SA = ("no-sa", "XfrmInNoStates")  # 3.4.2
    REPLAY = ("replay", "XfrmInStateSeqError")  # 3.4.3: duplicate or left of the window
    INTEGRITY = ("integrity", "XfrmInStateProtoError")  # 3.4.4: wrong ICV
    PADDING = ("padding", "XfrmInStateProtoError")  # 3.4.4.1: pad length beyond the payload, padding octets wrong
    DUMMY = ("dummy", None)  # 2.6: next header 59
    MODE = ("mode", "XfrmInStateModeError")  # the payload is not what the SA's mode can carry
    SELECTOR = ("selector", "XfrmInStateMismatch")  # RFC 4301 5.2 step 4
    ECN = ("ecn", None)  # RFC 6040 4.2: inner Not-ECT behind outer CE
    KEEPALIVE = ("keepalive", None)  # RFC 3948 2.3
    # outbound
    SEQUENCE_OVERFLOW = ("sequence-overflow", "XfrmOutStateSeqError")  # 3.3.3
    TOO_BIG = ("too-big", None)  # the result does not fit the 16-bit length fields
    # both
    EXPIRED = ("expired", "XfrmInStateExpired")  # RFC 4301 4.4.2.1, hard lifetime
    UNSPECIFIED = ("unspecified", None)  # the implementation does not tell
