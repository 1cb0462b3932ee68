"""Where a processor has more registers than user-mode Linux has room for: how a kernel is started there.

Until 6.12, user-mode Linux keeps 2,696 octets of a process's extended state (HOST_FP_SIZE in arch/x86/um/user-offsets.c),
which is what AVX-512 and protection keys need. A processor with AMX has 11,008, and PTRACE_SETREGSET takes all or nothing
(EFAULT; xstateregs_set() in arch/x86/kernel/fpu/regset.c): init dies of SIGSEGV before its first instruction. So a library
(`registers.c`) stands before the kernel's ptrace(), and sets the rest to what it is.
"""

import struct
from pathlib import Path

from espproof.adapters import native
from espproof.adapters.base import AdapterError

_VECTOR = Path("/proc/self/auxv")
_AT_MINSIGSTKSZ = 51
_ROOM = 2696
_FRAME = 1024
"""Octets of a signal frame beside the extended state, and some more."""
_LIBRARY = native.Shim(
    name="registers",
    folder=Path(__file__).parent,
    sources=("registers.c",),
    install="apt-get install -y gcc libc6-dev",
    library=True,
)


def started(kernel: str) -> list[str]:
    """The words that start a kernel on this processor. `AdapterError` says how to get what is missing for that."""
    if not are_too_many():
        return [kernel]
    library = str(native.build(_LIBRARY))
    if ":" in library or any(map(str.isspace, library)):
        raise AdapterError(f"LD_PRELOAD has no place for the path {library!r}: choose another ESPPROOF_CACHE")
    return ["env", f"LD_PRELOAD={library}", kernel]


def are_too_many() -> bool:
    """Whether this processor's registers are: the host's kernel tells how large a signal frame can be."""
    vector = dict(struct.iter_unpack("@LL", _VECTOR.read_bytes()))
    size: int = vector.get(_AT_MINSIGSTKSZ, 0)
    return size > _ROOM + _FRAME
