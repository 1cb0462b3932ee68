"""Debian's packages of the kernel's source: the one that is installed, or one that is fetched without touching the system.

What is fetched comes from the mirror of Debian that the system's apt uses, by an apt whose lists and state are in the
cache; it is checked by apt with Debian's keys, unpacked, and never installed.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from espproof.adapters import cache
from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel.work import Work, ask, at_work
from espproof.reference.errors import Misuse

SUITES = ("bookworm", "trixie", "trixie-backports", "sid", "experimental")
"""Where to look: by name, as some mirrors are late with `stable` and its like. What apt would choose is taken, which is no
release candidate where there is a release."""
_FETCH_TOOLS = ("apt-get", "apt-cache", "dpkg-deb", "env")
_ELSE = "--tree takes the folder of a kernel's source, wherever it comes from"
_INSTALLED = Path("/usr/src")
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TARGETS = ("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages")
_VERSION = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Package:
    """A package, and its archive where it is installed."""

    name: str
    version: str
    archive: Path | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def package(version: str) -> str:
    """The name of the package. `Misuse` if that is no version of a kernel."""
    if not _VERSION.fullmatch(version):
        raise Misuse(f"--source {version!r}: Debian's packages are called after two numbers, as 6.12")
    return f"linux-source-{version}"


def installed(name: str) -> Package | None:
    """None if it is not."""
    archive = _INSTALLED / f"{name}.tar.xz"
    if not archive.is_file() or shutil.which("dpkg-query") is None:
        return None
    asked = ask("dpkg-query", "--show", "--showformat=${Version}", name)
    return Package(name, asked.stdout, archive) if not asked.returncode else None


def find(name: str, work: Work) -> Package:
    """The package that is installed, or else the one that the mirror has. `Misuse` tells what there is, if it has none."""
    if here := installed(name):
        return here
    if missing := [tool for tool in _FETCH_TOOLS if shutil.which(tool) is None]:
        raise AdapterError(f"to fetch {name} there is no {', '.join(missing)}; {_ELSE}")
    _configure()
    work.execute("ask Debian's mirror", [*_apt("apt-get"), "update"])
    asked = ask(*_apt("apt-cache"), "show", "--no-all-versions", name)
    found = re.search(r"^Version: (\S+)$", asked.stdout, re.MULTILINE)
    if asked.returncode or not found:
        names = ask(*_apt("apt-cache"), "pkgnames", "linux-source-").stdout.split()
        there = sorted((one for one in names if _VERSION.fullmatch(one.removeprefix("linux-source-"))), key=_order)
        raise Misuse(f"Debian has no {name}; there are {', '.join(there) or 'none at all'}")
    return Package(name, found[1])


def fetch(package: Package, work: Work) -> Path:
    """The archive of a package that `find` has found, in the folder `fetched` of the work."""
    folder = at_work(work.name, "fetched")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    download = [*_apt("apt-get"), "download", f"{package.name}={package.version}"]
    work.execute("fetch", ["env", f"--chdir={folder}", *download])
    (fetched,) = folder.glob("*.deb")
    work.execute("open the package", ["dpkg-deb", "--extract", str(fetched), str(folder)])
    fetched.unlink()
    return folder / f"usr/src/{package.name}.tar.xz"


def _folder() -> Path:
    return cache.folder("linux", "debian")


def _apt(program: str) -> list[str]:
    return [program, f"--config-file={_folder() / 'apt.conf'}"]


def _configure() -> None:
    """Of our own apt. It is read after the system's, which may say how to reach the mirror; what that runs is cleared."""
    folder = _folder()
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_bytes(b"")
    signed = f"[signed-by={_KEYS}] " if _KEYS.is_file() else ""
    mirror = _mirror()
    sources = "".join(f"deb {signed}{mirror} {suite} main\n" for suite in SUITES)
    (folder / "sources.list").write_text(sources, encoding="utf-8")
    settings = {
        "Dir::State": folder,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Update::Error-Mode": "any",
    }
    lines = ["#clear APT::Update;", *(f'{name} "{value}";' for name, value in settings.items())]
    (folder / "apt.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _mirror() -> str:
    """Of Debian, as the system's apt is configured. Who has no lists yet is not told whose mirror one is."""
    rows = [line.split("|") for line in ask(*_TARGETS).stdout.splitlines()]
    for origin, label, address in (row for row in rows if len(row) == 3):
        ours = (origin, label) == ("Debian", "Debian") or (not origin and address.rstrip("/").endswith("/debian"))
        if ours and not address.startswith("cdrom:"):
            return address
    raise AdapterError(
        f"apt's configuration names no mirror of Debian (`apt-get indextargets` tells which it has); {_ELSE}"
    )


def _order(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]
