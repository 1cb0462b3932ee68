"""`espproof check`: the right adapters pass, and each miniature is caught by the question that it was made for."""

import json
import shlex
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import Capabilities, Family, HostCapabilities, ReplayWindows, everything
from espproof.adapters.case import Outbound
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.conformance.commands.cli import build
from espproof.conformance.oracle.outbound import SAME_IV, WRONG_ICV
from espproof.conformance.selfcheck import behaviour, honesty, probe, probes, refusals, session, start
from espproof.conformance.selfcheck.host_probes import host_probes
from espproof.conformance.selfcheck.item import Grade, Item
from espproof.conformance.selfcheck.rig import Rig
from espproof.conformance.selfcheck.session import Checked
from espproof.reference.errors import Misuse

CAUGHT_BY = {
    "AlwaysDelivers": {"honesty.garbage-is-not", "behaviour.carries-traffic"},
    "AlwaysDrops": {"honesty.right-is-delivered", "honesty.wrong-key-is-found", "honesty.wrong-spi-is-found"},
    "EchoesOutbound": {"honesty.packets-told-apart", "behaviour.carries-traffic"},
    "EchoesExpectations": {"honesty.expectations-ignored"},
    "AnswersFromMemory": {"honesty.nothing-from-before"},
    "KeepsOneCounter": {"behaviour.sas-are-separate"},
    "SendsWithInboundSas": {"behaviour.inbound-sa-does-not-send"},
    "FlipsCoins": {"behaviour.repeatable"},
    "ForgetsReset": {"behaviour.reset-forgets-sas"},
    "ResetKeepsWindows": {"behaviour.reset-forgets-state"},
    "ClockRunsOn": {"behaviour.reset-forgets-time"},
    "AcceptsEverything": {
        "refusals.encryption", "refusals.integrity", "refusals.mode", "refusals.lookup", "refusals.key-size",
        "behaviour.same-name-refused",
    },
    "AcceptsNamesakes": {"behaviour.same-name-refused"},
    "HalfInstalls": {"behaviour.refused-leaves-nothing"},
    "RaisesOnUnknown": {"behaviour.unknown-sa-deleted"},
    "DeletesAnything": {"behaviour.unknown-sa-deleted"},
    "KnowsStrangers": {"behaviour.unknown-sa-read"},
    "SendsForStrangers": {"behaviour.unknown-sa-outbound"},
    "IgnoresUnknownOperations": {"refusals.operation"},
    "ReturnsNone": {"behaviour.carries-traffic"},
    "ReturnsPlainBytes": {"behaviour.carries-traffic"},
    "LosesSteps": {"behaviour.carries-traffic"},
    "RefusesPackets": {"behaviour.carries-traffic"},
    "LiesAboutEsn": {"capability.esn"},
    "LiesAboutWindow": {"capability.replay.window.32", "capability.replay.window.33", "capability.replay.window.128"},
    "LiesAboutPorts": {"capability.udp_ports"},
    "MiscountsProbes": {"capability.read_state.early"},
    "TellsStrangersProbes": {"capability.read_state.early"},
    "LiesAboutCcm": {"capability.encryption.ENCR_AES_CCM_16-256"},
    "IgnoresSelectors": {"capability.selectors"},
    "DeclaresTheUnknown": {"start.capabilities-valid"},
    "ContradictsItself": {"start.capabilities-consistent"},
    "ChangesItsMind": {"start.capabilities-constant"},
    "HasNoVersion": {"start.version"},
    "SlowStarter": {"start.in-time"},
    "SharesEverything": {"start.side-by-side"},
    "ClosesTheOthers": {"start.closes"},
    "CannotClose": {"start.closes"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _miniatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The miniatures are a module of the user's."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def failed(done: Checked) -> set[str]:
    return {item.id for item in done.items if item.grade is Grade.FAIL}


@pytest.mark.parametrize(
    "name", ["reference", "scapy", f"exec:{shlex.quote(sys.executable)} -m espproof.adapters.exec.harness reference"]
)
def test_right_adapter_passes(name: str) -> None:
    """Nothing is held against an adapter that is right, and it has been asked everything."""
    done = session.check(name)
    assert failed(done) == set()
    assert done.correct
    assert done.whole


@pytest.mark.parametrize("name", CAUGHT_BY)
def test_miniature_is_caught(name: str) -> None:
    """A small mistake of an adapter fails the question that asks about it."""
    done = session.check(f"miniatures:{name}", start_limit=0.1 if name == "SlowStarter" else 30)
    assert failed(done) >= CAUGHT_BY[name]
    assert not done.correct


def test_every_miniature_has_its_question() -> None:
    """No miniature lies about unused, except the one that is only modest."""
    import importlib

    module = importlib.import_module("miniatures")
    broken = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == "miniatures"}
    assert {name for name in broken if isinstance(vars(module)[name], type)} == {*CAUGHT_BY, "Modest"}


def test_every_question_can_fail() -> None:
    """Each question is failed by some miniature: one that was never seen to fail proves nothing."""
    asked = {
        question.id
        for module in (start, behaviour, refusals, honesty)
        for question in (*module.QUESTIONS, *getattr(module, "LAST_QUESTIONS", ()))
    }
    seen = set().union(*CAUGHT_BY.values())
    by_a_seeded_defect = {"honesty.wrong-reference-is-found"}  # the next test
    assert asked - seen == by_a_seeded_defect


def test_agreement_with_a_wrong_reference_is_found() -> None:
    """An implementation with the very mistake of a wrong reference is told that it agrees with it."""
    done = session.check("seeded:icv-failure-sticks")
    told = {item.id: item.told for item in done.items}
    assert "icv-failure-sticks" in told["honesty.wrong-reference-is-found"]


def test_what_works_undeclared_is_information() -> None:
    """An adapter that can more than it declares is told, and still correct."""
    done = session.check("miniatures:Modest")
    assert done.correct
    assert {item.id for item in done.items if item.grade is Grade.UNDECLARED} == {"capability.esn"}


def test_every_capability_is_probed() -> None:
    """A new field of Capabilities must get a probe."""
    assert set(probes.PROBES) == {field.name for field in msgspec.structs.fields(Capabilities)}


def test_every_capability_of_a_host_is_probed() -> None:
    """And a new field of HostCapabilities too."""
    probed = {one.what.split()[1] for one in host_probes(everything()) if " " in one.what}
    assert probed == {field.name for field in msgspec.structs.fields(HostCapabilities)}


@pytest.mark.parametrize("member", ["marks", "if_ids", "local", "counters"])
def test_what_a_host_can_undeclared_is_information(member: str) -> None:
    """What works though it is not declared is told, member by member."""
    host = everything().host
    assert host is not None
    declared = replace(everything(), host=replace(host, **{member: False}))
    rig = Rig(ReferenceAdapter(), declared)
    grades = {one.what: probe.answer(one, rig).grade for one in probes.all_probes(declared) if one.what[:4] == "host"}
    assert {what for what, grade in grades.items() if grade is Grade.UNDECLARED} == {f"host {member}"}


def test_probe_ids_are_unique() -> None:
    """An id stands for one thing."""
    ids = [one.what for one in probes.all_probes(everything())]
    assert len(ids) == len(set(ids))


def test_every_probe_of_the_reference_is_declared_and_made() -> None:
    """Nothing is not applicable to the reference, which declares everything."""
    rig = Rig(ReferenceAdapter(), everything())
    grades = {one.what: probe.answer(one, rig).grade for one in probes.all_probes(everything())}
    assert set(grades.values()) == {Grade.PASS}


def test_least_receiver_is_a_correct_adapter() -> None:
    """An adapter that declares the least, and refuses the rest, is correct; so is one that only sends."""
    least = Capabilities(encryption={"ENCR_AES_GCM_16": (16,)}, directions=("in",))
    sender = Capabilities(
        encryption={"ENCR_NULL": (0,)},
        integrity=("AUTH_HMAC_SHA2_256_128",),
        directions=("out",),
        modes=("transport",),
        families=("6in6",),
        replay_windows=None,
    )
    for caps in (least, sender):
        done = session.check_rig(Rig(Careful(caps), caps, Careful(caps)), "careful")
        assert failed(done) == set()


class Careful(ReferenceAdapter):
    """The reference with less declared, and the rest refused."""

    def __init__(self, caps: Capabilities) -> None:
        self._caps = caps
        super().__init__()

    def capabilities(self) -> Capabilities:
        return self._caps

    def add_sa(self, sa):  # type: ignore[no-untyped-def]
        from espproof.adapters.case import Unsupported

        missing = self._caps.lacks(sa) if sa.mode in ("tunnel", "transport") else "mode"
        return Unsupported(what=missing) if missing else super().add_sa(sa)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"directions": ()}, "a direction"),
        ({"esn": ()}, "esn"),
        ({"encryption": {}}, "no encryption algorithm"),
        ({"integrity": ("AUTH_HMAC_SHA1_96",)}, "NONE"),
        ({"integrity": ("NONE",)}, "needs an integrity algorithm"),
        ({"encryption": {"ENCR_AES_GCM_16": (16,)}}, "needs an encryption algorithm"),
        ({"families": ("4in4",)}, "udp over IPv6"),
        ({"modes": ("transport",)}, "family"),
        ({"modes": ()}, "mode"),
        ({"replay_windows": ReplayWindows(minimum=64, maximum=32)}, "64 to 32"),
        ({"replay_windows": ReplayWindows(minimum=32, maximum=100, step=32)}, "no step"),
        ({"replay_windows": None}, "set_window"),
        ({"directions": ("in",)}, "set_iv"),
        ({"directions": ("out",)}, "set_window"),
        ({"esn": (False,)}, "resynchronise"),
        ({"udp": ()}, "udp_ports"),
        ({"dscp": ()}, "dscp"),
        ({"df": ()}, "df"),
        ({"lookup": ()}, "lookup"),
        ({"lifetimes": ()}, "lifetime"),
        ({"read_state": ("early",)}, "set_sequence not declared"),
        ({"read_state": ("early",), "set_sequence": False, "directions": ("in",)}, "early in read_state"),
    ],
)
def test_contradictions_are_told(changes: dict[str, object], told: str) -> None:
    """What can never be used, or cannot be meant, is named."""
    found = list(start.contradictions(msgspec.structs.replace(everything(), **changes)))
    assert any(told in one for one in found), found


