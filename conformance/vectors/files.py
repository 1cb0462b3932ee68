"""The files of the corpus: which there are, what they contain, how they are read, and the list of ids for ever.

`ids.toml` beside them has one line per vector: its id and a digest of what it puts to the test. An id that has been
published names the same octets for ever.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

import espproof.corpus
from espproof.adapters.case import Case, CaseFile, from_json, to_json
from espproof.conformance.vectors import discards, headers, known_answers, published, windows
from espproof.conformance.vectors.made import Vector
from espproof.reference.errors import Misuse

FOLDER = Path(espproof.corpus.__file__).parent / "vectors"
IDS = "ids.toml"


@dataclass(frozen=True, slots=True)
class Content:
    """One file. `name` without the ending; `flags`: flag -> which mistake it catches and what that costs."""

    name: str
    title: str
    source: str
    flags: Mapping[str, str]
    make: Callable[[], Iterator[Vector]]


CONTENTS = (
    Content("rfc3602", "AES-CBC: the ESP packets of RFC 3602", "RFC 3602 section 4, cases 5 to 8", published.FLAGS,
            published.rfc3602),
    Content("rfc3686", "AES-CTR: the key streams of RFC 3686 on whole ESP packets", "RFC 3686 section 6",
            published.FLAGS, published.rfc3686),
    Content("rfc7634", "ChaCha20-Poly1305: the ESP packet of RFC 7634", "RFC 7634 Appendix A", published.FLAGS,
            published.rfc7634),
    Content("gcm-test", "AES-GCM and AES-GMAC: the 17 test cases of the GCM test draft", "draft-mcgrew-gcm-test-01",
            published.FLAGS, published.gcm_test),
    Content("esn-separate", "Known answers and wrong high halves: encryption with an integrity algorithm", "espproof",
            known_answers.FLAGS, known_answers.separate),
    Content("esn-combined", "Known answers and wrong high halves: combined mode algorithms", "espproof",
            known_answers.FLAGS, known_answers.combined),
    Content("esn-implicit-iv", "Known answers and wrong high halves: implicit IVs (RFC 8750)", "espproof",
            known_answers.FLAGS, known_answers.implicit_iv),
    Content("window-esn", "Anti-replay window and high half: every situation of RFC 4303 Appendix A",
            "espproof, after RFC 4303 Appendix A2", windows.FLAGS, windows.extended),
    Content("window-32-bit", "Anti-replay window with 32-bit sequence numbers", "espproof, after RFC 4303 3.4.3",
            windows.FLAGS, windows.short),
    Content("tunnel-header", "Tunnel headers, sent and received", "espproof, after RFC 4301 5.1.2", headers.FLAGS,
            headers.tunnels),
    Content("padding", "Padding of any amount, and TFC padding", "espproof, after RFC 4303 2.4 and 2.7", headers.FLAGS,
            headers.paddings),
    Content("transport-header", "Transport mode: the headers around ESP", "espproof, after RFC 4303 3.1.1",
            headers.FLAGS, headers.transports),
    Content("ecn", "ECN through tunnels, both ways", "espproof, after RFC 6040 4", headers.FLAGS, headers.ecn),
    Content("udp", "ESP in UDP, and what else comes to its port", "espproof, after RFC 3948 2", headers.FLAGS,
            headers.udp),
    Content("reassembly", "Packets that arrive in pieces", "espproof, after RFC 4301 5.2", discards.FLAGS,
            discards.reassembly),
    Content("lifetime", "SAs whose lifetime ends", "espproof, after RFC 4301 4.4.2.1", discards.FLAGS,
            discards.lifetimes),
    Content("not-delivered", "Packets that are authentic and not delivered", "espproof, after RFC 4303 3.4.3",
            discards.FLAGS, discards.not_delivered),
    Content("drop", "Packets that are for no SA, or no ESP", "espproof, after RFC 4303 3.4", discards.FLAGS,
            discards.drops),
    Content("overflow", "The end of the sender's sequence numbers", "espproof, after RFC 4303 3.3.3", windows.FLAGS,
            windows.senders),
)  # fmt: skip


def path_of(name: str, folder: Path = FOLDER) -> Path:
    return folder / f"{name}.json"


def read(path: Path) -> CaseFile:
    """One file; `Misuse` says where it is none."""
    try:
        return from_json(path.read_bytes(), CaseFile)
    except OSError as error:
        raise Misuse(f"{path}: cannot be read: {error.strerror}") from error
    except Misuse as error:
        raise Misuse(f"{path}: {error}") from error


def all_files(folder: Path = FOLDER) -> dict[str, CaseFile]:
    """Every file of the folder by its name without the ending."""
    found = {path.stem: read(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise Misuse(f"{folder}: no vectors")
    return found


@cache
def vectors() -> tuple[Case, ...]:
    """Every vector that comes with the suite, file by file."""
    return tuple(case for content in all_files().values() for case in content.cases)


def text(content: CaseFile) -> bytes:
    """The canonical JSON of a file: as `to_json` orders it, indented by one, with a newline at the end."""
    return to_json(content, indent=1) + b"\n"


def digest(case: Case) -> str:
    """16 hexadecimal digits for what a vector puts to the test: its SAs and steps, without remarks."""
    steps = tuple(msgspec.structs.replace(step, note="", requirement=None) for step in case.steps)
    return hashlib.sha256(to_json(Case(version=1, sas=case.sas, steps=steps))).hexdigest()[:16]


def read_ids(folder: Path = FOLDER) -> dict[str, str]:
    """Id -> digest of every vector that was ever published; none if there is no list yet."""
    path = folder / IDS
    try:
        return {name: str(value) for name, value in tomllib.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misuse(f"{path}: {error}") from error


def ids_text(ids: Mapping[str, str]) -> bytes:
    head = (
        "# Every vector that was ever published, and the digest of its SAs and steps. Only `espproof vectors build`\n"
    )
    head += "# writes here; nothing is ever removed or changed.\n"
    return (head + "".join(f'{name} = "{ids[name]}"\n' for name in sorted(ids))).encode()
