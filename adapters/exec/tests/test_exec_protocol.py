"""PROTOCOL.md says what the code does, and the Python harness does what PROTOCOL.md says."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.adapters.case import Done, Inbound, Lifetime, Octets, Outbound, Sa, UdpEncapsulation, to_plain
from espproof.adapters.exec import client, document, messages
from espproof.adapters.exec.harness import Harness
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.steps import STEPS
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile
from espproof.reference.drops import DropReason
from espproof.reference.errors import Malformed

TEXT = document.PROTOCOL.read_text(encoding="utf-8")
HARNESS = [sys.executable, "-m", "espproof.adapters.exec.harness", "reference"]
SESSION = re.findall(r"^> (.*)\n< (.*)$", TEXT, re.MULTILINE)
REFERENCE = (
    f"exec:{shlex.quote(sys.executable)} -m espproof.adapters.exec.harness"
    " espproof.adapters.models.reference:ReferenceAdapter"
)


def table(title: str) -> dict[str, list[str]]:
    """The first table of a section: name in the first column -> the other columns."""
    section = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|( `.*)\|$", section, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return {name: rest for names, *rest in cells for name in re.findall(r"`([\w-]+)`", names)}


def tag(kind: Any) -> str:
    return str(kind.__struct_config__.tag)


def test_the_generated_parts_are_current() -> None:
    """PROTOCOL.md and protocol.schema.json are what `python -m espproof.adapters.exec.document` would write."""
    assert document.protocol_text() == TEXT, "run python -m espproof.adapters.exec.document"
    assert document.schema_text() == document.SCHEMA.read_text(encoding="utf-8"), "run the same"


@pytest.mark.parametrize(("title", "kind"), [("Capabilities", Capabilities), ("The SA", Sa)])
def test_the_tables_of_fields_are_complete_and_their_defaults_right(title: str, kind: type) -> None:
    """Every capability and every field of an SA stands in its table, with the default that the code has."""
    rows = table(title)
    fields = {field.name: field for field in msgspec.inspect.type_info(kind).fields}  # type: ignore[attr-defined]
    assert list(rows) == list(fields)
    for name, field in fields.items():
        told = rows[name][1]
        if field.required:
            assert told == "required", name
        else:
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            if name == "sequence":
                assert told == f'`"{default:016x}"`'
            elif name == "lifetime":
                assert (told, default) == ("`{}`", Lifetime())
            else:
                assert json.loads(told.strip("`")) == json.loads(msgspec.json.encode(to_plain(default))), name


def test_defaults_inside_fields_are_those_of_the_code() -> None:
    """The defaults of a replay window's and a UDP encapsulation's members are the ones that the page gives."""
    shown = json.loads(table("Capabilities")["replay_windows"][1].strip("`"))
    assert ReplayWindows(**shown) == ReplayWindows()
    assert UdpEncapsulation() == UdpEncapsulation(source_port=4500, destination_port=4500)


def test_the_table_of_drop_reasons_is_that_of_the_code() -> None:
    """The closed set of drop reasons is given in full, each with what it means."""
    assert sorted(table("Drop reasons")) == sorted(reason.value for reason in DropReason)


def test_the_table_of_operations_is_that_of_the_code() -> None:
    """Operations and the results that go with them are the same on the page and in the client."""
    rows = {name: set(re.findall(r"`(\w+)`", results[0])) for name, results in table("Operations").items()}
    for kind, outcomes in messages.RESULTS.items():
        expected = {tag(outcome) for outcome in (*outcomes, *(STEPS[kind].each if kind in STEPS else ()))} - {
            "unsupported"
        }
        assert rows[tag(kind)] == expected, kind


def test_the_session_on_the_page_is_what_the_harness_answers() -> None:
    """A program that reads the session's requests line by line gives its answers, but for the one to `hello`."""
    assert len(SESSION) > 10
    with subprocess.Popen(
        HARNESS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", bufsize=1
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for request, answer in SESSION:
            program.stdin.write(request + "\n")
            got = json.loads(program.stdout.readline())
            if got["result"] == "hello":
                assert messages.hello_of(messages.read_answer(answer.encode(), 1)).name == "my-esp"
            else:
                assert got == json.loads(answer)
        program.stdin.close()
        assert program.wait() == 0


def test_every_example_on_the_page_is_valid() -> None:
    """The lines of the session and of all examples without an ellipsis are of the schema; a wrong one is not."""
    validator = jsonschema.Draft202012Validator(json.loads(document.SCHEMA.read_text(encoding="utf-8")))
    examples = [line for line in re.findall(r"^(\{.*\})$", TEXT, re.MULTILINE) if "…" not in line]
    lines = examples + [line for exchange in SESSION for line in exchange]
    assert len(examples) > 15
    for line in lines:
        if "no_such_operation" not in line and '"packets":["45' not in line:
            validator.validate(json.loads(line))
    for wrong in ('{"id":1}', '{"op":"reset"}', '{"id":2,"result":"sent"}', '{"id":2,"result":"sent","packet":"4A"}'):
        assert not validator.is_valid(json.loads(wrong)), wrong


def test_an_implementation_is_not_told_what_is_expected() -> None:
    """Requirement, note and expected outcome of a step stay with the suite."""
    step = Inbound(packet=Octets(b"E"), requirement="RFC4303-2.1-spi", note="n", behaviour="b", expect=Done())
    assert messages.request(7, step) == b'{"id":7,"op":"inbound","packet":"45"}\n'
    assert messages.batch(8, [messages.Reset(), step]) == (
        b'{"id":8,"op":"batch","steps":[{"op":"reset"},{"op":"inbound","packet":"45"}]}\n'
    )


def test_a_fixed_iv_travels_as_hexadecimal_text() -> None:
    """An explicit IV is octets like all others, and the empty one is there."""
    step = Outbound(sa="a", packet=Octets(b"E"), iv=Octets(b"\x0a\xff"))
    assert json.loads(messages.request(1, step))["iv"] == "0aff"
    assert json.loads(messages.request(1, Outbound(sa="a", packet=Octets(b"E"), iv=Octets(b""))))["iv"] == ""


GOOD = {"encryption": {"ENCR_NULL": [0]}, "integrity": ["AUTH_HMAC_SHA2_256_128"]}
BAD_HELLOS = [
    ({"protocol": 1}, "missing required field `capabilities`"),
    ({"protocol": 2, "capabilities": GOOD}, "the program chose protocol 2; offered was 1"),
    ({"protocol": "1", "capabilities": GOOD}, r"Expected `int`, got `str` - at `\$.protocol`"),
    ({"result": "refused", "reason": "too new"}, "does not speak protocol 1: too new"),
    ({"protocol": 1, "capabilities": {}}, "missing required field `encryption`"),
    ({"protocol": 1, "capabilities": {**GOOD, "tunnel": True}}, "unknown field `tunnel`"),
    ({"protocol": 1, "capabilities": {**GOOD, "modes": ["beet"]}}, r"Invalid enum value 'beet' - at .*modes"),
    ({"protocol": 1, "capabilities": {**GOOD, "esn": True}}, r"Expected `array`, got `bool` - at .*esn"),
    ({"protocol": 1, "capabilities": {**GOOD, "families": []}}, "families must not be empty"),
    ({"protocol": 1, "capabilities": {**GOOD, "encryption": {}}}, "encryption must not be empty"),
    ({"protocol": 1, "capabilities": {"encryption": {"AES": [16]}}}, "there is no AES; there are ENCR_AES_GCM_16, "),
    ({"protocol": 1, "capabilities": {"encryption": {"ENCR_AES_CBC": [20]}}}, r"keys of 16, 24, 32 octets, not \[20\]"),
    ({"protocol": 1, "capabilities": {**GOOD, "integrity": ["SHA1"]}}, "there is no SHA1; there are NONE, "),
    ({"protocol": 1, "capabilities": {"encryption": {"ENCR_NULL": [0]}}}, "needs an algorithm other than NONE"),
    ({"protocol": 1, "capabilities": {**GOOD, "encryption": {"ENCR_AES_GCM_16": [16]}}}, "needs NONE beside it"),
    ({"protocol": 1, "capabilities": {**GOOD, "modes": ["transport"], "families": ["6in4"]}}, "needs 4in4 or 6in6"),
    ({"protocol": 1, "capabilities": {**GOOD, "replay_windows": {"minimum": 99}}}, "minimum 99 is above maximum 64"),
    ({"protocol": 1, "capabilities": {**GOOD, "max_packet": 576}}, "Expected `int` >= 1500"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "message"), BAD_HELLOS, ids=[message[:30] for _, message in BAD_HELLOS])
def test_a_wrong_answer_to_hello_is_told_field_by_field(answer: dict[str, Any], message: str) -> None:
    """What is wrong with a program's introduction is said with the name of the field."""
    with pytest.raises(Malformed, match=message):
        messages.hello_of({"result": "hello", **answer})


def test_the_harness_ignores_members_that_it_does_not_know() -> None:
    """A request of a later suite is carried out; what is new in it is ignored."""
    harness = Harness(ReferenceAdapter())
    add = json.loads(next(request for request, _ in SESSION if '"add_sa"' in request))
    add["sa"]["colour"], add["urgent"] = "green", True
    assert json.loads(harness.answer(json.dumps(add).encode())) == {"id": add["id"], "result": "done"}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{\n",
        b"[]\n",
        b'{"id":1,"op":"inbound"}\n',
        b'{"id":1,"op":"inbound","packet":"4"}\n',
        b'{"op":"reset"}\n',
    ],
)
def test_the_harness_answers_error_to_what_it_cannot_read(line: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """A request that is none is answered with `error`, and the harness goes on."""
    answer = json.loads(Harness(ReferenceAdapter()).answer(line))
    assert answer["result"] == "error"
    assert "Traceback" in capsys.readouterr().err


def test_the_harness_refuses_a_protocol_that_it_does_not_speak() -> None:
    """Without a common version the answer to `hello` is a refusal."""
    answer = json.loads(Harness(ReferenceAdapter()).answer(b'{"id":1,"op":"hello","protocols":[7]}\n'))
    assert answer["result"] == "refused"


def test_what_an_adapter_prints_does_not_disturb_the_protocol(tmp_path: Path) -> None:
    """Standard output of the adapter's own code becomes standard error."""
    (tmp_path / "talkative.py").write_text(
        "import os\n"
        "from espproof.adapters.models.reference import ReferenceAdapter\n"
        "print('imported')\n"
        "class Talkative(ReferenceAdapter):\n"
        "    def reset(self):\n"
        "        print('reset'); os.system('echo from a child')\n"
        "        super().reset()\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [*HARNESS[:-1], "talkative:Talkative"],
        cwd=tmp_path,
        input='{"id":1,"op":"reset"}\n',
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == '{"id":1,"result":"done"}\n'
    assert "from a child" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["no-such-adapter"], ["a", "b"]])
