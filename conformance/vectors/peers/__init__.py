"""Vectors that other projects publish, read in their own formats. Their data is a user's; none of it is here.

c_tables      tables of initialised structs in C source, read and not compiled
dpdk          `struct ipsec_test_data` of DPDK's tests: whole packets, which become Cases for any adapter
kernel        `struct aead_testvec` of Linux's crypto/testmgr.h: an algorithm's octets, for the reference's transforms
wycheproof    AEAD and MAC files of Wycheproof: the same
primitive     an algorithm's octets against a transform, with the sizes that ESP has
peer          what is read of a file: vectors, what ESP has no use for, and what was not understood
"""

from collections.abc import Callable
from pathlib import Path

from espproof.conformance.vectors.peers import dpdk, kernel, wycheproof
from espproof.conformance.vectors.peers.peer import Peers

FORMATS: dict[str, Callable[[Path], Peers]] = {"dpdk": dpdk.read, "kernel": kernel.read, "wycheproof": wycheproof.read}
"""Format -> reader; `Misuse` if a file is not of that format."""