def test_everything_contradicts_nothing() -> None:
    """The reference's own declaration is consistent, and so is scapy's."""
    assert list(start.contradictions(everything())) == []
    with open_adapter("scapy") as scapy:
        assert list(start.contradictions(scapy.capabilities())) == []


@pytest.mark.parametrize(
    ("name", "status"),
    [("reference", 0), ("miniatures:AlwaysDrops", 1), ("no-such-adapter", 2), ("no_such_module:Adapter", 3)],
)
def test_exit_status(name: str, status: int) -> None:
    """0 correct, 1 not, 2 no such adapter, 3 it could not be started."""
    assert CliRunner().invoke(build(), ["check", name]).exit_code == status


def test_json_is_one_document() -> None:
    """With --json, standard output is one JSON document with every item and how to fix what fails."""
    done = CliRunner().invoke(build(), ["check", "miniatures:LiesAboutEsn", "--json"])
    document = json.loads(done.stdout)
    assert document["correct"] is False
    assert document["whole"] is True
    failures = [item for item in document["items"] if item["grade"] == "fail"]
    assert failures
    assert all(item["told"] and item["fix"] for item in failures)
    assert sum(document["grades"].values()) == len(document["items"])


def test_terminal_says_how_to_fix_it() -> None:
    """A failure is shown with what was seen and one sentence of repair."""
    shown = CliRunner().invoke(build(), ["check", "miniatures:LiesAboutEsn"]).stdout
    assert "capability.esn" in shown
    assert "to fix:" in shown
    assert "not a correct adapter" in shown


