"""Why a packet is dropped by a stack: the counters of `/proc/net/xfrm_stat` (kernel document `xfrm_proc`).

A packet that is dropped for such a reason moves that counter by one, and no other. What is thrown away without an error
(a dummy packet, a keepalive) moves none.
"""

from enum import Enum

from espproof.reference.drops import DropReason


class Counter(Enum):
    """The names are those of the file. Those of asynchronous crypto, IP-TFS and devices are not among them yet."""

    IN_ERROR = "XfrmInError"
    IN_BUFFER_ERROR = "XfrmInBufferError"
    IN_HDR_ERROR = "XfrmInHdrError"
    IN_NO_STATES = "XfrmInNoStates"
    IN_STATE_PROTO_ERROR = "XfrmInStateProtoError"
    IN_STATE_MODE_ERROR = "XfrmInStateModeError"
    IN_STATE_SEQ_ERROR = "XfrmInStateSeqError"
    IN_STATE_EXPIRED = "XfrmInStateExpired"
    IN_STATE_MISMATCH = "XfrmInStateMismatch"
    IN_STATE_INVALID = "XfrmInStateInvalid"
    IN_TMPL_MISMATCH = "XfrmInTmplMismatch"
    IN_NO_POLS = "XfrmInNoPols"
    IN_POL_BLOCK = "XfrmInPolBlock"
    IN_POL_ERROR = "XfrmInPolError"
    ACQUIRE_ERROR = "XfrmAcquireError"
    FWD_HDR_ERROR = "XfrmFwdHdrError"
    OUT_ERROR = "XfrmOutError"
    OUT_BUNDLE_GEN_ERROR = "XfrmOutBundleGenError"
    OUT_NO_STATES = "XfrmOutNoStates"
    OUT_STATE_PROTO_ERROR = "XfrmOutStateProtoError"
    OUT_STATE_MODE_ERROR = "XfrmOutStateModeError"
    OUT_STATE_SEQ_ERROR = "XfrmOutStateSeqError"
    OUT_STATE_EXPIRED = "XfrmOutStateExpired"
    OUT_STATE_INVALID = "XfrmOutStateInvalid"
    OUT_POL_BLOCK = "XfrmOutPolBlock"
    OUT_POL_ERROR = "XfrmOutPolError"


SILENT = frozenset({DropReason.DUMMY, DropReason.KEEPALIVE})
"""What is discarded without indicating an error (RFC 4303 2.6, RFC 3948 2.3)."""

INBOUND = {
    DropReason.MALFORMED: Counter.IN_STATE_PROTO_ERROR,
    DropReason.INTEGRITY: Counter.IN_STATE_PROTO_ERROR,
    DropReason.PADDING: Counter.IN_STATE_PROTO_ERROR,
    DropReason.MODE: Counter.IN_STATE_MODE_ERROR,
    DropReason.ECN: Counter.IN_STATE_MODE_ERROR,
}
"""What the SA's own processing says of a packet that arrives -> its counter."""

OUTBOUND = {
    DropReason.SEQUENCE_OVERFLOW: Counter.OUT_STATE_SEQ_ERROR,
    DropReason.MALFORMED: Counter.OUT_STATE_MODE_ERROR,
    DropReason.FRAGMENT: Counter.OUT_STATE_MODE_ERROR,
    DropReason.TOO_BIG: Counter.OUT_STATE_PROTO_ERROR,
}
"""The same of a packet that is to be protected."""
