"""Cases of an earlier run: they are the same, they are executed again, and nothing that was observed is believed."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from espproof.adapters.base import Adapter, AdapterError, Crashed, Hung
from espproof.adapters.case import Delivered, Dropped, Octets, Passed, Unsupported
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import Check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.results.check import CheckResult
from espproof.conformance.running import recall
from espproof.conformance.running.check import run_check, target
from espproof.conformance.running.recall import Recall

ACCEPTED = "RFC4303-3.4.4-accepted"
CAPS = ReferenceAdapter().capabilities()


class Does(ReferenceAdapter):
    """An implementation whose inbound side can be changed, and which counts what it is asked."""

    def __init__(self, more_than: int = 1 << 16, failure: Exception | None = None) -> None:
        self.more_than, self.failure, self.asked = more_than, failure, 0
        super().__init__()

    def inbound(self, packet: Octets) -> Delivered | Dropped | Passed | Unsupported:
        self.asked += 1
        if len(packet) > self.more_than and self.failure is not None:
            raise self.failure
        return Dropped() if len(packet) > self.more_than else super().inbound(packet)


def receives(s: Scenario) -> None:
    """One packet."""
    receiver = s.inbound_sa()
    s.receive(receiver, 1, ACCEPTED, packet=s.packet(receiver))


CHECK = Check("format.made-up", "format", (ACCEPTED,), (), "0.1.0", 1.0, False, receives)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPPROOF_CACHE", str(tmp_path / "cache"))


def run(adapter: Adapter, kept: Recall | None = None, seed: int = 1) -> CheckResult:
    kept = kept or Recall("made up", CAPS)
    return run_check(CHECK, adapter, target(adapter), examples=30, seed=seed, recall=kept)


def said(result: CheckResult) -> CheckResult:
    """What a result says, without what it cost."""
    return msgspec.structs.replace(result, seconds=0.0, spent={}, recalled=0)


@pytest.mark.parametrize(
    "make",
    [Does, lambda: Does(100), lambda: Does(100, Crashed("signal 11")), lambda: Does(100, Hung("10 s"))],
    ids=["passes", "fails", "crashes", "hangs"],
)
def test_the_same_run_again(make: Callable[[], Does]) -> None:
    """The second run says what the first one said, from recalled cases alone, and asked the implementation for it."""
    adapter = make()
    first, second = run(make()), run(adapter)
    assert said(second) == said(first)
    assert (first.recalled, second.recalled) == (0, first.examples)
    assert adapter.asked >= second.examples


def test_what_is_recalled_is_what_is_drawn() -> None:
    """With nowhere to keep anything, the result is the same."""
    aim = target(Does(100))
    alone = run_check(CHECK, Does(100), aim, examples=30, seed=1)
    run(Does(100))
    assert said(run(Does(100))) == said(alone)


def test_a_new_mistake_is_found() -> None:
    """A case that passed before and fails now is hunted down and shrunk as if nothing had been recalled."""
    run(Does())
    worse = run(Does(100))
    assert worse.verdict is Verdict.FAIL
    assert len(worse.counterexamples[0].case.steps[0].packet) == 104  # type: ignore[union-attr]
    assert said(worse) == said(run(Does(100), Recall("another", CAPS)))


def test_a_repaired_implementation_passes() -> None:
    """A shrunk case that shows nothing any more is thrown away, and all cases are tried."""
    run(Does(100))
    repaired = run(Does())
    assert (repaired.verdict, repaired.counterexamples) == (Verdict.PASS, ())
    assert said(repaired) == said(run(Does(), Recall("another", CAPS)))


def test_another_mistake_is_not_taken_for_the_old_one() -> None:
    """The old counterexample is believed for the same requirement, shown in the same way, and not otherwise."""
    run(Does(100))
    crash = run(Does(100, Crashed("signal 11")))
    assert [one.verdict for one in crash.counterexamples] == [Verdict.CRASH]
    run(Does(100))
    stricter = run(Does(400))
    assert len(stricter.counterexamples[0].case.steps[0].packet) > 400  # type: ignore[union-attr]


def test_trouble_of_the_adapter_is_not_kept() -> None:
    """Its own errors say nothing about the cases: the round in which one came up is drawn again."""
    run(Does(100, AdapterError("no more files")))
    assert run(Does()).recalled == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[:-5],
        lambda text: bytes(octet ^ 0x40 for octet in text),
        lambda text: zlib.compress(b"null\n{}"),
        lambda text: zlib.compress(b'{"requirement": 1}\n'),
        lambda text: zlib.compress(b"null"),
    ],
    ids=["empty", "cut", "changed", "no case", "no finding", "no cases"],
)
@pytest.mark.parametrize("more_than", [100, 1 << 16], ids=["fails", "passes"])
def test_a_damaged_file_is_none(damage: Callable[[bytes], bytes], more_than: int) -> None:
    """Whatever stands in a file: the run is as it would be without."""
    first = run(Does(more_than))
    (path, *more) = (Path(os.environ["ESPPROOF_CACHE"])).glob("cases/*/*")
    for one in (path, *more):
        one.write_bytes(damage(one.read_bytes()))
    second = run(Does(more_than))
    assert said(second) == said(first)
    assert second.recalled == 0


def test_a_folder_that_cannot_be_used_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where the folder should be: nothing is kept, and nothing is wrong."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("ESPPROOF_CACHE", str(tmp_path / "file"))
    assert run(Does()).verdict is Verdict.PASS
    assert run(Does()).recalled == 0
    recall.prune()


def test_other_circumstances_are_other_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed, adapter, capabilities and the suite's own files decide which cases are recalled."""
    run(Does())
    assert run(Does()).recalled
    assert not run(Does(), seed=2).recalled
    assert not run(Does(), Recall("another", CAPS)).recalled
    assert not run(Does(), Recall("made up", msgspec.structs.replace(CAPS, max_packet=1500))).recalled
    monkeypatch.setattr(recall, "_suite", lambda: b"other files")
    assert not run(Does()).recalled


