"""Adapters by name: the ones that come with the suite, entry points, a class in a module, a program, a seeded defect."""

import glob
import importlib
import importlib.metadata
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from espproof.adapters.base import Adapter, AdapterError, AdapterFailure
from espproof.reference.errors import Misuse

GROUP = "espproof.adapters"
"""Entry points of this group add adapters."""


@dataclass(frozen=True, slots=True)
class Known:
    """An adapter that comes with the suite.

    `modules`, `programs` and `files` must be there for it to work: importable names, names of commands, patterns of
    paths. `install` is the command that gets them. `variants` are the ways to run it besides the plain one; they are
    opened as `NAME:VARIANT`, and `where` is then called with the variant. `builds` names those of them that run what no
    package brings, each with the command that builds it, and `built` the function that says whether it is there.
    `labels` is the function that tells of what the user has built under names of their own, which are variants too: name
    -> what it is, in words. `yours` is the class that runs a program of the user's instead: `NAME:COMMAND`, with a slash
    in it.
    """

    name: str
    what: str
    where: str
    install: str = ""
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    builds: tuple[tuple[str, str], ...] = ()
    built: str = ""
    labels: str = ""
    yours: str = ""

    @property
    def folder(self) -> Path:
        """Where the adapter and what belongs to it stand."""
        return Path(__file__).parents[1].joinpath(*self.where.partition(":")[0].split(".")[1:]).parent


KNOWN = (
    Known(
        "reference", "the reference itself: must pass everything", "espproof.adapters.models.reference:ReferenceAdapter"
    ),
    Known(
        "niantic", "a model of Intel's 82599, X540 and X550 with our driver",
        "espproof.adapters.models.niantic:NianticAdapter", variants=("82599", "x540", "vf"),
        yours="espproof.adapters.driver.adapter:DriverAdapter",
    ),
    Known(
        "connectx", "a model of NVIDIA's ConnectX and Innova (crypto offload) with our driver",
        "espproof.adapters.models.connectx:ConnectXAdapter", variants=("innova", "packet"),
    ),
    Known(
        "lookaside", "a model of a look-aside crypto device (QAT) with our driver",
        "espproof.adapters.models.lookaside:LookasideAdapter",
    ),
    Known(
        "fortville", "a model of Intel's XL710 with an IPsec agent in the wire, with our drivers",
        "espproof.adapters.models.fortville:FortvilleAdapter", variants=("vf",),
    ),
    Known(
        "scapy", "scapy.layers.ipsec (Python)", "espproof.adapters.scapy_ipsec.adapter:ScapyAdapter",
        install="pip install scapy", modules=("scapy",), variants=("icv",),
    ),
    Known(
        "dpdk", "rte_ipsec of DPDK (C)", "espproof.adapters.dpdk.adapter:opened",
        install="apt-get install -y libdpdk-dev pkg-config gcc libcjson-dev",
        programs=("cc", "pkg-config"), files=("/usr/include/*/rte_ipsec.h", "/usr/include/cjson/cJSON.h"),
        variants=("aesni_mb", "cpu", "crossed", "gmac", "cpu-gmac", "udp", "niantic"),
    ),
    Known(
        "libipsec", "strongSwan's userspace data plane (C)", "espproof.adapters.libipsec.adapter:LibipsecAdapter",
        install="apt-get install -y gcc libcjson-dev libstrongswan libstrongswan-standard-plugins "
        "libstrongswan-extra-plugins libcharon-extra-plugins",
        programs=("cc",), files=("/usr/include/cjson/cJSON.h", "/usr/lib/ipsec/libipsec.so.0"),
    ),
    Known(
        "openconnect", "the openconnect client, connected to a GlobalProtect gateway on loopback",
        "espproof.adapters.openconnect.adapter:OpenConnectAdapter",
        install="apt-get install -y openconnect", programs=("openconnect",),
    ),
    Known(
        "wireshark", "Wireshark's ESP dissector (sharkd), inbound", "espproof.adapters.wireshark.adapter:WiresharkAdapter",
        install="apt-get install -y tshark", programs=("tshark", "sharkd"),
    ),
    Known(
        "linux", "the Linux kernel's xfrm (user-mode Linux)", "espproof.adapters.linux.adapter:LinuxAdapter",
        install="apt-get install -y user-mode-linux kmod", programs=("linux.uml", "modprobe"),
        variants=(
            "any-window", "gro", "async", "pcrypt", "built", "time-travel", "kasan", "gcov", "kcov", "niantic",
            "niantic-vf", "netdevsim", "host",
        ),
        builds=(
            ("built", "espproof adapters build linux"),
            ("time-travel", "espproof adapters build linux"),
            ("kasan", "espproof adapters build linux --variant kasan"),
            ("gcov", "espproof adapters build linux --variant gcov"),
            ("kcov", "espproof adapters build linux --variant kcov"),
            ("niantic", "espproof adapters build linux --variant pci"),
            ("netdevsim", "espproof adapters build linux"),
        ),
        built="espproof.adapters.linux.kernel.images:is_built",
        labels="espproof.adapters.linux.kernel.labels:known",
    ),
)  # fmt: skip
_SYSTEM_PROGRAMS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Debian leaves these out of the PATH of people who are not root."""


def open_adapter(name: str) -> Adapter:
    """Make the adapter of that name. `Misuse` if there is no such name, `AdapterError` if it cannot start."""
    if any("\ud800" <= letter <= "\udfff" for letter in name):
        raise Misuse(f"adapter {name!r}: that is no text in {sys.getfilesystemencoding()}, the locale's encoding")
    scheme, _, rest = name.partition(":")
    if scheme == "exec" and not rest.strip():
        raise Misuse("exec: needs a command, for example 'exec:./my-esp --flag'")
    if scheme == "seeded" and rest:
        from espproof.adapters.seeded import seeded  # reads the catalogue

        return seeded(rest)
    if scheme == "exec":
        from espproof.adapters.exec.client import ExecAdapter  # starts processes

        return ExecAdapter(rest)
    known = {known.name: known for known in KNOWN}
    if scheme in known and known[scheme].yours and "/" in rest:
        return _load(name, known[scheme].yours, rest)
    if scheme in known and rest:
        return _load(name, known[scheme].where, _variant(known[scheme], rest))
    where = {name: entry.where for name, entry in known.items()} | _entry_points()
    place = where.get(name) or (name if ":" in name else None)
    if place is None:
        names = ", ".join([*where, "seeded:DEFECT", "exec:COMMAND", "module:Class"])
        raise Misuse(f"no adapter {name!r}; there are {names}")
    return _load(name, place)


def _variant(known: Known, variant: str) -> str:
    """The variant, if there is one of that name; what follows a `=` is an argument of the adapter's own."""
    if variant.partition("=")[0] in {one.partition("=")[0] for one in known.variants}:
        return variant
    if variant in (mine := labels(known)):
        return variant
    what = "the variants " + ", ".join((*known.variants, *mine)) if known.variants else "no variants"
    more = "; `espproof adapters build --help` tells how to have another one" if known.labels else ""
    more += f"; a program of yours has a path: {known.name}:./driver" if known.yours else ""
    raise Misuse(f"{known.name} has {what}, not {variant!r}{more}")


