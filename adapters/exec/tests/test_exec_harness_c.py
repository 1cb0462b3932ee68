"""The C harness and its example, built with every warning and sanitizer."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from espproof.adapters.case import Burst, Case, Octets, OutboundBurst, Sa, Sent, from_plain
from espproof.adapters.exec import document, messages
from espproof.adapters.exec.client import ExecAdapter
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile

FOLDER = document.FOLDER / "harness_c"
SESSION = re.findall(r"^> (.*)\n< (.*)$", document.PROTOCOL.read_text(encoding="utf-8"), re.MULTILINE)
SANITIZERS = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"


def missing() -> str:
    """What this machine lacks to build the example, "" for nothing."""
    compiler = shutil.which("gcc")
    if compiler is None or shutil.which("make") is None:
        return "no gcc, or no make"
    for header, library in (("cjson/cJSON.h", "cjson"), ("openssl/evp.h", "crypto")):
        source = f"#include <{header}>\nint main(void) {{ return 0; }}\n"
        command = [compiler, "-x", "c", "-", "-o", "/dev/null", f"-l{library}"]
        if subprocess.run(command, input=source, encoding="utf-8", capture_output=True, check=False).returncode:
            return f"no {header} or lib{library} (Debian: libcjson-dev, libssl-dev)"
    return ""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reason = missing()
    if reason:
        pytest.skip(reason)
    folder = shutil.copytree(FOLDER, tmp_path_factory.mktemp("example") / "harness_c")
    done = subprocess.run(
        ["make", "--always-make", "-C", folder, "CC=gcc", f"CFLAGS={SANITIZERS}"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "example_null"


def said(example: Path, *lines: str) -> list[dict[str, Any]]:
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run([example], input=text, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("answer", ["refused", "unsupported"])
def test_a_burst_that_is_not_carried_has_one_outcome(answer: str, tmp_path: Path) -> None:
    """As a list of outcomes it would be nonsense: packets are sent or dropped."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    source = tmp_path / "never.c"
    source.write_text(
        f"""#include "espproof_harness.h"
        static void reset(void *context) {{ (void)context; }}
        static enum espproof_result outbound(void *context, const struct espproof_outbound *request,
                                             struct espproof_answer *answer)
        {{
            (void)context, (void)request;
            answer->reason = "never";
            return ESPPROOF_{answer.upper()};
        }}
        int main(void)
        {{
            const struct espproof_implementation never = {{
                .name = "never", .version = "1", .capabilities = "{{}}", .reset = reset, .outbound = outbound,
            }};
            return espproof_serve(&never, stdin, stdout);
        }}""",
        encoding="utf-8",
    )
    program = tmp_path / "never"
    files = [source, FOLDER / "espproof_harness.c"]
    subprocess.run(["gcc", *SANITIZERS.split(), f"-I{FOLDER}", *files, "-lcjson", "-o", program], check=True)
    (told,) = said(program, '{"id":1,"op":"outbound_burst","sa":"out","packets":["45","46"]}')
    assert told == {"id": 1, "result": answer, "what" if answer == "unsupported" else "reason": "never"}


def test_the_example_passes_the_suite_under_sanitizers(example: Path) -> None:
    """No finding, no crash, no memory error, no leak in the quick profile."""
    result = suite.run(f"exec:{shlex.quote(str(example))}", profile=Profile.QUICK, seed=1)
    assert result.whole
    assert result.adapter_version == "example-null 1"
    assert set(result.requirements.values()) == {Verdict.PASS, Verdict.INAPPLICABLE, Verdict.LACKS}
    tried = {check.check.partition(".")[0] for check in result.checks if check.verdict is Verdict.PASS}
    assert {"padding", "anti-replay", "sequence", "robustness", "sad", "modes", "fragments", "tfc"} <= tried


def test_the_session_on_the_page_goes_the_same_way(example: Path) -> None:
    """The example answers the session of PROTOCOL.md like the reference, but for reasons and what it does not count."""
    answers = said(example, *[request for request, _ in SESSION])
    assert messages.hello_of({name: value for name, value in answers[0].items() if name != "id"}).batch
    for (_, told), got in zip(SESSION[1:], answers[1:], strict=True):
        assert _essence(got) == _essence(json.loads(told))


def _essence(answer: dict[str, Any]) -> Any:
    if "results" in answer:
        return [_essence(one) for one in answer["results"]]
    return {name: answer.get(name) for name in ("id", "result", "packet", "sequence", "to")}


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("", "error"),
        ("{", "error"),
        ("[1]", "error"),
        ('{"id":1}', "unsupported"),
        ('{"id":1,"op":5}', "unsupported"),
        ('{"id":1,"op":"hello","protocols":[2]}', "refused"),
        ('{"id":1,"op":"inbound"}', "error"),
        ('{"id":1,"op":"inbound","packet":"4"}', "error"),
        ('{"id":1,"op":"inbound","packet":"4A"}', "error"),
        ('{"id":1,"op":"inbound","packet":""}', "dropped"),
        ('{"id":1,"op":"inbound_burst","packets":["",7]}', "error"),
        ('{"id":1,"op":"inbound_burst","packets":{}}', "error"),
        ('{"id":1,"op":"outbound","sa":"nobody","packet":"45"}', "dropped"),
        ('{"id":1,"op":"outbound_burst","sa":"nobody","packets":["45"]}', "burst"),
        ('{"id":1,"op":"add_sa"}', "error"),
        ('{"id":1,"op":"add_sa","sa":{"name":"a"}}', "error"),
        ('{"id":1,"op":"advance_time","seconds":1}', "unsupported"),
        ('{"id":1,"op":"batch","steps":[{"op":"reset"},{"op":"batch","steps":[]},7]}', "batch"),
    ],
)
def test_requests_that_are_wrong_are_answered_and_harm_nothing(example: Path, line: str, result: str) -> None:
    """Whatever comes in as a line, one answer goes out, under the sanitizers, and the next request works."""
    first, second = said(example, line, '{"id":2,"op":"reset"}')
    assert first["result"] == result
    assert second == {"id": 2, "result": "done"}


def test_members_that_are_not_known_are_ignored(example: Path) -> None:
    """A request of a later suite is carried out."""
    add = json.loads(next(request for request, _ in SESSION if '"add_sa"' in request))
    add["sa"]["colour"], add["urgent"] = {"deep": [1]}, True
    assert said(example, json.dumps(add)) == [{"id": add["id"], "result": "done"}]


def test_a_burst_of_the_largest_packets_passes(example: Path) -> None:
    """Lines of several megabytes go both ways."""
    sa = from_plain(json.loads(next(request for request, _ in SESSION if '"out"' in request))["sa"], Sa)
    size = 65535 - 200
    header = bytes.fromhex("4500") + size.to_bytes(2, "big") + bytes.fromhex("000000004000b860cb007107cb007182")
    burst = OutboundBurst(sa="out", packets=(Octets(header + bytes(size - 20)),) * 30)
    with ExecAdapter(shlex.quote(str(example))) as adapter:
        (result,) = adapter.execute(Case(version=1, sas=(sa,), steps=(burst,))).steps
    assert isinstance(result, Burst)
    assert all(isinstance(one, Sent) and len(one.packet) > size for one in result.results)
