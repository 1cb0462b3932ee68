"""`dpdk:niantic`: rte_ipsec with the cipher in line, on DPDK's net_ixgbe and a model of the 82599.

The whole is a process of its own (`inline.py` tells what is in it), which speaks the exec protocol: however driver or
model end, it is a verdict about the case, and the next case has a new process with a new card.
"""

import platform
import shlex
import sys

from espproof.adapters import native
from espproof.adapters.base import AdapterError
from espproof.adapters.dpdk import inline
from espproof.adapters.exec.client import ExecAdapter

_MACHINE = "x86_64"
"""Where the accesses of a driver can be carried out for it."""


class NianticAdapter(ExecAdapter):
    """`AdapterError` says what is missing."""

    def __init__(self) -> None:
        if platform.machine() != _MACHINE:
            raise AdapterError(f"dpdk:niantic: a driver without its card is run on {_MACHINE} alone, not here")
        native.build(inline.LIBRARY)
        program = f"{inline.__name__}:{inline.InlineAdapter.__name__}"
        super().__init__(shlex.join([sys.executable, "-m", "espproof.adapters.exec.harness", program]))
        self.name = "dpdk:niantic"