def expectations_of(name: str) -> Path | None:
    """The expectation file beside an adapter, the first there is: `expected_VARIANT.toml`, of a variant that is built
    or that the user has built `expected_built.toml`, `expected.toml`; of a way to use such a one `expected_WAY_built.toml`
    before these."""
    base, _, rest = name.partition(":")
    variant, _, argument = rest.partition("=")
    for known in KNOWN:
        if known.name == base:
            ours = {*dict(known.builds), *labels(known)}
            stems = [f"expected_{variant}_built", "expected_built"] if argument in ours else []
            stems += [f"expected_{variant}"] if variant else []
            stems += ["expected_built"] if variant in ours else []
            paths = (known.folder / f"{stem}.toml" for stem in (*stems, "expected"))
            return next((path for path in paths if path.is_file()), None)
    return None


def shown(path: Path) -> str:
    """Of an expectation file beside an adapter the path in the package, of any other the path as it is."""
    package = Path(__file__).parents[1]
    return str(path.relative_to(package)) if path.is_relative_to(package) else str(path)


def present(known: Known) -> bool:
    """Whether everything that the adapter needs is on this machine."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), _SYSTEM_PROGRAMS))
    return (
        all(find_spec(module) is not None for module in known.modules)
        and all(shutil.which(program, path=path) is not None for program in known.programs)
        and all(glob.glob(pattern) for pattern in known.files)
    )


def built(known: Known, variant: str) -> bool:
    """Whether what the variant runs has been built."""
    return bool(_call(known.built, variant))


def labels(known: Known) -> dict[str, str]:
    """What the user has built of it: variant -> what it is, in words."""
    return dict(_call(known.labels)) if known.labels else {}


def _call(place: str, *arguments: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments)


def _entry_points() -> dict[str, str]:
    return {point.name: point.value for point in importlib.metadata.entry_points(group=GROUP)}


def _load(name: str, place: str, *arguments: str) -> Adapter:
    module_name, _, attribute = place.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a class in the user's own folder
    try:
        make: Callable[..., object] = getattr(importlib.import_module(module_name), attribute)
        adapter = make(*arguments)
    except ImportError as error:
        raise AdapterError(f"{name}: {error}") from error
    except AttributeError as error:
        if getattr(error, "name", None) != attribute:
            raise AdapterError(f"{name}: {_words(error)}") from error
        raise Misuse(f"{name}: module {module_name} has no {attribute}") from None
    except (AdapterFailure, Misuse):
        raise
    except Exception as error:  # a stranger's module may raise anything
        raise AdapterError(f"{name}: {_words(error)}") from error
    if not isinstance(adapter, Adapter):
        raise Misuse(f"{name}: {attribute} is no espproof.adapters.base.Adapter")
    return adapter


def _words(error: Exception) -> str:
    """What was raised, and in which line of which file: all that is of use in a traceback."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"
