"""strongSwan's userspace data plane, libipsec: a C program on the harness; `libipsec_shim.c` says what is whose job.

libipsec does ESP in tunnel mode with 32-bit sequence numbers and a window of 128 packets, which cannot be changed. It
has no say in outer headers; those are the shim's and are declared no further than needed.
"""

import shutil
import subprocess
from pathlib import Path

from espproof.adapters.native import NativeAdapter, Shim

LIBRARIES = "/usr/lib/ipsec"
INSTALL = (
    "apt-get install -y gcc libcjson-dev libstrongswan libstrongswan-standard-plugins libstrongswan-extra-plugins "
    "libcharon-extra-plugins"
)
_SHIM = Shim(
    "libipsec",
    Path(__file__).parent,
    ("libipsec_shim.c",),
    INSTALL,
    flags=(
        f"{LIBRARIES}/libipsec.so.0",
        f"{LIBRARIES}/libstrongswan.so.0",
        f"-Wl,-rpath,{LIBRARIES}",
    ),
    stamps=(f"{LIBRARIES}/libipsec.so.0", f"{LIBRARIES}/libstrongswan.so.0"),
)


class LibipsecAdapter(NativeAdapter):
    """Runs Cases on libipsec."""

    def __init__(self) -> None:
        super().__init__("libipsec", _SHIM, [_version()])


def _version() -> str:
    """Of Debian's package: the library does not tell."""
    if shutil.which("dpkg-query") is None:
        return "?"
    query = ["dpkg-query", "-W", "-f", "${Version}", "libcharon-extra-plugins"]
    told = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
    return told.stdout.strip() or "?"