def test_the_harness_says_how_it_is_used(arguments: list[str]) -> None:
    """Without an adapter's name, or with a wrong one, the harness ends with status 2 and a line of help."""
    done = subprocess.run([*HARNESS[:-1], *arguments], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "usage" in done.stderr or "no adapter" in done.stderr


def test_the_reference_behind_the_protocol_gives_the_same_run() -> None:
    """Cases, verdicts and digest are those of the reference in process."""
    only = "crypto,sequence,lifetime,udp"
    near = suite.run("reference", profile=Profile.QUICK, seed=3, only=only)
    far = suite.run(REFERENCE, profile=Profile.QUICK, seed=3, only=only)
    assert far.whole
    assert (far.digest, far.cases) == (near.digest, near.cases)
    assert far.requirements == near.requirements
    assert set(far.requirements.values()) == {Verdict.PASS}


def test_cases_do_not_depend_on_the_modules_that_an_adapter_brings_along(tmp_path: Path) -> None:
    """The numbers that stand in the user's source do not become part of the cases: the same seed, the same digest."""
    numbers = list(range(1_000_000, 9_000_000, 100_001))
    (tmp_path / "mine.py").write_text(
        f"NUMBERS = {numbers}\nfrom espproof.adapters.models.reference import ReferenceAdapter\n", encoding="utf-8"
    )
    code = (
        "import sys; from espproof.conformance.running import check, suite\n"
        "run = suite.run(sys.argv[1], profile=check.Profile.QUICK, seed=1, only='crypto')\n"
        "print(run.digest)\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, name], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
        ).stdout
        for name in ("reference", "mine:ReferenceAdapter")
    }
    assert len(digests) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("how", "verdict"), [("crash", Verdict.CRASH), ("hang", Verdict.HANG)])
