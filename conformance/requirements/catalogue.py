"""What the documents demand, one entry per normative sentence: the catalogue that checks, results and reports refer to.

The data are TOML files beside this module, one per document, with a head (`document`, `title`, `covered`) and
`[[requirement]]` entries. The wording is ours; of the sentence itself only fingerprints are kept (see `audit`). A
sentence with two demands has two entries that share its fingerprint; `implied` entries are rules that the text states
without a capital keyword, or in a table, and that the data plane depends on.

A document need not be an RFC: a kernel's documentation, a data sheet, a public list of tests have names of their own
(`LINUX.xfrm_device`, without a hyphen), an `url` in their head, and no fingerprints, as nobody can audit them so.

Every entry either says how a black box shows it (`family` and `observe`) or why no black box can (`waived`, whose first
word is one of `WAIVERS`). Documents repeat themselves and each other: an entry with `verified_with` has no check of its
own but stands and falls with the entries named there, which do. Ids (`RFC4303-3.4.3-duplicate-rejected`: document,
section, slug) are forever.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from espproof.reference.errors import Misuse


class Level(StrEnum):
    """RFC 2119. REQUIRED and SHALL count as MUST, RECOMMENDED as SHOULD, OPTIONAL as MAY."""

    MUST = "MUST"
    MUST_NOT = "MUST NOT"
    SHOULD = "SHOULD"
    SHOULD_NOT = "SHOULD NOT"
    MAY = "MAY"


FAMILIES = (
    "format",
    "padding",
    "icv",
    "crypto",
    "iv",
    "sequence",
    "anti-replay",
    "esn",
    "sad",
    "modes",
    "selectors",
    "inside",
    "udp",
    "tfc",
    "lifetime",
    "robustness",
    "audit",
    "fragments",
    "life",
    "xfrm-policy",
    "xfrm-state",
    "xfrm-rekey",
    "xfrm-crowd",
    "xfrm-path",
    "xfrm-boundary",
    "xfrm-gso",
    "xfrm-life",
    "xfrm-held",
    "xfrm-mtu",
    "xfrm-icmp",
    "xfrm-way",
    "xfrm-kept",
    "xfrm-own",
    "xfrm-burst",
    "xfrm-ah",
    "offload",
)
"""Of checks, requirements and seeded defects, in the order in which checks run."""

GROUPS = ("xfrm",)
"""Of families whose names begin so."""


def group(family: str) -> tuple[str, ...]:
    """The group of a family, if it is in one."""
    return tuple(name for name in GROUPS if family.startswith(f"{name}-"))


WAIVERS: Mapping[str, str] = MappingProxyType(
    {
        "ike": "negotiation and the life of keys belong to the key management protocol",
        "local-policy": "the SPD, its rules and what an administrator can configure",
        "not-observable": "neither a packet nor the state of an SA shows it (memory, timing, CPU, logs that nobody reads)",
        "multicast-only": "group key management and multicast routing",
        "implementation-advice": "a free choice or a way of building it that looks the same from outside",
        "authors": "addressed to those who write the documents of algorithms and protocols",
        "pending": "a packet shows it, and cases cannot ask for it yet; behind the colon, what they would do",
        "other-protocol": "AH, ICMP, IPComp, TCP or another protocol than ESP has to show it",
    }
)

_DOCUMENTS = (
    "RFC4303",
    "RFC4301",
    "RFC4302",
    "RFC6040",
    "RFC3948",
    "RFC4106",
    "RFC4309",
    "RFC4543",
    "RFC3602",
    "RFC3686",
    "RFC7634",
    "RFC8750",
    "RFC4868",
    "RFC2367",
    "RFC1812",
    "RFC4443",
    "LINUX.xfrm_proc",
    "LINUX.xfrm_sysctl",
    "LINUX.ip_xfrm",
    "LINUX.segmentation_offloads",
    "LINUX.skbuff",
    "LINUX.xfrm_device",
    "X550",
    "IXGBE",
    "MLX5",
    "QAT",
    "NETDEV22",
)
_FIELDS = frozenset(
    {
        "id",
        "section",
        "level",
        "text",
        "fingerprint",
        "waived",
        "observe",
        "family",
        "verified_with",
        "implied",
        "errata",
        "support",
    }
)
_NO_TEXT = frozenset({"fingerprint", "implied", "verified_with"})
_RFC = re.compile(r"^RFC\d{3,5}$")
_DOCUMENT = re.compile(r"^[A-Z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*$")
_ID = re.compile(
    r"^(?P<document>[A-Z][\w.]*)-(?P<section>[0-9A-Za-z_]+(?:\.[0-9A-Za-z_]+)*)-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)$",
    re.A,
)
_RFC_SECTION = re.compile(r"^[0-9A-Z]+(?:\.[0-9]+)*$")
_FINGERPRINT = re.compile(r"^[0-9a-f]{16}$")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand. `fingerprint` is empty where it comes from a table; exactly one of `waived` and `observe` is set.

    `support`: what it wants to be there, in the words of `results.support`.
    """

    id: str
    document: str
    section: str
    level: Level
    text: str
    fingerprint: tuple[str, ...]
    waived: str | None = None
    observe: str | None = None
    family: str | None = None
    verified_with: tuple[str, ...] = ()
    implied: bool = False
    errata: str | None = None
    support: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One document: `covered` are the sections read sentence by sentence ("4.4.2" with all below it; "*" is all).

    `url` is where it can be read, of a document that is no RFC.
    """

    document: str
    title: str
    covered: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    url: str = ""

    @property
    def is_rfc(self) -> bool:
        return _RFC.match(self.document) is not None

    def covers(self, section: str) -> bool:
        return any(one in {"*", section} or section.startswith(f"{one}.") for one in self.covered)


@cache
def load() -> Mapping[str, Requirement]:
    """Every requirement by id, document by document in the order of the text."""
    entries = {one.id: one for name in _DOCUMENTS for one in source(name).requirements}
    for entry in entries.values():
        for other in entry.verified_with:
            if other not in entries or entries[other].waived or entries[other].verified_with:
                raise Misuse(
                    f"{entry.id}: verified with {other}, which is unknown, waived, or itself verified with others"
                )
    return MappingProxyType(entries)


def by_document(document: str) -> tuple[Requirement, ...]:
    """The requirements of one document (`RFC4303`), in the order of the text."""
    return source(document).requirements


def documents() -> tuple[str, ...]:
    """The documents of the catalogue, the most important first."""
    return _DOCUMENTS


@cache
def levels() -> Mapping[str, str]:
    """Level by id, as words (`"MUST NOT"`)."""
    return MappingProxyType({one.id: one.level.value for one in load().values()})


@cache
def source(document: str) -> Source:
    """One document with its requirements; `Misuse` if the catalogue does not have it."""
    if document not in _DOCUMENTS:
        raise Misuse(f"the catalogue has no {document}; it has {', '.join(_DOCUMENTS)}")
    name = f"{document.lower()}.toml"
    return parse((files(__package__) / name).read_text(encoding="utf-8"), name)


def parse(content: str, name: str) -> Source:
    """Read one TOML file of the catalogue. `Misuse` names the file, the entry and what is wrong with it."""
    try:
        data = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise Misuse(f"{name}: {error}") from error
    missing = {"document", "title", "covered", "requirement"} - data.keys()
    if missing:
        raise Misuse(f"{name}: without {', '.join(sorted(missing))}")
    document, url = data["document"], data.get("url", "")
    if not _DOCUMENT.match(document) or bool(url) == bool(_RFC.match(document)):
        raise Misuse(f"{name}: a document is an RFC (RFC4303) or has a name without a hyphen, and an url")
    entries = tuple(_requirement(entry, document, name) for entry in data["requirement"])
    _no_twins(entries, name)
    return Source(document, data["title"], tuple(data["covered"]), entries, url)


def _requirement(entry: dict[str, Any], document: str, name: str) -> Requirement:
    where = f"{name}: {entry.get('id', 'an entry without id')}"
    for wrong in _complaints(entry, document):
        raise Misuse(f"{where}: {wrong}")
    mark = entry.get("fingerprint", [])
    marks = (mark,) if isinstance(mark, str) else tuple(mark)
    changed = {"document": document, "level": Level(entry["level"]), "fingerprint": marks}
    return Requirement(**{**entry, **changed, "verified_with": tuple(entry.get("verified_with", ()))})


def _complaints(entry: dict[str, Any], document: str) -> list[str]:
    """Everything wrong with one entry, the most basic first."""
    wrong = [f"unknown field {field}" for field in sorted(entry.keys() - _FIELDS)]
    wrong += [f"no {field}" for field in ("id", "section", "level", "text") if not entry.get(field)]
    wrong += [f"{field} is no text" for field in sorted(entry.keys() - _NO_TEXT) if not isinstance(entry[field], str)]
    if wrong:
        return wrong
    shape = _ID.match(entry["id"])
    mark = entry.get("fingerprint", [])
    marks = [mark] if isinstance(mark, str) else mark
    kind = entry.get("waived", "").split(":")[0]
    rfc = _RFC.match(document) is not None
    checks = {
        "the id is not document, section, slug": shape is None
        or (shape["document"], shape["section"]) != (document, entry["section"])
        or (rfc and not _RFC_SECTION.match(entry["section"])),
        f"unknown level {entry['level']!r}": entry["level"] not in {level.value for level in Level},
        "a fingerprint is 16 hex digits": not all(_FINGERPRINT.match(str(one)) for one in marks),
        "only an implied requirement may lack a fingerprint": rfc and not marks and not entry.get("implied"),
        "fingerprints are of RFCs": bool(marks) and not rfc,
        "either waived, or observe and family": ("waived" in entry) == ("observe" in entry)
        or ("family" in entry) != ("observe" in entry),
        "verified_with is a list of ids, beside observe": "verified_with" in entry
        and ("observe" not in entry or not isinstance(entry["verified_with"], list) or not entry["verified_with"]),
        "support goes with observe": "support" in entry and "observe" not in entry,
        f"unknown family {entry.get('family')!r}": "family" in entry and entry["family"] not in FAMILIES,
        f"waived begins with one of {', '.join(WAIVERS)}, then a colon and why": "waived" in entry
        and (kind not in WAIVERS or not entry["waived"][len(kind) + 1 :].strip()),
    }
    return [complaint for complaint, applies in checks.items() if applies]


def _no_twins(entries: tuple[Requirement, ...], name: str) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise Misuse(f"{name}: the id {entry.id} is used twice")
        seen.add(entry.id)
