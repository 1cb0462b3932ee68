"""All seeded defects by id, in the order of their families. The tables stand in `defects_*`.

Data only. An entry tells in our own words what went wrong, and where it hides; `sources.toml` says where a historical one
was mended. A defect is as subtle as it was in reality: an ordinary packet on an ordinary SA mostly gets through.
"""

from collections.abc import Mapping
from types import MappingProxyType

from espproof.adapters.seeded import (
    defects_associations,
    defects_audit,
    defects_fortville,
    defects_inside,
    defects_keys,
    defects_lives,
    defects_numbers,
    defects_octets,
    defects_offload,
    defects_packets,
    defects_proofs_algorithms,
    defects_proofs_headers,
    defects_proofs_state,
    defects_refusals,
    defects_xfrm,
    defects_xfrm_ah,
    defects_xfrm_boundary,
    defects_xfrm_burst,
    defects_xfrm_crowd,
    defects_xfrm_held,
    defects_xfrm_icmp,
    defects_xfrm_kept,
    defects_xfrm_life,
    defects_xfrm_mtu,
    defects_xfrm_own,
    defects_xfrm_policy,
    defects_xfrm_rekey,
    defects_xfrm_way,
)
from espproof.adapters.seeded.model import Defect

_ALL = (
    *defects_octets.DEFECTS,
    *defects_keys.DEFECTS,
    *defects_numbers.DEFECTS,
    *defects_packets.DEFECTS,
    *defects_refusals.DEFECTS,
    *defects_proofs_algorithms.DEFECTS,
    *defects_proofs_headers.DEFECTS,
    *defects_proofs_state.DEFECTS,
    *defects_inside.DEFECTS,
    *defects_lives.DEFECTS,
    *defects_audit.DEFECTS,
    *defects_associations.DEFECTS,
    *defects_xfrm_policy.DEFECTS,
    *defects_xfrm.DEFECTS,
    *defects_xfrm_boundary.DEFECTS,
    *defects_xfrm_life.DEFECTS,
    *defects_xfrm_held.DEFECTS,
    *defects_xfrm_mtu.DEFECTS,
    *defects_xfrm_icmp.DEFECTS,
    *defects_xfrm_way.DEFECTS,
    *defects_xfrm_own.DEFECTS,
    *defects_xfrm_burst.DEFECTS,
    *defects_xfrm_rekey.DEFECTS,
    *defects_xfrm_crowd.DEFECTS,
    *defects_xfrm_kept.DEFECTS,
    *defects_xfrm_ah.DEFECTS,
    *defects_offload.DEFECTS,
    *defects_fortville.DEFECTS,
)

DEFECTS: Mapping[str, Defect] = MappingProxyType({entry.id: entry for entry in _ALL})
assert len(DEFECTS) == len(_ALL), "two seeded defects have the same id"