class Program(Does):
    """An implementation that is started by a command, and says what it is."""

    def __init__(self, command: str, told: str) -> None:
        super().__init__()
        self.name, self._told = f"exec:{command}", told

    @property
    def version(self) -> str:
        return self._told


@pytest.mark.parametrize(
    ("command", "told", "recalled"),
    [
        ("/elsewhere/esp --verbose", "esp 1.0", True),
        ("./esp", "esp 1.1", False),
        ("./esp", "another 1.0", False),
        ("./esp", "?", False),
    ],
    ids=["another path", "another version", "another program", "says nothing"],
)
def test_a_program_is_what_it_says_it_is(command: str, told: str, recalled: bool) -> None:
    """Not the command that starts it; only one that says nothing is known by that."""
    first, second = Program("./esp", "esp 1.0"), Program(command, told)
    run(first, Recall.of(first))
    assert bool(run(second, Recall.of(second)).recalled) is recalled
    assert run(second, Recall.of(second)).recalled


def test_classes_without_a_name_are_not_one() -> None:
    """Two of them do not share their cases."""
    nameless = type("Nameless", (Does,), {"name": "?"})
    another = type("Another", (Does,), {"name": "?"})
    run(nameless(), Recall.of(nameless()))
    assert not run(another(), Recall.of(another())).recalled


def test_large_rounds_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than so many octets are drawn again."""
    monkeypatch.setattr(recall, "MOST_ROUND", 1000)
    run(Does())
    assert not run(Does()).recalled


def test_old_runs_make_room(tmp_path: Path) -> None:
    """What was used longest ago goes first; what is used stays."""
    for age, name in enumerate(("new", "middle", "old")):
        run(Does(), Recall(name, CAPS))
        (folder,) = (one for one in (tmp_path / "cache" / "cases").iterdir() if one.stat().st_mtime > 1e9)
        os.utime(folder, (1e9 - age, 1e9 - age))
    size = sum(file.stat().st_size for file in (tmp_path / "cache").rglob("*") if file.is_file())
    recall.prune(size - 1)
    assert run(Does(), Recall("new", CAPS)).recalled
    assert not run(Does(), Recall("old", CAPS)).recalled
