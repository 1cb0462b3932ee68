"""Requirement ids that more than one room names, each under one name. What one module alone names stands there."""

import re

MINIMUM_PADDING = "RFC4106-3.2-minimum-padding"
DELETED = "RFC4301-4.4.2.1-deleted"
BYPASS = "RFC4301-5.2-bypass"
PROTOCOL_50 = "RFC4303-2-protocol-50"
SPI_ZERO = "RFC4303-2.1-spi-zero"
UNICAST = "RFC4303-2.1-unicast-mapping"
COVERS_HIGH = "RFC4303-2.2.1-icv-covers-high"
ALIGNMENT = "RFC4303-2.4-alignment"
DEFAULT_PADDING = "RFC4303-2.4-default-padding"
PAD_LENGTH = "RFC4303-2.5-pad-length"
DUMMY_NEXT_HEADER = "RFC4303-2.6-dummy-next-header"
NEXT_HEADER = "RFC4303-2.6-next-header"
ICV = "RFC4303-3.3.2-icv"
FIRST_ONE = "RFC4303-3.3.3-first-one"
INCREMENT = "RFC4303-3.3.3-increment"
NO_CYCLE = "RFC4303-3.3.3-no-cycle"
BURST = "RFC4303-3.4.3-burst-as-single"
DUPLICATE = "RFC4303-3.4.3-duplicate-rejected"
NEXT_SUBSPACE = "RFC4303-3.4.3-esn-next-subspace"
ICV_WRONG = "RFC4303-3.4.3-icv-wrong-discarded"
LEFT = "RFC4303-3.4.3-left-rejected"
NEW = "RFC4303-3.4.3-new-accepted"
CHECK_FIRST = "RFC4303-3.4.3-replay-check-first"
AFTER_ICV = "RFC4303-3.4.3-window-after-icv"
ACCEPTED = "RFC4303-3.4.4-accepted"
MALFORMED = "RFC4303-3.4.4-malformed-discarded"
WINDOW = "RFC4303-A2.1-window"
CASE_A = "RFC4303-A2.2-case-a"
CASE_B = "RFC4303-A2.2-case-b"
BOUNDS = "RFC4303-3.4.4-padding-bounds"
DUMMY_DISCARDED = "RFC4303-2.6-dummy-discarded"
ECN_DROP = "RFC6040-4.2-ecn-drop"
SELECTORS = "RFC4301-5.2-selectors"
INNER = "RFC4303-3.1.2-inner-unchanged"
PAYLOAD = "RFC4303-3.1.1-payload"
RESTORED = "RFC4303-3.1.2-restored"
TRANSPORT = "RFC4303-3.1.1-restored"
NO_SA = "RFC4303-3.4.2-no-sa-discarded"
MARKER = "RFC3948-2.2-non-esp-marker"
KEEPALIVE = "RFC3948-2.3-keepalive"
COUNTS = "RFC4303-3.4.3-validated-counts"
NO_FRAGMENTS = "RFC4303-3.3.4-no-transport-on-fragments"
IN_THE_CLEAR = "RFC4301-5.1-never-in-the-clear"
ERROR_SOURCE = {4: "RFC1812-4.3.2.4-own-address", 6: "RFC4443-2.2-own-address"}
"""By IP version."""
MERGED = "LINUX.segmentation_offloads-gro-cut-up-again"
DROPPED_COUNTED_ONCE = "LINUX.xfrm_proc-counters-dropped-counted-once"
CLONES_UNCHANGED = "LINUX.skbuff-shared-clones-unchanged"
FRAGMENTS_READ_ONLY = "LINUX.skbuff-geometry-fragments-read-only"
DEVICE_WHO = "LINUX.xfrm_device-flow-device-or-software"
DEVICE_PACKETS = "LINUX.xfrm_device-flow-each-packet"
DEVICE_NOTHING_LEFT = "LINUX.xfrm_device-flow-nothing-left"
X550_RULES = {
    "order": "X550-4.6.12-order",
    "lookup": "X550-4.6.12-lookup",
    "settings": "X550-4.6.12-settings",
    "tables": "X550-8.2.2.25-tables",
    "cleared": "X550-7.13.9-cleared",
    "descriptors": "X550-7.2.3-descriptors",
    "packets": "X550-7.13.4-packets",
    "icv": "X550-7.13.4.1-icv",
}
"""Rules of a data sheet for drivers, by what they are about."""
MLX5_RULES = {
    "tables": "MLX5-objects-order",
    "descriptors": "MLX5-transmit-described",
    "packets": "MLX5-transmit-plain",
}
"""The same."""
QAT_RULES = {"descriptors": "QAT-rings-room"}
"""The same."""
NETDEV22_RULES = {
    "messages": "NETDEV22-agent-messages",
    "metadata": "NETDEV22-agent-metadata",
    "cleared": "NETDEV22-agent-cleared",
    "packets": "NETDEV22-agent-packets",
}
"""The same, of what was told of an agent in the wire."""
DEVICE_RULES: dict[str, dict[str, str]] = {
    "": {},
    "X550": X550_RULES,
    "MLX5": MLX5_RULES,
    "QAT": QAT_RULES,
    "NETDEV22": NETDEV22_RULES,
}
"""By data sheet."""
PASSED_NOT_COUNTED = "LINUX.xfrm_proc-counters-passed-not-counted"


def counter_rule(name: str) -> str:
    """The requirement of a counter of `/proc/net/xfrm_stat`."""
    side = "outbound" if name.startswith("XfrmOut") else "inbound"
    words = re.findall("[A-Z][a-z]*", name)[2 if name.startswith(("XfrmIn", "XfrmOut")) else 1 :]
    return f"LINUX.xfrm_proc-{side}-{'-'.join(words).lower()}"
