"""Drivers that are programs: the example, its wrong twins, and such as do not do what they should."""

import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import pytest

from espproof.adapters.base import AdapterError, Crashed, Hung
from espproof.adapters.case import Case
from espproof.adapters.driver import port
from espproof.adapters.driver.adapter import DriverAdapter
from espproof.adapters.driver.twins import DRIVER, TWINS, Twin, written
from espproof.adapters.registry import open_adapter
from espproof.conformance.checks.registry import Check, all_checks
from espproof.conformance.running.check import target
from espproof.conformance.running.proof import broken, drawn
from espproof.reference.errors import Misuse

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
FOLDER = Path(__file__).parents[1] / "c"
FLAGS = "-std=c11", "-O1", f"-I{FOLDER}"
LONG = "offload.as-many-as-it-holds"
"""Its case has thousands of SAs."""
EXAMPLES = {LONG: 1, "offload.what-it-cannot-take": 60}
"""Others have 24."""
PRELUDE = f"""#!{sys.executable} -S
import os, socket, struct, sys, time
card = socket.socket(fileno=0)
def say(kind, value=0, at=0, octets=b""): card.send(struct.pack("<BBHIQ", kind, 0, 0, value, at) + octets)
def ready(): say(32, 1 | 4 | 16, 9000, struct.pack("<HH", 9, 9))
"""


def compiled(source: Path, program: Path, *flags: str) -> Path:
    subprocess.run(["cc", *FLAGS, *flags, str(source), "-o", str(program)], check=True)
    return program


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example; the compiler has nothing to say of it."""
    program = tmp_path_factory.mktemp("driver") / "driver"
    return compiled(FOLDER / DRIVER, program, "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="module")
def cases(driver: Path) -> list[tuple[Check, Case]]:
    """What checks of devices draw for such a driver: the first case of each, then the second, and so on; long ones
    last."""
    adapter = DriverAdapter(str(driver))
    checks = [check for check in all_checks().values() if check.family == "offload"]
    found = [
        [(check, case) for case in drawn(check, target(adapter), examples=EXAMPLES.get(check.id, 24), seed=1)]
        for check in checks
    ]
    adapter.close()
    mixed = [one for turn in zip_longest(*found) for one in turn if one is not None]
    return sorted(mixed, key=lambda one: one[0].id == LONG)


def test_the_example_is_right(driver: Path, cases: list[tuple[Check, Case]]) -> None:
    adapter = DriverAdapter(str(driver))
    assert len(cases) > 150
    assert {broken(case, adapter) for _, case in cases} == {frozenset()}
    adapter.close()


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_a_wrong_twin_is_found(twin: Twin, cases: list[tuple[Check, Case]], tmp_path: Path) -> None:
    """On every requirement that its mistake breaks, by the checks that verify it."""
    source = tmp_path / "twin.c"
    source.write_text(twin.source, encoding="utf-8")
    adapter = DriverAdapter(str(compiled(source, tmp_path / "twin")))
    wanted = set(twin.breaks)
    for check, case in cases:
        if wanted.intersection(check.verifies):
            wanted -= broken(case, adapter)
        if not wanted:
            break
    adapter.close()
    assert not wanted


def test_the_twins_are_written_beside_it(tmp_path: Path) -> None:
    paths = written(tmp_path / "new")
    assert {path.name for path in paths} >= {DRIVER, "espproof_card.h", "SOCKET.md", f"{TWINS[0].name}.c"}
    assert len(paths) == 3 + len(TWINS) == 3 + len({twin.name for twin in TWINS})


def program(folder: Path, text: str) -> str:
    """A driver in Python."""
    path = folder / "driver"
    path.write_text(PRELUDE + text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_it_is_opened_by_its_path(driver: Path) -> None:
    adapter = open_adapter(f"niantic:{driver}")
    device = adapter.capabilities().device
    assert device is not None
    assert device.encryption == {"ENCR_AES_GCM_16": (16,), "ENCR_NULL_AUTH_AES_GMAC": (16,)}
    assert (device.inbound, device.outbound) == (("transport", "tunnel"), ("transport",))
    assert device.most == {"in": 1024, "out": 1024}
    adapter.close()
    with pytest.raises(Misuse):
        DriverAdapter("'")
    with pytest.raises(AdapterError, match="cannot start"):
        DriverAdapter("/nowhere/driver")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "exit status 0"),
        ("sys.exit('no card here')", "exit status 1; standard error ends: no card here"),
        ("say(33)", "did not say READY, but 33"),
        ("say(99)", "said 99, which is nothing"),
        ("card.send(b'hello')", "no message"),
        ("say(32, 1, 9000, struct.pack('<HH', 0, 0)); time.sleep(9)", "no room for SAs"),
        ("say(32, 1, 100, struct.pack('<HH', 9, 9)); time.sleep(9)", "at most, not of 1500"),
        ("say(4, 0, 0); time.sleep(9)", "without a file"),
    ],
)
def test_a_driver_that_does_not_bring_up_the_card(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=words):
        DriverAdapter(program(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "failure", "words"),
    [
        ("ready(); card.recv(99999); sys.exit(3)", Crashed, "exit status 3"),
        ("ready(); card.recv(99999); card.close(); time.sleep(9)", Crashed, "closed its socket, but still runs"),
        ("ready(); card.recv(99999); time.sleep(9)", Hung, "no answer within 0.5 s"),
        (
            "ready(); card.recv(99999); [sys.stderr.write('x' * 999) for _ in range(9999)]; time.sleep(9)",
            Hung,
            "ends: x",
        ),
        ("ready(); card.recv(99999); os.close(2); time.sleep(0.1); say(5, 1); time.sleep(9)", Hung, "no answer"),
        ("ready(); card.recv(99999)\nwhile True: say(5, 1)", Hung, "no answer|not come to an end"),
        (
            "ready(); card.recv(99999)\nwhile True: card.send(struct.pack('<BBHIQ', 1, 0, 4, 0, 8))",
            Hung,
            "does not read|not come to an end",
        ),
        ("ready(); card.recv(99999); say(77)", AdapterError, "said 77"),
        ("ready(); card.recv(99999); say(35); say(33); time.sleep(9)", AdapterError, "before it is asked"),
        ("ready(); card.recv(99999); say(33, 0xffffffff); time.sleep(9)", AdapterError, "the handle 0xffffffff"),
        ("ready()\nwhile m := card.recv(99999): say(34 if m[0] == 20 else 33)", AdapterError, "answers 34 to 20"),
        ("ready()\nwhile m := card.recv(99999): m[0] == 20 and say(35, 0, 9); say(33)", AdapterError, "the verdict 9"),
    ],
)
def test_a_driver_that_fails(
    text: str,
    failure: type[Exception],
    words: str,
    tmp_path: Path,
    cases: list[tuple[Check, Case]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What becomes of it is told, and the next case has a new process."""
    adapter = DriverAdapter(program(tmp_path, text))
    monkeypatch.setattr(port, "SECONDS", 0.5)
    received = next(case for check, case in cases if check.id == "offload.forged-between")
    for _ in range(2):
        with pytest.raises(failure, match=words):
            adapter.execute(received)
    adapter.close()


def test_a_name_without_a_path_is_no_program() -> None:
    with pytest.raises(Misuse, match=r"a program of yours has a path: niantic:\./driver"):
        open_adapter("niantic:driver")
