"""What of a kernel was reached: read with gcc's own tool, from counters that a program of two functions left."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from espproof.adapters.base import AdapterError, Crashed
from espproof.adapters.linux.adapter import LinuxAdapter
from espproof.adapters.linux.kernel import images, labels, reach

SOURCE = """
int taken(int x)
{
\tif (x > 3)
\t\treturn 1;
\treturn 0;
}
int never(void)
{
\treturn 2;
}
int main(int count, char **words)
{
\treturn count > 8 ? never() : !(taken(count) == (count > 3));
}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with a source in a folder, its notes, and a program that counts."""
    if shutil.which("gcov") is None or shutil.which("gcc") is None:
        pytest.skip("needs gcc and gcov")
    tree = tmp_path_factory.mktemp("tree")
    (tree / "net").mkdir()
    (tree / "net" / "one.c").write_text(SOURCE, encoding="utf-8")
    gcc = [shutil.which("gcc") or "", "-O2", "--coverage", "net/one.c"]
    subprocess.run([*gcc, "-c", "-o", "net/one.o"], cwd=tree, check=True)
    subprocess.run([gcc[0], "--coverage", "net/one.o", "-o", "program"], cwd=tree, check=True)
    return tree


def counters(built: Path, *words: str) -> bytes:
    """What a run of the program counts."""
    (built / "net" / "one.gcda").unlink(missing_ok=True)
    subprocess.run([built / "program", *words], check=True)
    return (built / "net" / "one.gcda").read_bytes()


class Machine:
    """Tells its counters, or dies of the question."""

    def __init__(self, told: dict[str, bytes] | None) -> None:
        self._told = told

    def ask(self, operations: list[Any], packets: list[bytes], seconds: float) -> tuple[list[Any], list[bytes]]:
        assert operations == [["reached"]]
        if self._told is None:
            raise Crashed("panic")
        return [["reached", *self._told]], list(self._told.values())


def place() -> Path:
    made = reach.place()
    assert made is not None
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(reach.VARIABLE, str(tmp_path))
    return tmp_path


def test_nobody_is_asked_unless_somebody_wants_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(reach.VARIABLE, raising=False)
    assert reach.place() is None


def test_several_machines_are_added_up(built: Path, folder: Path) -> None:
    """One has been on each side of the branch; the third has crashed, and that is told."""
    path = f"{built}/net/one.gcda"
    reach.keep(Machine({path: counters(built)}), place())
    reach.keep(Machine({path: counters(built, "2", "3", "4")}), place())
    reach.keep(Machine(None), place())
    places, untold = reach.told(folder)
    assert (len(places), untold) == (2, 1)
    its = reach.read(built, places)["net/one.c"]
    assert (its.functions_reached, its.functions_missed) == (("taken", "main"), ("never",))
    assert its.lines_missed == (8, 10)
    alone = [reach.read(built, [one])["net/one.c"].lines_missed for one in places]
    assert sorted(alone, key=len) == [(8, 10), (5, 8, 10)]


def test_an_object_without_counters_is_an_error(built: Path, folder: Path) -> None:
    """Nothing is taken for not reached that was only not counted."""
    reach.keep(Machine({"/net/two.gcda": b""}), place())
    with pytest.raises(AdapterError, match=r"no counters of net/one\.o"):
        reach.read(built, reach.told(folder)[0])


def test_counters_of_another_build_are_an_error(built: Path, folder: Path) -> None:
    counts = bytearray(counters(built))
    counts[8] ^= 1  # gcc's stamp
    reach.keep(Machine({"/net/one.gcda": bytes(counts)}), place())
    with pytest.raises(AdapterError, match=r"does not understand one\.gcda: .*mismatch"):
        reach.read(built, reach.told(folder)[0])


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("kill -9 $$", r"does not understand one\.gcda: gcov was killed by SIGKILL"),
        ("exit 3", "gcov ended with exit status 3"),
        ("echo what >&2; exit 3", "what"),
        ("sleep 60", r"has not read one\.gcda within 0\.3 s"),
        ("echo no", "says no JSON"),
    ],
)
def test_a_gcov_that_does_not_answer_is_an_error(
    built: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    """It dies without a word, with one, does not end, or says something else."""
    other = tmp_path / "gcov"
    other.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    other.chmod(0o755)
    reach.keep(Machine({"/net/one.gcda": counters(built)}), place())
    monkeypatch.setattr("espproof.adapters.linux.kernel.reach.shutil.which", lambda name: str(other))
    monkeypatch.setattr(reach, "_GCOV_SECONDS", 0.3 if "sleep" in program else 60.0)
    with pytest.raises(AdapterError, match=said):
        reach.read(built, reach.told(folder)[0])


def test_a_kernel_that_counts_nothing_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "path", lambda variant: sys.executable)
    with pytest.raises(AdapterError, match=r"linux:7\.3 does not count .* --variant gcov"):
        reach.notes("7.3")


def counting() -> str:
    """A variant of the adapter whose kernel counts; the test is skipped if there is none."""
    if images.is_built("gcov"):
        return "gcov"
    found = (label for label in labels.known() if (kernel := labels.image(label)) and _counts(kernel))
    return next(found, "") or pytest.skip(
        "no kernel of the variant gcov is built; espproof adapters build linux --source 7.3 --variant gcov"
    )


def _counts(kernel: Path) -> bool:
    try:
        return labels.about(kernel).variant == "gcov"
    except AdapterError:
        return False


@pytest.fixture
def kernel(folder: Path) -> Iterator[LinuxAdapter]:
    with LinuxAdapter(counting()) as adapter:
        yield adapter


def test_a_kernel_counts_what_its_start_and_its_algorithms_reach(kernel: LinuxAdapter, folder: Path) -> None:
    """The adapter's probes add SAs and send nothing."""
    name = kernel.name.partition(":")[2]
    kernel.close()
    places, untold = reach.told(folder)
    assert (len(places), untold) == (1, 0)
    found = reach.read(reach.notes(name), places)
    assert found.keys() >= {f"net/xfrm/xfrm_{what}.c" for what in ("policy", "state", "input", "output", "replay")}
    esp = found["net/ipv4/esp4.c"]
    assert "esp_init_state" in esp.functions_reached
    assert "esp_output" in esp.functions_missed
    assert os.listdir(folder)
