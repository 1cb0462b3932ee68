"""How often the lines of the kernel were reached, where it counts that (GCOV_KERNEL): by packets, system calls, timers,
workers and interrupts alike, since the kernel was started."""

import ctypes
import os
from collections.abc import Iterator

_DEBUG = "/sys/kernel/debug"
_SUFFIX = ".gcda"


def counts() -> Iterator[tuple[str, bytes]]:
    """Each object file's path, as it was compiled, with suffix `.gcda`, and its counters in gcc's format."""
    if not os.listdir(_DEBUG):
        ctypes.CDLL(None).mount(b"debugfs", _DEBUG.encode(), b"debugfs", 0, None)
    top = f"{_DEBUG}/gcov"
    for folder, _, names in os.walk(top):
        for name in names:
            if name.endswith(_SUFFIX):
                path = f"{folder}/{name}"
                with open(path, "rb") as file:
                    yield path.removeprefix(top), file.read()
