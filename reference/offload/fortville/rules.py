"""What the agent and the MAC demand of a driver, one row per demand.

No public source has them: each is *assumed*, from what the talk says that control frames and metadata are for. `agent`
and `mac` note them where they are broken; ids are for tests and for the words in reports.
"""

from espproof.reference.offload.rules import Rule


def _rule(id: str, topic: str, words: str) -> Rule:
    return Rule(f"fortville.{id}", topic, "Netdev 2.2, IPsec workshop (assumed)", words)


READABLE = _rule("readable", "messages", "a command has its layout, and zeros where an operation uses nothing")
ONE_AT_A_TIME = _rule(
    "one-at-a-time", "messages", "the next command is sent when the last was answered, or its time is over"
)
SAME_TRANSACTION = _rule("same-transaction", "messages", "a transaction is one command, however often it is sent")
OWN_PORT = _rule("own-port", "messages", "a command is about the port by which it comes")
INDEX_ONCE = _rule("index-once", "messages", "no two inbound SAs of a domain have one index")

TAGGED = _rule("tagged", "metadata", "every packet has metadata in front, also one that is not for the agent")
UNUSED_ZERO = _rule(
    "unused-zero", "metadata", "bits of metadata that mean nothing are zero, all of them without offload"
)
SA_THERE = _rule(
    "sa-there", "metadata", "offload is asked for while the agent has the SA: otherwise the packet is lost"
)

REMOVED_FIRST = _rule(
    "removed-first", "cleared", "the first command after a reset of the MAC removes all SAs of the port"
)

PLAIN_HEADERS = _rule(
    "plain-headers", "packets", "a packet for the agent is ESP behind an IP header without options, and no fragment"
)
FINAL_LENGTH = _rule(
    "final-length", "packets", "a packet for the agent ends with its payload; its IP length counts trailer and ICV"
)
LARGEST_FRAME = 9728
"""Octets with the CRC, which nobody sees here."""
LARGEST = _rule("largest", "packets", "no frame is longer than 9,728 octets with its CRC, of whatever is added")

RULES = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""All of them, in this order."""
