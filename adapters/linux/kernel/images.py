"""Which kernel a variant runs: Debian's user-mode Linux, or one of those that `build` makes."""

import shutil

from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel import build

STOCK = "linux.uml"
INSTALL = "apt-get install -y user-mode-linux kmod"
BUILT = {"built": "plain", "kcov": "kcov", "kasan": "kasan", "time-travel": "plain"}
"""Variant of the adapter -> variant of the build."""


def path(variant: str) -> str:
    """The kernel's file. `AdapterError` says how to get it."""
    if variant in BUILT:
        image = build.image(BUILT[variant])
        if image is None:
            raise AdapterError(f"linux:{variant}: this kernel is not built; {build.command(BUILT[variant])}")
        return str(image)
    stock = shutil.which(STOCK) or shutil.which(STOCK, path="/usr/bin")
    if stock is None:
        raise AdapterError(f"linux: there is no {STOCK}; {INSTALL}")
    return stock


def is_built(variant: str) -> bool:
    """Whether the kernel of a variant in `BUILT` is there."""
    return build.image(BUILT[variant]) is not None