def test_a_program_that_breaks_at_one_operation_does_not_end_the_run(
    how: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is whole; the checks that need the operation have the verdict, and the others theirs."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 30 if how == "crash" else 0.5)
    program = Path(__file__).with_name("crashing_program.py")
    operation = "OutboundBurst" if how == "crash" else "AdvanceTime"
    only = "sequence.*" if how == "crash" else "lifetime.seconds,lifetime.soft-packets"
    result = suite.run(
        f"exec:{shlex.quote(sys.executable)} {shlex.quote(str(program))} {how} {operation}",
        profile=Profile.QUICK,
        seed=1,
        only=only,
    )
    assert result.whole
    broken = {check.check for check in result.checks if check.verdict is verdict}
    bursts = {"sequence.burst", "sequence.burst-across-the-end", "sequence.unsent-take-no-number"}
    assert broken == (bursts if how == "crash" else {"lifetime.seconds"})
    assert {check.verdict for check in result.checks if check.check not in broken} == {Verdict.PASS}
    assert result.requirements[f"espproof-{verdict.value}"] is verdict
    for check in result.checks:
        for found in check.counterexamples:
            assert found.got is None
            assert "SIGSEGV" in found.message if how == "crash" else "no answer within 0.5 s" in found.message


def test_a_harness_whose_adapter_reports_a_crash_ends(tmp_path: Path) -> None:
    """A crash that an adapter in Python reports is a crash at the other end too."""
    (tmp_path / "reports.py").write_text(
        "from espproof.adapters.base import Crashed\n"
        "from espproof.adapters.models.reference import ReferenceAdapter\n"
        "class Reports(ReferenceAdapter):\n"
        "    def advance_time(self, seconds):\n"
        "        raise Crashed('kernel panic')\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [*HARNESS[:-1], "reports:Reports"],
        cwd=tmp_path,
        input='{"id":1,"op":"advance_time","seconds":1}\n',
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout) == (70, "")
    assert "Crashed: kernel panic" in done.stderr
