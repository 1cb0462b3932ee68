"""The other end of PROTOCOL.md for implementations in Python: serves any `Adapter` on standard input and output.

    espproof run "exec:/other/python -m espproof.adapters.exec.harness my_module:MyAdapter"

Whatever the adapter prints goes to standard error, so that it cannot disturb the protocol. An adapter that reports a crash
or a hang makes the harness end, which is how a program crashes; any other exception is answered with `error`.
"""

import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import msgspec

from espproof.adapters.base import Adapter, AdapterFailure
from espproof.adapters.case import (
    AddSa,
    Done,
    Host,
    Outcome,
    Refused,
    ReserveSpi,
    Sa,
    Unsupported,
    UpdateSa,
    from_plain,
    to_json,
)
from espproof.adapters.exec import messages
from espproof.adapters.registry import open_adapter
from espproof.adapters.steps import STEPS, operation
from espproof.reference.errors import Misuse

USAGE, FAILED = 2, 70
"""Exit statuses: wrong arguments; the adapter reports that its implementation crashed or hangs."""
_STEPS: Mapping[str, Any] = {operation(kind): kind for kind in STEPS}
_WITH_SA = (AddSa, UpdateSa, ReserveSpi)


class Harness:
    """Answers requests, one line each, with what an adapter does."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def answer(self, line: bytes) -> bytes:
        """The line that answers a line. Raises nothing but `AdapterFailure`, when the adapter does."""
        number: Any = None
        try:
            request = msgspec.json.decode(line)
            number = request.pop("id")
            result = self._result(request)
        except AdapterFailure:
            raise
        except Exception as error:
            traceback.print_exc()
            result = to_json(messages.Error(message=f"{type(error).__name__}: {error}"))
        return b'{"id":%s,%s\n' % (msgspec.json.encode(number), result[1:])

    def _result(self, request: dict[str, Any]) -> bytes:
        match request.get("op"):
            case "hello":
                return to_json(self._greet(request))
            case "batch":
                results = [to_json(self._take(step)) for step in request["steps"]]
                return b'{"result":"batch","results":[%s]}' % b",".join(results)
        return to_json(self._take(request))

    def _greet(self, request: dict[str, Any]) -> messages.HelloAnswer | Refused:
        if messages.PROTOCOL not in request["protocols"]:
            return Refused(reason=f"this harness speaks protocol {messages.PROTOCOL}")
        adapter = self._adapter
        return messages.HelloAnswer(
            protocol=messages.PROTOCOL,
            capabilities=adapter.capabilities(),
            name=adapter.name,
            version=adapter.version,
            batch=True,
        )

    def _take(self, request: dict[str, Any]) -> Outcome:
        name = request.get("op")
        if name == "reset":
            self._adapter.reset()
            host = request.get("host")
            return Done() if host is None else self._adapter.configure(from_plain(host, Host))
        kind = _STEPS.get(str(name))
        if kind is None:
            return Unsupported(what=str(name))
        step = _known(kind, request)
        if kind in _WITH_SA:
            step["sa"] = _known(Sa, step["sa"])
        try:
            return self._adapter.take(from_plain(step, kind))
        except Misuse as error:
            if kind in _WITH_SA and "Invalid enum value" in str(error):
                return Unsupported(what=str(error))  # a mode or the like of a later version
            raise


def _known(kind: Any, members: dict[str, Any]) -> dict[str, Any]:
    """The members that this version knows: those of a later one are to be ignored."""
    return {name: value for name, value in members.items() if name in kind.__struct_fields__ or name == "op"}


def serve(harness: Harness, requests: Iterable[bytes], answers: BinaryIO) -> None:
    """Answer line by line until end of file."""
    for line in requests:
        answers.write(harness.answer(line))
        answers.flush()


def main(arguments: list[str]) -> int:
    """Serve the adapter of that name (any that `espproof run` takes). Returns the exit status."""
    if len(arguments) != 1:
        print("usage: python -m espproof.adapters.exec.harness MODULE:CLASS", file=sys.stderr)
        return USAGE
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            with open_adapter(arguments[0]) as adapter:
                serve(Harness(adapter), sys.stdin.buffer, answers)
        except AdapterFailure as failure:
            print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
            return FAILED
        except Misuse as error:
            print(error, file=sys.stderr)
            return USAGE
        except BrokenPipeError:  # nobody listens any more
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
