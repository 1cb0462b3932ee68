"""What sharkd says of packets: a capture, a table of SAs, and per packet the fields that a verdict needs.

One process (`sessions.py`) under the supervision of `exec.process`; the capture is a file in memory that both see.
"""

import base64
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from espproof.adapters.base import AdapterError, AdapterFailure
from espproof.adapters.exec.messages import shown
from espproof.adapters.exec.process import Process
from espproof.adapters.pcap import untimed
from espproof.adapters.wireshark.sessions import NEW_SESSION

START_SECONDS = 30.0
ANSWER_SECONDS, _MORE_SECONDS = 10.0, 0.02
"""For answers that are asked for together, and more for each of them."""
_ALL_OCCURRENCES = ":0"
_DECRYPTED = "Decrypted Data"
"""How the name of the data source begins that holds the plaintext of ESP: payload, padding, pad length, next header."""
_AT_ONCE = 4 << 20
"""Octets of packets whose plaintexts are asked for together: their answers stay far below what `Process` reads."""
_SESSIONS = str(Path(__file__).with_name("sessions.py"))


class Shown(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The fields of one packet as Wireshark displays them, in the order of `FIELDS`.

    "" where there is none, commas between several; a field without a value is a mark.
    """

    protocols: str
    icv_good: str
    icv_bad: str
    pad_length: str
    ipv4_length: str
    ipv6_length: str
    fragment_offset: str
    more_fragments: str
    udp_destination: str
    keepalive: str
    non_esp_marker: str
    malformed: str
    bug: str
    bogus_length: str
    bogus_header: str
    bogus_version: str
    bogus_ipv6_length: str
    bogus_ipv6_version: str


FIELDS = (
    "frame.protocols",
    "esp.icv_good",
    "esp.icv_bad",
    "esp.pad_len",
    "ip.len",
    "ipv6.plen",
    "ip.frag_offset",
    "ip.flags.mf",
    "udp.dstport",
    "udpencap.nat_keepalive",
    "udpencap.non_esp_marker",
    "_ws.malformed",
    "_ws.malformed.dissector_bug",
    "ip.bogus_ip_length",
    "ip.bogus_header_length",
    "ip.bogus_ip_version",
    "ipv6.plen_exceeds_framing",
    "ipv6.bogus_ipv6_version",
)
"""Wireshark's names of them."""


class _Row(msgspec.Struct, frozen=True):
    c: Shown


class _Source(msgspec.Struct, frozen=True):
    name: str
    bytes: str


class _Frame(msgspec.Struct, frozen=True):
    ds: tuple[_Source, ...] = ()


class _Answer(msgspec.Struct, frozen=True):
    """JSON-RPC 2.0; `result` is looked at when it is known what was asked."""

    id: int
    result: msgspec.Raw = msgspec.Raw()
    error: Any = None


class Sharkd:
    """A child process, started when it is needed. After an `AdapterFailure` the next call starts a new one."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._capture = os.memfd_create("espproof-capture")
        self._ids = itertools.count(1)

    def close(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
        if self._capture >= 0:
            os.close(self._capture)
            self._capture = -1

    def open_capture(
        self, settings: Sequence[tuple[str, str]], packets: Sequence[bytes]
    ) -> tuple[list[bool], list[Shown]]:
        """A fresh session with these preferences: whether each was taken, and what is shown of each packet."""
        os.truncate(self._capture, 0)
        os.pwrite(self._capture, untimed(packets), 0)
        columns = {f"column{number}": field + _ALL_OCCURRENCES for number, field in enumerate(FIELDS)}
        questions = [("setconf", {"name": name, "value": value}) for name, value in settings]
        questions += [("load", {"file": f"/proc/self/fd/{self._capture}"}), ("frames", columns)]
        *taken, loaded, frames = self._ask(questions, NEW_SESSION)
        if loaded.error is not None:
            raise self._failed(AdapterError(f"sharkd does not load the capture: {shown(repr(loaded.error).encode())}"))
        rows = self._read(frames, list[_Row])
        if len(rows) != len(packets):
            raise self._failed(AdapterError(f"sharkd shows {len(rows)} packets of {len(packets)}"))
        return [answer.error is None for answer in taken], [row.c for row in rows]

    def plaintexts(self, numbers: Sequence[int], packets: Sequence[bytes]) -> list[bytes | None]:
        """What was decrypted of these packets of the capture, by index; None where it is not one piece."""
        found: list[bytes | None] = []
        for group in _portions(numbers, packets):
            answers = self._ask([("frame", {"frame": number + 1, "bytes": True}) for number in group])
            found += [self._plaintext(self._read(answer, _Frame)) for answer in answers]
        return found

    def _plaintext(self, frame: _Frame) -> bytes | None:
        sources = [source for source in frame.ds if source.name.startswith(_DECRYPTED)]
        try:
            return base64.b64decode(sources[0].bytes, validate=True) if len(sources) == 1 else None
        except ValueError as error:
            raise self._failed(AdapterError(f"sharkd: {error}")) from error

    def _start(self) -> Process:
        """A child that has answered; one that cannot is no verdict about Wireshark."""
        folder = Path(tempfile.mkdtemp(prefix="espproof-"))
        command = [sys.executable, "-I", "-S", _SESSIONS, str(self._capture), str(folder)]
        try:
            process = Process(command, (self._capture,), scratch=folder)
        except BaseException:
            folder.rmdir()
            raise
        try:
            process.exchange(_request(0, "status", {}), 1, START_SECONDS)
        except AdapterFailure as error:
            process.kill()
            raise AdapterError(f"sharkd does not start: {error}") from error
        except BaseException:
            process.kill()
            raise
        return process

    def _ask(self, questions: Sequence[tuple[str, dict[str, Any]]], prefix: bytes = b"") -> list[_Answer]:
        if self._process is None:
            self._process = self._start()
        numbered = [(next(self._ids), *question) for question in questions]
        octets = b"".join([prefix, *(_request(*one) for one in numbered)])
        try:
            lines = self._process.exchange(octets, len(numbered), ANSWER_SECONDS + _MORE_SECONDS * len(numbered))
        except AdapterFailure as error:
            raise self._failed(error) from None
        answers = [self._decode(line, _Answer) for line in lines]
        for answer, (number, method, _) in zip(answers, numbered, strict=True):
            if answer.id != number:
                raise self._failed(AdapterError(f"sharkd answers {answer.id} where {method} {number} was asked"))
        return answers

    def _read(self, answer: _Answer, kind: Any) -> Any:
        if answer.error is not None:
            raise self._failed(AdapterError(f"sharkd refuses: {shown(repr(answer.error).encode())}"))
        return self._decode(bytes(answer.result), kind)

    def _decode(self, octets: bytes, kind: Any) -> Any:
        try:
            return msgspec.json.decode(octets, type=kind)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise self._failed(AdapterError(f"sharkd says {shown(octets)}: {error}")) from error

    def _failed(self, error: AdapterFailure) -> AdapterFailure:
        """Ends the process, whose state is not known any more."""
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()
            self._process = None
        return error


def _request(number: int, method: str, parameters: dict[str, Any]) -> bytes:
    """One line of JSON-RPC 2.0."""
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
    return msgspec.json.encode(request) + b"\n"


def _portions(numbers: Sequence[int], packets: Sequence[bytes]) -> Iterator[list[int]]:
    """Indices whose packets are together not much larger than `_AT_ONCE`."""
    portion: list[int] = []
    size = 0
    for number in numbers:
        portion.append(number)
        size += len(packets[number]) + 200
        if size > _AT_ONCE:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
