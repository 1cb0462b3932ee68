"""What the device demands of a driver, one row per demand; `device` notes them as they are broken."""

from espproof.reference.offload.rules import Rule


def _rule(id: str, words: str) -> Rule:
    return Rule(f"lookaside.{id}", "descriptors", "talk, icp_qat_fw_la.h (assumed)", words)


ROOM = _rule(
    "room", "there are never more requests than the ring has room for, with those whose responses are not taken"
)
REQUEST = _rule("request", "a request names an operation, a session and octets that are there")

RULES = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""All of them, in this order."""
