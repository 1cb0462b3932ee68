"""One case in the formats of other tools: a capture, Wireshark's keys, `ip xfrm` commands, a scapy script, JSON.

Everything here is text made from a file that anybody may have written: what becomes code is a number, an address, hexa-
decimal, or a name from our own tables; all else is quoted where it stands or is in a comment (`comment`).
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from espproof.adapters import atomic
from espproof.adapters.base import Transcript
from espproof.adapters.case import Case, to_json
from espproof.conformance.export.ip_xfrm import ip_xfrm
from espproof.conformance.export.pcap import pcap
from espproof.conformance.export.scapy_snippet import scapy
from espproof.conformance.export.wireshark import wireshark
from espproof.reference.errors import Misuse

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {"json": ".json", "pcap": ".pcap", "ip-xfrm": ".ip-xfrm.sh", "wireshark": ".wireshark.txt", "scapy": ".scapy.py"}
)
"""Format -> how the names of its files end."""


def export(case: Case, format: str, *, got: Transcript | None = None, stem: str = "CASE") -> str | bytes:
    """The case in one format of `SUFFIXES`; `bytes` only for pcap. `Misuse` for another format.

    `got`, what an implementation did, adds the packets it sent to the capture; `stem` is what the capture is called in
    the command that opens it.
    """
    match format:
        case "json":
            return to_json(case, indent=1).decode() + "\n"
        case "pcap":
            return pcap(case, got)
        case "ip-xfrm":
            return ip_xfrm(case)
        case "wireshark":
            return wireshark(case, stem + SUFFIXES["pcap"])
        case "scapy":
            return scapy(case)
    raise Misuse(f"no format {format!r}; there are {', '.join(SUFFIXES)}")


def write_all(case: Case, folder: Path, stem: str, *, got: Transcript | None = None) -> list[Path]:
    """The case in every format, as `folder`/`stem` and the suffix; the folder is made if need be.

    Each file appears whole or not at all. `OSError` names the one that could not be written.
    """
    paths = []
    for name, suffix in SUFFIXES.items():
        paths.append(folder / f"{stem}{suffix}")
        content = export(case, name, got=got, stem=stem)
        atomic.write(paths[-1], content.encode() if isinstance(content, str) else content)
    return paths