def test_constructor_that_raises_is_an_adapter_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that cannot be made is told apart from one that is wrong."""
    (tmp_path / "falls_over.py").write_text("def Adapter():\n    raise RuntimeError('no device')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AdapterError, match="no device"):
        session.check("falls_over:Adapter")


def test_what_is_no_adapter_is_misuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to something else is the user's mistake."""
    (tmp_path / "is_none.py").write_text("Adapter = dict\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Misuse):
        session.check("is_none:Adapter")


def test_interrupted_check_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C keeps what was found, and the result is not whole."""
    count = iter(range(1000))

    def stop(item: object) -> None:
        if next(count) == 9:
            raise KeyboardInterrupt

    done = session.check("reference", tick=stop)
    assert not done.whole
    assert not done.correct
    assert len(done.items) == 10


def test_known_deviation_of_the_window_is_no_fault_of_the_adapter() -> None:
    """Where the expectation file says that windows are kept wrongly; any other probe still fails."""
    window = Item(id="capability.replay.window.64", grade=Grade.FAIL, told="delivered")
    other = Item(id="capability.tfc", grade=Grade.FAIL, told="delivered")
    known = ("RFC4303-3.4.3-duplicate-rejected",)
    assert session._excused(window, known).grade is Grade.NOT_APPLICABLE
    assert "duplicate-rejected" in session._excused(window, known).told
    for unrelated in ("RFC4303-2.7-tfc-discarded", "RFC4303-3.4.3-replay-check-first"):
        assert session._excused(window, (unrelated,)) == window
    assert session._excused(other, known) == other


def test_adapter_with_hardware_to_itself_is_asked_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one is not even tried; a run in several processes is misuse."""
    text = """
        from espproof.adapters.models.reference import ReferenceAdapter
        class Adapter(ReferenceAdapter):
            exclusive, made = True, 0
            def __init__(self):
                super().__init__()
                Adapter.made += 1
                assert Adapter.made == 1
    """
    (tmp_path / "has_hardware.py").write_text(textwrap.dedent(text), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    done = session.check("has_hardware:Adapter")
    assert done.correct
    grades = {item.id: item.grade for item in done.items}
    assert grades["start.side-by-side"] is grades["start.closes"] is Grade.NOT_APPLICABLE


def test_run_in_several_processes_is_refused_where_one_alone_can_be() -> None:
    from espproof.adapters.models.reference import ReferenceAdapter
    from espproof.conformance.running import suite as runs
    from espproof.conformance.running.check import Profile

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ReferenceAdapter, "exclusive", True)
        with pytest.raises(Misuse, match="-n 1"):
            runs.run("reference", profile=Profile.QUICK, seed=1, workers=2)


def test_known_deviation_of_the_iv_of_cbc_is_no_fault_of_the_adapter() -> None:
    """Two packets with one IV, of CBC, where that is listed; whatever else goes wrong with such an SA still fails."""
    name = "capability.encryption.ENCR_AES_CBC-128"
    known = ("RFC3602-3-iv-unpredictable",)
    same = Item(id=name, grade=Grade.FAIL, told=f"declared, and does not work: step 5 (outbound): {SAME_IV}")
    wrong = Item(id=name, grade=Grade.FAIL, told=WRONG_ICV)
    gcm = Item(id="capability.encryption.ENCR_AES_GCM_16-128", grade=Grade.FAIL, told=same.told)
    assert session._excused(same, known).grade is Grade.NOT_APPLICABLE
    assert session._excused(same, ()) == same
    assert session._excused(wrong, known) == wrong
    assert session._excused(gcm, known) == gcm


@pytest.mark.parametrize(("families", "version"), [(("6in6", "4in4"), 4), (("6in4", "4in6"), 6)])
def test_df_is_asked_of_a_family_that_is_declared(families: tuple[Family, ...], version: int) -> None:
    """IPv6 in IPv4 where IPv4 in IPv4 is not there."""
    caps = replace(everything(), modes=("tunnel",), families=families, df=("set", "clear"))
    rig = Rig(adapter=ReferenceAdapter(), caps=caps)
    declared = [one for one in probes.all_probes(caps) if one.what in ("df set", "df clear")]
    assert len(declared) == 2
    for one in declared:
        case = one.make(rig)
        assert {":" in sa.source for sa in case.sas} == {False}
        assert {step.packet[0] >> 4 for step in case.steps if isinstance(step, Outbound)} == {version}


def test_known_deviation_of_gmac_with_esn_is_no_fault_of_the_adapter() -> None:
    """Where it is listed that a receiver cannot verify such packets; ESN that fails in another way still fails."""
    known = ("RFC4543-3.3-aad",)
    icv = Item(
        id="capability.esn", grade=Grade.FAIL, told=f"declared, and does not work: step 1 (outbound): {WRONG_ICV}"
    )
    number = Item(
        id="capability.esn", grade=Grade.FAIL, told="declared, and does not work: step 1 (outbound): number 7"
    )
    assert session._excused(icv, known).grade is Grade.NOT_APPLICABLE
    assert session._excused(icv, ()) == icv
    assert session._excused(number, known) == number
