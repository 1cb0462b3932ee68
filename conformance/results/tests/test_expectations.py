"""The expectation files that come with adapters, and what is made of them."""

import fnmatch
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from espproof.adapters import registry
from espproof.adapters.base import Transcript
from espproof.adapters.case import (
    AddSa,
    AdvanceTime,
    Burst,
    Case,
    Delivered,
    Dropped,
    Inbound,
    Octets,
    Outbound,
    Outcome,
    ReadState,
    Sa,
    Step,
    UdpEncapsulation,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import SeededAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.requirements.catalogue import load
from espproof.conformance.results.check import CheckResult, Counterexample
from espproof.conformance.results.condition import Condition, concerned
from espproof.conformance.results.expectations import Expectation, compare, read_expectations
from espproof.conformance.results.model import RunResult
from espproof.conformance.running.check import run_check, target
from espproof.reference.errors import Misuse

FILES = sorted(path for known in registry.KNOWN for path in known.folder.glob("expected*.toml"))
DROPPED = Dropped()
VERDICTS_OF_THEIR_OWN = {"espproof-crash", "espproof-hang", "espproof-adapter-error", "espproof-setup"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_entries_are_of_the_catalogue(path: Path) -> None:
    """Each entry names a requirement that exists, a clause of its document, and a reason that stands alone."""
    entries = read_expectations(path)
    assert entries
    assert not [entry.id for entry in entries if entry.id in load() and load()[entry.id].verified_with]
    assert len({(entry.id, entry.checks, entry.when) for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.id in load() or entry.id in VERDICTS_OF_THEIR_OWN, f"{entry.id} is in no document"
        assert all(fnmatch.filter(all_checks(), pattern) for pattern in entry.checks), f"{entry.id}: no such check"
        assert len(entry.reason) > 30, f"{entry.id}: say what a user notices"
        document = entry.id.partition("-")[0]
        written = f"{document[:3]} {document[3:]} " if document.startswith("RFC") else document
        assert entry.id in VERDICTS_OF_THEIR_OWN or entry.clause.startswith(written)


def test_files_belong_to_adapters() -> None:
    """There are some; one of a variant is of a variant that there is, any other one that another extends: a file that
    nobody reads is no expectation."""
    assert FILES
    variants = {
        known.folder / f"expected_{variant.partition('=')[0]}{built}.toml"
        for known in registry.KNOWN
        for variant in known.variants
        for built in ("", "_built")  # of a way to use a kernel that the user has built
    }
    written = {path: tomllib.loads(path.read_text(encoding="utf-8")) for path in FILES}
    extended = {
        path.with_name(name)
        for path, file in written.items()
        for name in ([file["extends"]] if isinstance(file.get("extends"), str) else file.get("extends", []))
    }
    assert all(path.name == "expected.toml" or path in variants | extended for path in FILES)


def result_of(requirements: dict[str, Verdict], profile: str = "default") -> RunResult:
    return RunResult(
        espproof="0", adapter="it", adapter_version="0", profile=profile, seed=1, whole=True, cases=1, seconds=1.0,
        verdicts={}, requirements=requirements, capabilities=ReferenceAdapter().capabilities(), checks=(),
    )  # fmt: skip


ONE = Expectation(id="RFC4303-3.1.2-restored", reason="known", clause="RFC 4303 3.1.2")


@pytest.mark.parametrize(
    ("verdict", "listed", "profile", "news"),
    [
        (Verdict.FAIL, ONE, "default", False),
        (Verdict.FAIL, None, "default", True),
        (Verdict.CRASH, ONE, "default", True),
        (Verdict.PASS, ONE, "default", True),
        (Verdict.PASS, ONE, "quick", False),
        (Verdict.PASS, replace(ONE, seldom=True), "default", False),
        (Verdict.FAIL, replace(ONE, seldom=True), "default", False),
        (Verdict.PASS, None, "default", False),
        (Verdict.INAPPLICABLE, ONE, "default", False),
        (Verdict.WARNING, None, "default", False),
        (Verdict.WARNING, replace(ONE, verdict=Verdict.WARNING), "default", False),
    ],
)
def test_what_is_news(verdict: Verdict, listed: Expectation | None, profile: str, news: bool) -> None:
    """A failure that is not listed, one of another kind than listed, and a listed one that does not come."""
    result = result_of({ONE.id: verdict}, profile)
    compare(result, (listed,) if listed else ())
    assert result.unexpected == ((ONE.id,) if news else ())


def test_what_is_verified_with_others_is_expected_with_them() -> None:
    """A requirement without a check of its own needs no entry, and is no news of its own."""
    follower = next(entry for entry in load().values() if entry.verified_with == (ONE.id,))
    both = {ONE.id: Verdict.FAIL, follower.id: Verdict.FAIL}
    for listed, news in (((ONE,), []), ((), [ONE.id])):
        result = result_of(both)
        compare(result, listed)
        assert list(result.unexpected) == news


@pytest.mark.parametrize(
    ("patterns", "elsewhere"),
    [
        ((), ()),
        (("udp.*", "format.opens"), ()),
        (("udp.receives", "format.*"), ("udp.sends",)),
        (("life.*",), ("format.opens", "udp.receives", "udp.sends")),
    ],
)
def test_a_deviation_can_be_tied_to_checks(patterns: tuple[str, ...], elsewhere: tuple[str, ...]) -> None:
    """Found by a check that is not listed, it is news, and the counterexample that is shown is that check's."""
    result = result_of({ONE.id: Verdict.FAIL})
    case = Case(version=1, sas=(), steps=())
    result.checks = tuple(
        CheckResult(
            check=check,
            verdict=Verdict.FAIL,
            counterexamples=(
                Counterexample(
                    requirement=ONE.id, check=check, verdict=Verdict.FAIL, step=0, message=check, case=case, got=None,
                    want=Transcript((), ()),
                ),
            ),
        )
        for check in ("format.opens", "udp.receives", "udp.sends")
    )  # fmt: skip
    compare(result, (replace(ONE, checks=patterns),))
    assert result.elsewhere == ({ONE.id: elsewhere} if elsewhere else {})
    assert result.unexpected == ((ONE.id,) if elsewhere else ())
    assert bool(result.expected) == (not elsewhere)
    assert [one.message for one in result.counterexamples] == list(elsewhere[:1] or ("format.opens",))


@pytest.mark.parametrize(
    ("patterns", "verdict", "news"),
    [
        ((), Verdict.INAPPLICABLE, True), (("udp.*",), Verdict.INAPPLICABLE, False), (("udp.*",), Verdict.PASS, True),
        (("life.*",), Verdict.PASS, False),
    ],
)  # fmt: skip
def test_what_nobody_could_find_is_not_missed(patterns: tuple[str, ...], verdict: Verdict, news: bool) -> None:
    """Where all checks that find a deviation were inapplicable, it may be there still."""
    result = result_of({ONE.id: Verdict.PASS})
    result.checks = (CheckResult(check="udp.sends", verdict=verdict), CheckResult(check="icv.x", verdict=Verdict.PASS))
    compare(result, (replace(ONE, checks=patterns),))
    assert result.unexpected == ((ONE.id,) if news else ())


def test_file_that_is_none_says_so(tmp_path: Path) -> None:
    """A wrong key, a wrong verdict, no TOML, no file: one clear error each."""
    path = tmp_path / "wrong.toml"
    for text in (
        "[[deviation]]\nid = 'x'\n",
        "[[deviation]]\nid = 'x'\nreason = ''\nclause = ''\nverdict = 'bad'\n",
        "=",
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(Misuse, match=r"wrong\.toml"):
            read_expectations(path)
    with pytest.raises(Misuse, match=r"none\.toml"):
        read_expectations(tmp_path / "none.toml")


def test_a_file_can_extend_another(tmp_path: Path) -> None:
    """All of the other file holds, but what is named in `without`; entries of this one hold besides."""
    entry = "[[deviation]]\nid = '{}'\nreason = '{}'\nclause = ''\n"
    (tmp_path / "base.toml").write_text(
        entry.format("a", "1") + entry.format("b", "1") + entry.format("c", "1"), encoding="utf-8"
    )
    path = tmp_path / "more.toml"
    path.write_text(
        "extends = 'base.toml'\nwithout = ['a', 'c']\n" + entry.format("b", "2") + entry.format("c", "2"),
        encoding="utf-8",
    )
    assert [(one.id, one.reason) for one in read_expectations(path)] == [("b", "1"), ("b", "2"), ("c", "2")]
    (tmp_path / "most.toml").write_text("extends = 'more.toml'\nwithout = ['b']\n", encoding="utf-8")
    assert [one.id for one in read_expectations(tmp_path / "most.toml")] == ["c"]


def test_an_entry_that_is_left_out_can_be_named_by_its_check(tmp_path: Path) -> None:
    """Of several of one id."""
    entry = "[[deviation]]\nid = 'a'\nchecks = {}\nreason = ''\nclause = ''\n"
    (tmp_path / "base.toml").write_text(entry.format("['x', 'y']") + entry.format("['z']"), encoding="utf-8")
    path = tmp_path / "more.toml"
    path.write_text("extends = 'base.toml'\nwithout = ['a y']\n", encoding="utf-8")
    assert [one.checks for one in read_expectations(path)] == [("z",)]


def test_a_fact_stands_once(tmp_path: Path) -> None:
    """An entry that the other file has is not to be repeated, unless it is named in `without`."""
    entry = "[[deviation]]\nid = 'a'\nreason = ''\nclause = ''\n"
    (tmp_path / "base.toml").write_text(entry, encoding="utf-8")
    path = tmp_path / "more.toml"
    path.write_text("extends = 'base.toml'\n" + entry, encoding="utf-8")
    with pytest.raises(Misuse, match="a is there twice"):
        read_expectations(path)


def test_a_file_can_extend_several(tmp_path: Path) -> None:
    """Their entries in that order, less what `without` names of any of them; none of them twice."""
    entry = "[[deviation]]\nid = '{}'\nreason = ''\nclause = ''\n"
    for name, ids in (("one", "ab"), ("two", "cd"), ("three", "a")):
        (tmp_path / f"{name}.toml").write_text("".join(map(entry.format, ids)), encoding="utf-8")
    path = tmp_path / "all.toml"
    path.write_text("extends = ['one.toml', 'two.toml']\nwithout = ['b', 'd']\n" + entry.format("e"), encoding="utf-8")
    assert [one.id for one in read_expectations(path)] == ["a", "c", "e"]
    path.write_text("extends = ['one.toml', 'three.toml']\n", encoding="utf-8")
    with pytest.raises(Misuse, match="a is there twice"):
        read_expectations(path)


@pytest.mark.parametrize(
    "text",
    [
        "extends = 'base.toml'\nwithout = ['x']",
        "extends = 'none.toml'",
        "extends = 'self.toml'",
        "extends = 'round.toml'",
    ],
)
def test_a_file_that_extends_wrongly_says_so(tmp_path: Path, text: str) -> None:
    """What is taken away must be there, and there is an end."""
    (tmp_path / "base.toml").write_text("", encoding="utf-8")
    (tmp_path / "round.toml").write_text("extends = 'self.toml'", encoding="utf-8")
    path = tmp_path / "self.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Misuse, match="toml"):
        read_expectations(path)


IN = Sa(
    name="in", direction="in", spi=0x1002, mode="tunnel", source="192.0.2.1", destination="192.0.2.2",
    encr="ENCR_AES_CBC", encr_key=Octets(bytes(16)), auth="AUTH_HMAC_SHA1_96", auth_key=Octets(bytes(20)),
    replay_window=33,
)  # fmt: skip
OUT = replace(IN, name="out", direction="out", mode="transport", udp=UdpEncapsulation(), esn=True)


def shown_by(*steps: Step, sas: tuple[Sa, ...] = (IN, OUT), want: Outcome = DROPPED, step: int = 0) -> Counterexample:
    case = Case(version=1, sas=sas, steps=steps)
    transcript = Transcript((), tuple(want for _ in steps))
    return Counterexample(
        requirement=ONE.id, check="udp.sends", verdict=Verdict.FAIL, step=step, message="", case=case, got=None,
        want=transcript,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "of_in", "of_out"),
    [
        ({}, True, True),
        ({"direction": "in"}, True, False),
        ({"mode": "transport"}, False, True),
        ({"encryption": ("ENCR_AES_*",)}, True, True),
        ({"encryption": ("ENCR_NULL", "ENCR_AES_GCM_*")}, False, False),
        ({"integrity": ("*SHA1*",)}, True, True),
        ({"esn": False}, True, False),
        ({"udp": True}, False, True),
        ({"outer": 6}, False, False),
        ({"outer": 4}, True, True),
        ({"windows": ("0", "33-63")}, True, True),
        ({"windows": ("34-63",)}, False, False),
        ({"direction": "out", "esn": False}, False, False),
    ],
)
def test_a_condition(fields: dict[str, Any], of_in: bool, of_out: bool) -> None:
    """Each field that is named must be the SA's."""
    condition = Condition(**fields)
    assert (condition.holds_of(IN), condition.holds_of(OUT)) == (of_in, of_out)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (shown_by(Outbound(sa="out", packet=Octets(b"x"))), ("out",)),
        (shown_by(ReadState(sa="in")), ("in",)),
        (shown_by(Inbound(packet=Octets(b"x"))), ("in",)),
        (shown_by(Inbound(packet=Octets(b"x")), want=Delivered(packet=Octets(b"y"), sa="in")), ("in",)),
        (shown_by(Inbound(packet=Octets(b"x")), sas=(IN, replace(IN, name="two"))), ("in", "two")),
        (shown_by(Inbound(packet=Octets(b"x")), sas=(IN, replace(IN, name="two")),
                  want=Burst(results=(Delivered(packet=Octets(b"y"), sa="two"),))), ("two",)),
        (shown_by(AddSa(sa=replace(IN, name="late"))), ("late",)),
        (shown_by(AdvanceTime(seconds=1)), ("in", "out")),
        (shown_by(step=-1), ("in", "out")),
    ],
    ids=["sends", "reads", "receives", "delivered", "either", "burst", "added", "time", "setup"],
)  # fmt: skip
def test_the_sas_that_a_counterexample_is_about(found: Counterexample, names: tuple[str, ...]) -> None:
    """The one that the step names or delivers to; where nobody can know, all that it may be."""
    assert tuple(sa.name for sa in concerned(found)) == names


@pytest.mark.parametrize(
    ("when", "news"),
    [((), False), ((Condition(esn=True),), False), ((Condition(udp=False), Condition(mode="transport")), False),
     ((Condition(esn=False),), True), ((Condition(direction="in"), Condition(udp=False)), True)],
)  # fmt: skip
def test_a_deviation_can_be_tied_to_sas(when: tuple[Condition, ...], news: bool) -> None:
    """Found with an SA that meets none of the conditions, it is news."""
    result = result_of({ONE.id: Verdict.FAIL})
    found = shown_by(Outbound(sa="out", packet=Octets(b"x")))
    result.checks = (CheckResult(check=found.check, verdict=Verdict.FAIL, counterexamples=(found,)),)
    compare(result, (replace(ONE, when=when),))
    assert result.unexpected == ((ONE.id,) if news else ())
    assert result.elsewhere == ({ONE.id: ("udp.sends",)} if news else {})


def test_a_deviation_can_be_tied_to_one_of_several_sas() -> None:
    """Which of them it was nobody can tell; all of them are still such as `when` says."""
    found = shown_by(Inbound(packet=Octets(b"x")), sas=(IN, replace(IN, name="two", replay_window=64)))
    entry = replace(ONE, some=(Condition(windows=("33-63",)),))
    assert entry.covers(found)
    assert not replace(entry, some=(Condition(windows=("34-63",)), Condition(esn=True))).covers(found)
    assert not replace(entry, when=(Condition(windows=("33-63",)),)).covers(found)
    assert not entry.covers(shown_by(Inbound(packet=Octets(b"x")), sas=()))


def test_a_window_that_is_none_is_told(tmp_path: Path) -> None:
    """When the file is read, not when a counterexample meets it."""
    path = tmp_path / "wrong.toml"
    path.write_text(
        "[[deviation]]\nid = 'x'\nreason = ''\nclause = ''\nwhen = [{ windows = ['many'] }]\n", encoding="utf-8"
    )
    with pytest.raises(Misuse, match="'many'"):
        read_expectations(path)


# ----------------------------------------------------------------------------------------------- entries that are too wide


class Variation(NamedTuple):
    """A seeded defect, a check that finds it, and the implementations (folders) that do the same.

    It is another mistake than those that are listed for the others: an entry that covers what the check finds hides it.
    """

    defect: str
    check: str
    same: tuple[str, ...] = ()


DELIVERED_AS_IT_IS = ("scapy_ipsec", "dpdk", "libipsec", "openconnect")
VARIATIONS = (
    Variation("tfc-padding-refused", "tfc.of-any-octets"),
    Variation("tfc-dummy-delivered", "tfc.dummy-discarded", ("scapy_ipsec", "dpdk")),
    Variation("tfc-padding-delivered", "tfc.removed", ("scapy_ipsec", "dpdk", "openconnect")),
    Variation("robustness-inner-length-below-header", "modes.inner-length", DELIVERED_AS_IT_IS),
    Variation("robustness-partial-block", "robustness.too-little-inside"),
    Variation("robustness-outbound-runt", "robustness.no-packet-to-protect"),
    Variation("robustness-extension-header-unchecked", "robustness.cut-chain"),
    Variation("robustness-header-unchecked", "robustness.truncated"),
    Variation("padding-null-block-zero", "lifetime.larger-than-what-is-left"),
    Variation("padding-octet-fifteen-zero", "padding.length-sweep"),
    Variation("format-burst-segment-sent-twice", "life.of-several"),
    Variation("format-empty-payload-as-dummy", "format.nothing-inside-out"),
    Variation("format-empty-payload-dropped", "format.nothing-inside-in", ("linux",)),
    Variation("sequence-burst-high-of-last", "sequence.burst-across-the-end"),
    Variation("sequence-first-probe-is-zero", "sequence.first-packet", ("openconnect",)),
    Variation("anti-replay-advanced-on-delivery", "anti-replay.not-delivered", ("dpdk", "linux")),
    Variation("iv-implicit-high-missing", "esn.without-anti-replay", ("scapy_ipsec",)),  # which has no implicit IV
    Variation("sad-udp-on-one-port", "sad.udp-ports", ("scapy_ipsec",)),
)


@pytest.mark.parametrize("variation", VARIATIONS, ids=lambda one: one.defect)
def test_no_entry_swallows_another_mistake(variation: Variation) -> None:
    """Bind an entry that does to the checks, the outcome or the SAs that show its own."""
    adapter, check = SeededAdapter(variation.defect), all_checks()[variation.check]
    seeds = (run_check(check, adapter, target(adapter), examples=100, seed=seed) for seed in range(1, 6))
    found = next(result.counterexamples for result in seeds if result.counterexamples)
    for path in FILES:
        entries = read_expectations(path)
        covered = [any(entry.id == one.requirement and entry.covers(one) for entry in entries) for one in found]
        assert path.parent.name in variation.same or not all(covered), f"{path.parent.name}/{path.name} hides it"
