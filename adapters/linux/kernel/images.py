"""Which kernel a variant runs: Debian's user-mode Linux, one of those that `build` makes, or one under a label."""

import shutil
from pathlib import Path
from types import MappingProxyType

from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel import build, labels

STOCK = "linux.uml"
INSTALL = "apt-get install -y user-mode-linux kmod"
ANY_WINDOW = "any-window"
"""The variant with windows of every size that the kernel takes. Sizes above 32 that are no power of two are not honoured
exactly while the window crosses number 0 or a multiple of 2^32, and a correct adapter declares what is."""
GRO = "gro"
"""The variant in which packets arrive as from a card that is polled, through GRO: another way into ESP."""
ASYNC = "async"
"""The variant in which ciphers finish later (cryptd)."""
TIME_TRAVEL = "time-travel"
"""The variant whose clock is ours. The kernel keeps time in whole seconds, so each case begins with one."""
PCRYPT = "pcrypt"
"""The variant in which several processors share what a cipher does, so that it finishes later too."""
TEMPLATES = MappingProxyType({ASYNC: "cryptd", PCRYPT: "pcrypt"})
"""Variant -> the template of the crypto API in front of each cipher."""
NIANTIC = "niantic"
"""The variant whose network side is a simulated 82599 with its driver in the kernel, which does the cipher."""
NIANTIC_VF = "niantic-vf"
"""The same, but what does the cipher is a virtual function, whose driver asks the card's own over their mailbox. The
drivers of 6.12 and 7.3 have no SAs for it; what they lack is small."""
NETDEVSIM = "netdevsim"
"""The variant whose network side is netdevsim, which takes SAs; the cipher is done behind it."""
WAYS = (GRO, *TEMPLATES, TIME_TRAVEL, NIANTIC, NIANTIC_VF, NETDEVSIM)
"""Variants that are a way to use a kernel: that of another variant or label behind a `=`, or else their own."""
_STOCK = ("", ANY_WINDOW, GRO, *TEMPLATES)
"""Variants of the adapter that run Debian's."""
BUILT = {
    "built": "plain",
    "kcov": "kcov",
    "gcov": "gcov",
    "kasan": "kasan",
    TIME_TRAVEL: "plain",
    NIANTIC: "pci",
    NETDEVSIM: "plain",
}
"""Variant of the adapter -> variant of the build."""


def path(variant: str) -> str:
    """The kernel's file. `AdapterError` says how to get it."""
    way, _, kernel = variant.partition("=")
    if variant == PCRYPT:
        raise AdapterError(
            "linux:pcrypt: Debian's kernel has one processor; say linux:pcrypt=LABEL, for one that "
            "espproof adapters build linux --source 7.3 --variant smp --as LABEL has made"
        )
    if variant == NIANTIC_VF:
        raise AdapterError(
            "linux:niantic-vf: the drivers of Linux 6.12 have no SAs for virtual functions; say linux:niantic-vf=LABEL, "
            "for a kernel that espproof adapters build linux --tree PATH --variant pci --as LABEL has made"
        )
    variant = kernel or way if way in WAYS else variant
    if variant in BUILT:
        image = build.image(BUILT[variant])
        if image is None:
            raise AdapterError(f"linux:{variant}: this kernel is not built; {build.command(BUILT[variant])}")
        return str(image)
    if variant not in _STOCK:
        image = labels.image(variant)
        if image is None:
            raise AdapterError(
                f"linux:{variant}: there is no kernel under this label; "
                f"espproof adapters build linux --tree PATH --as {variant}"
            )
        return str(image)
    stock = shutil.which(STOCK) or shutil.which(STOCK, path="/usr/bin")
    if stock is None:
        raise AdapterError(f"linux: there is no {STOCK}; {INSTALL}")
    return stock


def is_stock(kernel: str) -> bool:
    """Whether a kernel's file is Debian's."""
    return Path(kernel).name == STOCK


def is_built(variant: str) -> bool:
    """Whether the kernel of a variant in `BUILT` is there."""
    return build.image(BUILT[variant]) is not None


def has_processors(kernel: str) -> bool:
    """Whether a kernel under a label is one for several processors."""
    return labels.is_labelled(Path(kernel)) and labels.about(Path(kernel)).variant == "smp"


def origin(kernel: str) -> str:
    """Of a kernel under a label, for the adapter's version: the label, and what was built; nothing of any other."""
    if not labels.is_labelled(Path(kernel)):
        return ""
    about = labels.about(Path(kernel))
    return f", {about.label}: {about.origin}"
