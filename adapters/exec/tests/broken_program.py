"""A small program that speaks the protocol, and breaks it once, in the way that its first argument names.

    broken_program.py FAULT FOLDER [OP]

The fault happens at the first request of that operation (`inbound`, unless named), alone or in a batch. In FOLDER it
notes that it has happened, so that the next process behaves, and the process ids of all that it has started.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Request = dict[str, Any]
FAULT, FOLDER = sys.argv[1], Path(sys.argv[2])
OPERATION = sys.argv[3] if len(sys.argv) > 3 else "inbound"
BATCH = not FAULT.startswith("single-")
DONE = FOLDER / "done"


def note_pid(pid: int) -> None:
    with (FOLDER / "pids").open("a", encoding="utf-8") as file:
        file.write(f"{pid}\n")


def write(text: str | bytes) -> None:
    sys.stdout.buffer.write(text.encode() if isinstance(text, str) else text)
    sys.stdout.buffer.flush()


def answer(request: Request) -> Request:
    op = request["op"]
    if op == "hello":
        caps = {"encryption": {"ENCR_NULL": [0]}, "integrity": ["AUTH_HMAC_SHA2_256_128"]}
        return {"result": "hello", "protocol": 1, "name": "broken", "batch": BATCH, "capabilities": caps}
    if op == "batch":
        return {"result": "batch", "results": [answer(step) for step in request["steps"]]}
    if op in ("reset", "add_sa", "delete_sa", "advance_time"):
        return {"result": "done"}
    if op == "inbound":
        return {"result": "dropped"}
    return {"result": "unsupported", "what": op}


def operations(request: Request) -> list[str]:
    return [request["op"], *[step["op"] for step in request.get("steps", [])]]


def line(request: Request, **changes: object) -> str:
    return json.dumps({"id": request["id"], **answer(request), **changes}) + "\n"


def grandchild(*, session: bool) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    note_pid(subprocess.Popen(sleeper, start_new_session=session).pid)


def hang(request: Request) -> None:
    time.sleep(600)


def deaf(request: Request) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    hang(request)


def flood(request: Request) -> None:
    os.write(2, b"noise and noise again\n" * 200_000)
    write(line(request))


def flood_for_ever(request: Request) -> None:
    while True:
        os.write(2, b"noise and noise again\n" * 2000)


def big(request: Request) -> None:
    piece = b"0" * (1 << 20)
    write(b'{"id":1,"result":"delivered","packet":"')
    for _ in range(100):
        write(piece)
    write(b'"}\n')


def close_output(request: Request) -> None:
    os.close(1)
    hang(request)


def close_input(request: Request) -> None:
    os.close(0)
    write(line(request))
    hang(request)


def half_line(request: Request) -> None:
    write(line(request)[:30])
    hang(request)


def half_line_and_exit(request: Request) -> None:
    write(line(request)[:30])
    os._exit(0)


def with_grandchild(request: Request) -> None:
    grandchild(session=False)
    os._exit(3)


def with_stray_grandchild(request: Request) -> None:
    grandchild(session=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def last_words(request: Request) -> None:
    os.write(2, b"assertion \x1b[31mwindow > 0\x1b[0m failed at esp.c:42\n")
    os.abort()


FAULTS: dict[str, Callable[[Request], object]] = {
    "exit": lambda request: os._exit(7),
    "exit-cleanly": lambda request: os._exit(0),
    "segfault": lambda request: os.kill(os.getpid(), signal.SIGSEGV),
    "abort": last_words,
    "hang": hang,
    "stop": lambda request: os.kill(os.getpid(), signal.SIGSTOP),
    "deaf": deaf,
    "flood-then-answer": flood,
    "flood-for-ever": flood_for_ever,
    "banner": lambda request: write("Welcome to my ESP!\n"),
    "debug-line": lambda request: write("DEBUG: got a packet\n" + line(request)),
    "half-line": half_line,
    "half-line-and-exit": half_line_and_exit,
    "big-answer": big,
    "not-utf-8": lambda request: write(b'{"id":%d,"result":"refused","reason":"\xff\xfe"}\n' % request["id"]),
    "nul-octets": lambda request: write(b"\0" * 50 + b"\n"),
    "empty-line": lambda request: write("\n"),
    "deep-nesting": lambda request: write("[" * 1_000_000 + "\n"),
    "deep-member": lambda request: write(f'{{"id":{request["id"]},"result":' + "[" * 300_000 + "\n"),
    "huge-number": lambda request: write(f'{{"id":{request["id"]},"result":' + "9" * 100_000 + "}\n"),
    "huge-id": lambda request: write('{"id":1e400,"result":"done"}\n'),
    "not-an-object": lambda request: write("[1,2,3]\n"),
    "no-result": lambda request: write(f'{{"id":{request["id"]}}}\n'),
    "no-id": lambda request: write(json.dumps(answer(request)) + "\n"),
    "wrong-id": lambda request: write(line(request, id=request["id"] + 1)),
    "text-id": lambda request: write(line(request, id=str(request["id"]))),
    "wrong-result": lambda request: write(line(request, result="unheard-of")),
    "result-is-a-list": lambda request: write(line(request, result=["batch"])),
    "unknown-member": lambda request: write(line(request, extra=1)),
    "twice": lambda request: write(line(request) * 2),
    "error": lambda request: write(line(request, result="error", results=None)),
    "close-output": close_output,
    "close-input": close_input,
    "grandchild": with_grandchild,
    "stray-grandchild": with_stray_grandchild,
    # answers of a batch
    "too-few-results": lambda request: write(line(request, results=[])),
    "wrong-kind": lambda request: write(line(request, results=[{"result": "dropped"}] * len(request["steps"]))),
    # answers of one operation, without batches
    "single-exit": lambda request: os._exit(7),
    "single-hang": hang,
    "single-wrong-kind": lambda request: write(line(request, result="done")),
    "single-ill-typed": lambda request: write(line(request, reason=5)),
    "single-upper-case": lambda request: write(line(request, result="delivered", packet="4A")),
    "single-odd-digits": lambda request: write(line(request, result="delivered", packet="4a0")),
}


def main() -> None:
    note_pid(os.getpid())
    for text in sys.stdin:
        request = json.loads(text)
        if OPERATION in operations(request) and FAULT in FAULTS and not DONE.exists():
            DONE.touch()
            FAULTS[FAULT](request)
        else:
            write(line(request))


if __name__ == "__main__":
    main()
