"""strongSwan's userspace data plane, libipsec: a C program on the harness; `shim.c` says what is whose job.

libipsec does ESP in tunnel mode with 32-bit sequence numbers and a window of 128 packets, which cannot be changed. SAD,
SPD, lifetimes and counters are its own; as a gateway it has two directions of policies, which protect and do nothing else
(`host.c`). It has no say in outer headers; those are the shim's and are declared no further
than needed. There are no headers for it in Debian, so the shim goes with one version and refuses others.
"""

import shutil
import subprocess
from pathlib import Path

from espproof.adapters.base import AdapterError
from espproof.adapters.native import NativeAdapter, Shim

LIBRARIES = "/usr/lib/ipsec"
VERSION = "5.9.8"
"""Of strongSwan, whose structures `strongswan.h` describes."""
_PACKAGES = ("libstrongswan", "libcharon-extra-plugins")
"""What Debian has the two libraries in."""
INSTALL = (
    "apt-get install -y gcc libcjson-dev libstrongswan libstrongswan-standard-plugins libstrongswan-extra-plugins "
    "libcharon-extra-plugins"
)
_SHIM = Shim(
    "libipsec",
    Path(__file__).parent,
    ("shim.c", "associations.c", "host.c", "instance.c", "ipv.c", "layout.c", "outer.c"),
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
    """Of Debian's packages, as the libraries do not tell; `AdapterError` if it is another than the shim's."""
    if shutil.which("dpkg-query") is None:
        raise AdapterError(f"libipsec: strongSwan {VERSION} is needed, and without dpkg-query nobody tells the version")
    query = ["dpkg-query", "-W", "-f", "${Version}\n", *_PACKAGES]
    told = subprocess.run(query, capture_output=True, encoding="utf-8", timeout=10, check=False).stdout.split()
    if len(told) != len(_PACKAGES):
        raise AdapterError(f"libipsec: {' or '.join(_PACKAGES)} is not installed; {INSTALL}")
    strange = [version for version in told if version.partition("-")[0] != VERSION]
    if strange:
        raise AdapterError(f"libipsec: this is strongSwan {strange[0]}; its structures are known for {VERSION} alone")
    return told[-1]
