"""What the device demands of a driver, one row per demand; `device` notes them as they are broken."""

from espproof.reference.offload.rules import Rule


def _rule(id: str, topic: str, source: str, words: str) -> Rule:
    return Rule(f"connectx.{id}", topic, source, words)


KEY_LAST = _rule(
    "key-last", "tables", "mlx5 mlx5_ipsec_free_sa_ctx (assumed)", "a key is destroyed when no SA refers to it any more"
)
RULES_FIRST = _rule(
    "rules-first", "tables", "mlx5 mlx5e_xfrm_free_state (assumed)", "the steering rule of an SA goes before the SA"
)
SELECTED = _rule(
    "selected", "tables", "IFC ipsec_obj, modify_field_select", "a modification names what it changes, and changes both"
)
TRAILER = _rule(
    "trailer",
    "descriptors",
    "mlx5 mlx5e_ipsec_set_state",
    "a packet for the device comes without trailer; the trailer is in the descriptor, padded to four octets",
)
NUMBER_IN_IV = _rule(
    "number-in-iv",
    "descriptors",
    "mlx5 mlx5e_ipsec_set_iv_esn; talk",
    "where the IV will be stands the whole number of the packet, 64 bits",
)
PLAIN_HEADER = _rule(
    "plain-header",
    "packets",
    "mlx5 mlx5e_ipsec_offload_ok",
    "packets with IPv4 options or IPv6 extension headers are not given to the device",
)
KNOWN = _rule("known", "packets", "assumed", "a packet is marked for an SA for which there is a rule")

RULES = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""All of them, in this order."""
