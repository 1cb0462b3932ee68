"""The corpus of vectors: right on the reference, able to fail, made by the tool alone, usable without the suite."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typer.testing import CliRunner

from espproof.adapters.base import Adapter, AdapterError, Crashed, Hung, Transcript
from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.adapters.case import (
    Case,
    CaseFile,
    Delivered,
    Dropped,
    Octets,
    Outbound,
    Refused,
    Sa,
    Sent,
    Step,
    from_json,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.conformance.commands.cli import build as build_cli
from espproof.conformance.oracle.judgement import SETUP
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.vectors import build, confirm, files, judge, known_answers, windows
from espproof.conformance.vectors.lint import lint
from espproof.conformance.vectors.made import Mistake, Vector, datagram, protect
from espproof.conformance.vectors.suites import SUITES
from espproof.reference import ip
from espproof.reference.errors import Misuse

replace = msgspec.structs.replace
REFERENCE = ReferenceAdapter()
CAPS = REFERENCE.capabilities()


def vector(name: str) -> Case:
    return next(case for case in files.vectors() if case.id == name)


def with_step(case: Case, index: int, step: Step) -> Case:
    return replace(case, steps=(*case.steps[:index], step, *case.steps[index + 1 :]))


# ------------------------------------------------------------------------------------------------------- the reference


def test_reference_passes_every_vector() -> None:
    """The reference passes every vector, none is inapplicable to it."""
    run = judge.run(REFERENCE, "reference", list(files.vectors()))
    wrong = [result for result in run.results if result.verdict is not Verdict.PASS]
    assert not wrong
    assert run.whole
    assert len(run.results) == len(files.vectors()) > 500


@pytest.mark.parametrize(
    "defect",
    ["icv-esn-high-missing", "icv-aead-halves-swapped", "iv-implicit-high-missing", "sequence-cycles-esn",
     "anti-replay-not-checked", "anti-replay-left-edge-not-tested", "anti-replay-window-one-short",
     "anti-replay-window-one-long", "anti-replay-advance-before-icv", "anti-replay-stale-bits-after-jump",
     "esn-guess-kept-in-sa", "esn-left-edge-next-subspace", "esn-next-subspace-too-late", "esn-window-across-wrap",
     "esn-window-across-wrap-edge", "esn-below-zero-clamped", "esn-high-signed", "icv-gmac-unverified",
     "crypto-ctr-counter-from-zero", "padding-length-unchecked", "padding-255-refused", "tfc-padding-delivered",
     "tfc-padding-refused", "robustness-short-body", "fragments-first-accepted", "fragments-in-order-of-arrival",
     "fragments-third-lost", "fragments-identification-ignored", "fragments-protected-in-transport",
     "anti-replay-advanced-behind-trailer", "anti-replay-advanced-on-delivery", "sad-source-ignored",
     "sad-delete-leaves-entry", "sad-selectors-not-checked", "lifetime-packets-not-counted",
     "lifetime-hard-limit-outbound", "lifetime-hard-limit-inbound", "lifetime-octets-not-counted",
     "modes-outer-ttl-decremented", "modes-outer-ecn-always-copied", "modes-outer-ecn-never-copied",
     "modes-inner-congestion-lost", "modes-not-ect-with-congestion", "modes-inner-checksum-stale",
     "modes-outer-ipv6-dscp-zero", "modes-df-copy-reset", "modes-df-set-copied", "modes-dscp-fixed-mixed",
     "modes-transport-options-lost", "modes-transport-before-hop-by-hop", "udp-ports-host-order", "udp-source-port-fixed",
     "udp-non-esp-marker-ignored", "udp-port-not-checked", "udp-length-ignored"],
)  # fmt: skip
def test_seeded_defects_fail(defect: str) -> None:
    """An implementation with a historical mistake fails vectors that are about it."""
    run = judge.run(open_adapter(f"seeded:{defect}"), defect, list(files.vectors()))
    assert run.news


# ----------------------------------------------------------------------------------------------------- able to fail


def flip(octets: Octets, at: int = -1) -> Octets:
    changed = bytearray(octets)
    changed[at] ^= 1
    return Octets(bytes(changed))


MUTATIONS: dict[str, tuple[str, int, Callable[[Any], Any]]] = {
    "sent octets": ("kat-gcm16-outbound", 0, lambda step: replace(step, expect=Sent(packet=flip(step.expect.packet)))),
    "delivered octets": (
        "kat-gcm16-inbound", 1, lambda step: replace(step, expect=Delivered(packet=flip(step.expect.packet)))
    ),
    "another SA": (
        "kat-gcm16-inbound", 1, lambda step: replace(step, expect=Delivered(packet=step.expect.packet, sa="other"))
    ),
    "accepted, not dropped": (
        "esn-gcm16-high-left-out", 0, lambda step: replace(step, expect=Delivered(packet=step.packet))
    ),
    "dropped, not accepted": ("window-gcm16-w64-case-a-inside", 0, lambda step: replace(step, expect=Dropped())),
    "dropped, not sent": ("kat-gcm16-outbound", 0, lambda step: replace(step, expect=Dropped())),
    "sent, not dropped": (
        "overflow-gcm16-32-bit", 2, lambda step: replace(step, expect=Sent(packet=step.packet))
    ),
    "delivered, not dropped": ("gcm-test-04-inbound", 1, lambda step: replace(step, expect=Dropped())),
    "a wrong ICV accepted": (
        "esn-gcm16-inbound", 0, lambda step: replace(step, packet=flip(step.packet))
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MUTATIONS)
def test_wrong_expectation_is_found(what: str) -> None:
    """A vector whose expectation is changed fails on the reference, at the step that was changed."""
    name, index, change = MUTATIONS[what]
    case = vector(name)
    assert judge.judge(case, REFERENCE, CAPS).verdict is Verdict.PASS
    result = judge.judge(with_step(case, index, change(case.steps[index])), REFERENCE, CAPS)
    assert (result.verdict, result.step) == (Verdict.FAIL, index)
    assert result.message
    assert result.requirement in case.requirements


class Scripted(Adapter):
    """An implementation that gives the reference's outcomes after a change."""

    name = "scripted"

    def __init__(self, change: Callable[[Transcript], Transcript], caps: Capabilities = CAPS) -> None:
        self._change = change
        self._caps = caps

    def capabilities(self) -> Capabilities:
        return self._caps

    def reset(self) -> None:
        """Nothing to forget."""

    def add_sa(self, sa: Sa) -> Any:
        raise NotImplementedError

    def execute(self, case: Case) -> Transcript:
        return self._change(REFERENCE.execute(case))


def sent_instead(packet: bytes) -> Scripted:
    return Scripted(lambda got: Transcript(got.setup, (Sent(packet=Octets(packet)), *got.steps[1:])))


def test_tunnel_header_is_free() -> None:
    """In tunnel mode identification and TTL may be anything, addresses, protocol and the octets behind may not."""
    case = vector("rfc7634-a-outbound")
    (step,) = case.steps
    assert isinstance(step.expect, Sent)
    right = bytes(step.expect.packet)
    other_id = ip.with_checksum(right[:4] + b"\x77\x66" + right[6:8] + b"\x21" + right[9:20]) + right[20:]
    assert judge.judge(case, sent_instead(other_id), CAPS).verdict is Verdict.PASS
    wrong = {
        "other addresses": ip.with_checksum(right[:15] + b"\x98" + right[16:20]) + right[20:],
        "protocol": ip.with_checksum(right[:9] + b"\x33" + right[10:20]) + right[20:],
        "other octets": right[:-1] + b"\0",
        "cannot be read": right[:10],
    }
    for what, packet in wrong.items():
        result = judge.judge(case, sent_instead(packet), CAPS)
        assert result.verdict is Verdict.FAIL, what
        assert what in result.message


@pytest.mark.parametrize(
    ("name", "field", "change"),
    [
        ("tunnel-4in4-dscp-copied", "DSCP", lambda p: ip.with_traffic_class(p, 4)),
        ("tunnel-6in6-dscp-fixed", "DSCP", lambda p: ip.with_traffic_class(p, 4)),
        ("tunnel-4in4-df-set", "DF", lambda p: ip.with_checksum(p[:6] + b"\0" + p[7:20]) + p[20:]),
        ("ecn-4in4-normal-outbound", "ECN", lambda p: ip.with_traffic_class(p, p[1] ^ 1)),
        ("tunnel-4in4-hop-limit", "hop limit", lambda p: ip.with_checksum(p[:8] + b"\x21" + p[9:20]) + p[20:]),
    ],
)
def test_tunnel_header_where_it_counts(name: str, field: str, change: Callable[[bytes], bytes]) -> None:
    """The field that a step is about is compared, and no other."""
    case = vector(name)
    step = case.steps[0]
    assert isinstance(step.expect, Sent)
    result = judge.judge(case, sent_instead(change(step.expect.packet)), CAPS)
    assert result.verdict is Verdict.FAIL
    assert result.message.startswith(field)
    other = replace(step, requirement="RFC4303-3.1.2-inner-unchanged")
    assert (
        judge.judge(with_step(case, 0, other), sent_instead(change(step.expect.packet)), CAPS).verdict is Verdict.PASS
    )


def test_udp_checksum_is_zero_or_right() -> None:
    """A UDP checksum may be left out where it was expected; a wrong one is a failure."""
    case = vector("udp-v6-tunnel-4500-4500-outbound")
    step = case.steps[0]
    assert isinstance(step.expect, Sent)
    right = bytes(step.expect.packet)
    assert judge.judge(case, sent_instead(right[:46] + b"\0\0" + right[48:]), CAPS).verdict is Verdict.PASS
    assert judge.judge(case, sent_instead(right[:46] + b"\0\1" + right[48:]), CAPS).verdict is Verdict.FAIL


def test_transport_header_is_not_free() -> None:
    """In transport mode the IP header is the packet's own."""
    case = vector("gcm-test-02-outbound")
    (step,) = case.steps
    assert isinstance(step.expect, Sent)
    right = bytes(step.expect.packet)
    other_ttl = ip.with_checksum(right[:8] + b"\x21" + right[9:20]) + right[20:]
    result = judge.judge(case, sent_instead(other_ttl), CAPS)
    assert result.verdict is Verdict.FAIL
    assert "IP header" in result.message


def padded(case: Case, padding: bytes) -> bytes:
    """The first packet of an outbound GCM-16 vector with other padding, as its sender would make it."""
    sa, step = case.sas[0], case.steps[0]
    assert isinstance(step, Outbound)
    number = (int(sa.sequence) + 1).to_bytes(8, "big")
    header, iv = sa.spi.to_bytes(4, "big") + number[4:], bytes(step.iv or b"")
    text = bytes(step.packet) + padding + bytes([len(padding), 4])
    aad = sa.spi.to_bytes(4, "big") + (number if sa.esn else number[4:])
    esp = header + iv + AESGCM(bytes(sa.encr_key)).encrypt(bytes(sa.salt) + iv, text, aad)
    source, destination = (bytes(map(int, text.split("."))) for text in (sa.source, sa.destination))
    return ip.build_ipv4(source, destination, 50, esp)


def test_longer_padding_is_no_failure() -> None:
    """More padding than needed is legal and makes a known answer inapplicable; wrong padding is a failure."""
    case = vector("esn-gcm16-outbound")
    least = -(len(case.steps[0].packet) + 2) % 4  # type: ignore[union-attr]
    more = bytes(range(1, least + 5))
    result = judge.judge(case, sent_instead(padded(case, more)), CAPS)
    assert (result.verdict, result.missing) == (Verdict.INAPPLICABLE, "the least padding")
    result = judge.judge(case, sent_instead(padded(case, bytes(least + 4))), CAPS)
    assert result.verdict is Verdict.FAIL


def test_high_half_on_the_wire_is_a_failure() -> None:
    """Four octets more because the high half is sent are not taken for padding."""
    case = vector("esn-cbc128-sha256-outbound")
    step = case.steps[0]
    assert isinstance(step.expect, Sent)
    esp = ip.parse(step.expect.packet).payload
    packet = ip.build_ipv4(bytes([192, 0, 2, 33]), bytes([198, 51, 100, 71]), 50, esp[:8] + bytes(4) + esp[8:])
    assert judge.judge(case, sent_instead(packet), CAPS).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [(Crashed("signal 11"), Verdict.CRASH), (Hung("5 s"), Verdict.HANG), (AdapterError("?"), Verdict.ADAPTER_ERROR)],
)
def test_adapter_failures_are_verdicts(failure: Exception, verdict: Verdict) -> None:
    """Dying and hanging are verdicts about the implementation, nonsense is one about the adapter."""

    def fail(_: Transcript) -> Transcript:
        raise failure

    assert judge.judge(vector("kat-gcm16-inbound"), Scripted(fail), CAPS).verdict is verdict


def test_missing_outcomes_are_adapter_errors() -> None:
    """An adapter that answers fewer steps than were asked is wrong itself."""
    short = Scripted(lambda got: Transcript(got.setup, got.steps[:-1]))
    assert judge.judge(vector("kat-gcm16-inbound"), short, CAPS).verdict is Verdict.ADAPTER_ERROR


def test_refused_sa_is_a_failure() -> None:
    """An SA that is declared as possible and then refused fails the vector."""
    refuses = Scripted(lambda got: Transcript((Refused(reason="no"),), got.steps))
    result = judge.judge(vector("kat-gcm16-inbound"), refuses, CAPS)
    assert (result.verdict, result.step) == (Verdict.FAIL, SETUP)


INAPPLICABLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "algorithm": ("kat-gcm8-inbound", {"encryption": {"ENCR_AES_GCM_16": (16,)}}, "ENCR_AES_GCM_8"),
    "IV": ("kat-gcm16-outbound", {"set_iv": False}, "set_iv"),
    "ESN": ("esn-gcm16-inbound", {"esn": (False,)}, "esn"),
    "sequence": ("esn-gcm16-inbound", {"set_sequence": False}, "set_sequence"),
    "family": ("esn-gcm16-6in4-inbound", {"families": ("4in4",)}, "6in4"),
    "window": ("window-gcm16-w1024-fresh", {"replay_windows": ReplayWindows(maximum=64)}, "1024"),
    "ECN": ("ecn-4in4-ect0", {"ecn": ()}, "ecn"),
    "hop limit": ("tunnel-4in4-hop-limit", {"hop_limit": False}, "hop_limit"),
    "reassembly": ("reassembly-4in4-mixed", {"reassembles": False}, "reassembles"),
    "options": ("transport-v4-options-inbound", {"ipv4_options": False}, "ipv4_options"),
    "extension headers": ("transport-v6-options-inbound", {"ipv6_extension_headers": False}, "ipv6_extension_headers"),
    "lifetime": ("lifetime-gcm16-octets-inbound", {"lifetimes": ("packets",)}, "octets"),
    "forwarding": ("kat-gcm16-outbound", {"forwards": True}, "forwarded"),
}


@pytest.mark.parametrize("what", INAPPLICABLE)
def test_undeclared_is_inapplicable(what: str) -> None:
    """What is not declared makes a vector inapplicable, never pass, and the result names it."""
    name, fields, missing = INAPPLICABLE[what]
    caps = replace(CAPS, **fields)
    result = judge.judge(vector(name), REFERENCE, caps)
    assert result.verdict is Verdict.INAPPLICABLE
    assert missing in result.missing


def test_implicit_iv_needs_no_set_iv() -> None:
    """Algorithms without an explicit IV have known answers for every implementation."""
    caps = replace(CAPS, set_iv=False)
    for name in ("kat-gcm16-iiv-outbound", "kat-null-sha256-outbound"):
        assert judge.judge(vector(name), REFERENCE, caps).verdict is Verdict.PASS


def test_what_is_not_tested_is_fitted() -> None:
    """Tunnel header options, and the window of a vector that is not about it, follow what is declared."""
    caps = replace(CAPS, replay_windows=None, dscp=("fixed",), df=("clear",))
    inbound = judge.fit(vector("esn-gcm16-inbound"), caps)
    assert inbound.sas[0].replay_window == 0
    assert judge.judge(vector("esn-gcm16-inbound"), REFERENCE, caps).verdict is Verdict.PASS
    outbound = judge.fit(vector("esn-gcm16-outbound"), caps)
    assert (outbound.sas[0].dscp, outbound.sas[0].df) == (0, "clear")
    assert judge.fit(vector("window-gcm16-w32-fresh"), caps).sas[0].replay_window == 32


def test_interrupted_run_is_not_whole() -> None:
    """Ctrl-C keeps what was found and says that the run is not whole."""

    def interrupt(_: Transcript) -> Transcript:
        raise KeyboardInterrupt

    run = judge.run(Scripted(interrupt), "scripted", list(files.vectors())[:3])
    assert not run.whole
    assert run.news


# ------------------------------------------------------------------------------------------------------ what is in it


def test_every_issue_is_covered() -> None:
    """Every algorithm suite has its answers and its negative twins, every window size its situations."""
    ids = {case.id for case in files.vectors()}
    for name, suite in SUITES.items():
        wanted = {"inbound", "outbound", "inbound-crossing", "outbound-crossing"}
        wanted |= {m.value for m in Mistake} - {"none", "forged", "high-added", "iv-without-high"}
        wanted |= {"iv-without-high"} if suite.implicit_iv else set()
        assert not {f"esn-{name}-{what}" for what in wanted} - ids
        assert f"kat-{name}-high-added" in ids
    for suite_name, size in windows.SIZES:
        assert sum(name.startswith(f"window-{suite_name}-w{size}-") for name in ids) >= 30
    assert {f"gcm-test-{number:02}-inbound" for number in range(1, 18)} <= ids
    assert {f"rfc3602-case-{number}-{way}" for number in (5, 6, 7, 8) for way in ("inbound", "outbound")} <= ids


def test_high_halves_do_not_hide() -> None:
    """The high half of our own vectors is neither zero nor the same in both byte orders."""
    for high in (known_answers.HIGH, windows.HIGH):
        octets = high.to_bytes(4, "big")
        assert 0 not in octets
        assert octets != octets[::-1]


def test_negative_packets_differ_from_their_positives() -> None:
    """A packet with a mistake has other octets than the right one of the same number."""
    sa = SUITES["gcm16-iiv"].sa(direction="in", esn=True)
    inner = datagram("x")
    packets = {
        mistake: protect(sa, known_answers.MIDDLE, inner, mistake=mistake).packet
        for mistake in Mistake
        if mistake is not Mistake.HIGH_ADDED
    }
    assert len(set(packets.values())) == len(packets)


def test_everything_is_confirmed() -> None:
    """Every vector says who confirmed it; at the time of writing nobody is missing."""
    for case in files.vectors():
        assert case.confirmed_by
        assert case.confirmed_by != (build.NOBODY,)
        assert all(re.fullmatch(r"[A-Za-z]+ [0-9.]+: .+", said) for said in case.confirmed_by)


# ----------------------------------------------------------------------------------------------------- only by the tool


def test_files_are_what_the_tool_makes() -> None:
    """The committed files are octet for octet what `espproof vectors build` makes."""
    assert not list(build.changes(build.build()))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A copy of the corpus that a test may spoil."""
    folder = tmp_path / "vectors"
    shutil.copytree(files.FOLDER, folder)
    shutil.copy(files.FOLDER.parent / "PROVENANCE.md", tmp_path)
    return folder


def test_lint_is_clean(corpus: Path) -> None:
    """There is nothing to complain about."""
    assert list(lint()) == []
    assert list(lint(corpus)) == []


def spoil(folder: Path, name: str, change: Callable[[Any], None]) -> None:
    path = folder / f"{name}.json"
    content = json.loads(path.read_bytes())
    change(content)
    path.write_bytes(json.dumps(content, indent=1).encode() + b"\n")


SPOILED: dict[str, tuple[Callable[[Any], None], str]] = {
    "an id twice": (lambda c: c["cases"][1].update(id=c["cases"][0]["id"]), "have this id"),
    "an id gone": (lambda c: c["cases"].pop(), "ids are for ever"),
    "a new id": (lambda c: c["cases"][0].update(id="something-new"), "is not in ids.toml"),
    "an odd id": (lambda c: c["cases"][0].update(id="Not An Id"), "lower-case words"),
    "other octets": (lambda c: c["cases"][0]["sas"][0].update(spi=4711), "give it a new id"),
    "an unknown flag": (lambda c: c["cases"][0].update(flags=["odd"]), "flag odd is not explained"),
    "a flag unused": (lambda c: c["flags"].update(odd="x" * 50), "explained and not used"),
    "a flag unexplained": (lambda c: c["flags"].update(published="short"), "what it costs"),
    "an unknown requirement": (lambda c: c["cases"][0].update(requirements=["RFC1-1-x"]), "no requirement RFC1-1-x"),
    "no confirmation": (lambda c: c["cases"][0].pop("confirmed_by"), "no confirmed_by"),
    "no source": (lambda c: c["cases"][0].pop("source"), "no source"),
    "no expectation": (lambda c: c["cases"][0]["steps"][0].pop("expect"), "nothing is expected"),
    "a wrong expectation": (
        lambda c: c["cases"][0]["steps"][0].update(expect={"result": "dropped"}), "the reference disagrees at step 0"
    ),
    "an unknown field": (lambda c: c["cases"][0].update(colour="red"), "colour"),
    "an odd step": (lambda c: c["cases"][0]["steps"].append({"op": "read_state", "sa": "out"}), "not for vectors"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILED)
def test_lint_complains(corpus: Path, what: str) -> None:
    """Each way of spoiling a file gives its complaint."""
    change, complaint = SPOILED[what]
    spoil(corpus, "rfc3602", change)
    assert any(complaint in said for said in lint(corpus)), list(lint(corpus))


def test_lint_wants_a_positive(corpus: Path) -> None:
    """A vector that only discards is passed by who discards everything."""
    spoil(corpus, "overflow", lambda c: c["cases"][0].update(steps=c["cases"][0]["steps"][2:]))
    assert any("only discards" in said for said in lint(corpus))


def test_lint_reads_as_others_do(corpus: Path) -> None:
    """A member that is there twice is told: readers disagree about which one counts."""
    path = corpus / "rfc7634.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"spi":', '"spi": 4711, "spi":', 1), encoding="utf-8")
    assert any("two members of one name" in said for said in lint(corpus))


def test_lint_complains_about_files(corpus: Path) -> None:
    """A missing, a foreign, an unreadable, an unexplained file, and one in another form, are each told."""
    (corpus / "overflow.json").unlink()
    shutil.copy(corpus / "rfc7634.json", corpus / "foreign.json")
    (corpus / "broken.json").write_text("{", encoding="utf-8")
    path = corpus / "rfc3602.json"
    path.write_bytes(path.read_bytes() + b"\n")
    said = "\n".join(lint(corpus))
    for expected in (
        "overflow.json is missing", "foreign.json is not made by the tool", "broken.json: not a", "rfc3602.json: not in",
        "does not say where foreign.json",
    ):  # fmt: skip
        assert expected in said


def test_build_refuses_to_break_promises(corpus: Path) -> None:
    """An id that would vanish or name other octets is refused, and nothing is written."""
    before = {path: path.read_bytes() for path in corpus.iterdir()}
    ids = files.read_ids(corpus)
    (corpus / files.IDS).write_bytes(files.ids_text(ids | {"was-once-published": "0" * 16}))
    with pytest.raises(Misuse, match="would be gone: was-once-published"):
        build.build(corpus)
    (corpus / files.IDS).write_bytes(files.ids_text(ids | {"kat-gcm16-inbound": "0" * 16}))
    with pytest.raises(Misuse, match="other octets: kat-gcm16-inbound"):
        build.build(corpus)
    assert all(path.read_bytes() == content for path, content in before.items() if path.name != files.IDS)


def test_build_restores(corpus: Path) -> None:
    """A spoiled file is made again, its confirmations are kept, and nothing else is written or left behind."""
    spoil(corpus, "gcm-test", lambda c: c.update(title="spoiled"))
    written = build.write(build.build(corpus))
    assert [path.name for path in written] == ["gcm-test.json"]
    assert (corpus / "gcm-test.json").read_bytes() == (files.FOLDER / "gcm-test.json").read_bytes()
    assert {path.name for path in corpus.iterdir()} == {path.name for path in files.FOLDER.iterdir()}


def test_confirmations_are_for_the_same_octets(corpus: Path) -> None:
    """A confirmation is not carried over to a vector with other octets."""
    spoil(corpus, "rfc7634", lambda c: c["cases"][0]["sas"][0].update(spi=4711))
    built = from_json(build.build(corpus)[corpus / "rfc7634.json"], CaseFile)
    assert built.cases[0].confirmed_by == (build.NOBODY,)
    assert built.cases[1].confirmed_by != (build.NOBODY,)


def test_who_confirms_besides_is_added(corpus: Path) -> None:
    """`--also` adds one line per vector that it does as expected, in the place of its older one, and takes none away."""
    before = {case.id: case.confirmed_by for case in files.read(files.path_of("esn-combined", corpus)).cases}
    also = [confirm.Whole("scapy")]
    text = build.build(corpus, also=also)[files.path_of("esn-combined", corpus)]
    after = {case.id: case.confirmed_by for case in from_json(text, CaseFile).cases}
    added = [name for name in after if after[name] != before[name]]
    assert added
    for name in added:
        assert after[name] == (*(one for one in before[name] if not one.startswith("scapy ")), after[name][-1])
        assert re.fullmatch(r"scapy [0-9.]+: every outcome", after[name][-1])
    assert len(added) < len(after)  # scapy has no replay window


def test_look_up_is_fitted_to_what_is_declared() -> None:
    """A vector's SA that is found by its SPI is found by its addresses too, where nothing else is declared."""
    case = next(case for case in files.vectors() if case.sas[0].direction == "in" and case.sas[0].lookup == "spi")
    narrow = msgspec.structs.replace(ReferenceAdapter().capabilities(), lookup=("spi+destination",))
    fitted = judge.fit(case, narrow)
    assert fitted.sas[0].lookup == "spi+destination"
    assert judge.compare(fitted, ReferenceAdapter().execute(fitted), narrow).verdict is Verdict.PASS


def test_the_author_cannot_confirm() -> None:
    """The reference has made the vectors."""
    with pytest.raises(Misuse, match="cannot confirm"):
        confirm.Whole("reference")


# ----------------------------------------------------------------------------------------------------------- confirmers


def some_vectors(*names: str) -> list[Vector]:
    every = [vector for content in files.CONTENTS for vector in content.make()]
    return [vector for vector in every if vector.case.id in names]


SOME = ("esn-gcm8-high-left-out", "esn-ccm8-iiv-outbound", "esn-cbc128-xcbc-inbound", "rfc3602-case-5-outbound",
        "kat-gcm16-halves-swapped", "esn-gcm16-halves-swapped")  # fmt: skip


def test_scapy_confirms_and_contradicts() -> None:
    """scapy makes the same octets, and a changed octet is a contradiction that is not passed over."""
    found = some_vectors(*SOME)
    said = dict(zip([v.case.id for v in found], confirm.Scapy().confirm(found), strict=True))
    assert said["esn-gcm8-high-left-out"].endswith("octets of each packet")
    assert said["esn-gcm16-halves-swapped"].endswith("octets of each packet")
    assert said["esn-cbc128-xcbc-inbound"] == ""
    with pytest.raises(confirm.Contradiction, match="rfc3602-case-5-outbound"):
        list(confirm.Scapy().confirm([wrong_octet(found, "rfc3602-case-5-outbound")]))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_openssl_confirms_and_contradicts() -> None:
    """openssl finds the same octets for separate algorithms, and contradicts a changed one."""
    found = some_vectors(*SOME)
    said = dict(zip([v.case.id for v in found], confirm.OpenSsl().confirm(found), strict=True))
    assert said["esn-cbc128-xcbc-inbound"].endswith("ciphertext and ICV of each packet")
    assert said["esn-gcm8-high-left-out"] == ""
    with pytest.raises(confirm.Contradiction, match="esn-cbc128-xcbc-inbound"):
        list(confirm.OpenSsl().confirm([wrong_octet(found, "esn-cbc128-xcbc-inbound")]))


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not here")
def test_wireshark_confirms_and_contradicts() -> None:
    """Wireshark opens packets with 32-bit numbers, and contradicts a changed octet."""
    found = some_vectors("rfc3602-case-5-outbound", "esn-gcm8-high-left-out", "esn-gcm16-halves-swapped")
    said = dict(zip([v.case.id for v in found], confirm.Wireshark().confirm(found), strict=True))
    assert said["rfc3602-case-5-outbound"].endswith("ICV and plaintext of each packet")
    assert said["esn-gcm16-halves-swapped"] == ""
    with pytest.raises(confirm.Contradiction, match="rfc3602-case-5-outbound"):
        list(confirm.Wireshark().confirm([wrong_octet(found, "rfc3602-case-5-outbound")]))


def wrong_octet(found: list[Vector], name: str) -> Vector:
    one = next(vector for vector in found if vector.case.id == name)
    return Vector(one.case, (dataclasses.replace(one.made[0], packet=flip(one.made[0].packet, -20)),))


# -------------------------------------------------------------------------------------------------- without our code


class Stranger:
    """An ESP receiver and sender for AES-GCM-16 tunnels, written from the README beside the files and RFC 4303 alone."""

    def __init__(self, sa: dict[str, Any]) -> None:
        self.sa = sa
        self.aes = AESGCM(bytes.fromhex(sa["encr_key"]))
        self.salt = bytes.fromhex(sa["salt"])
        self.top = int(sa.get("sequence", "0"), 16)
        self.seen = {self.top} if self.top else set()
        self.window: int = sa.get("replay_window", 64)
        self.spi = int(sa["spi"]).to_bytes(4, "big")

    def aad(self, number: int) -> bytes:
        return self.spi + number.to_bytes(8, "big")[0 if self.sa.get("esn") else 4 :]

    def send(self, packet: bytes, iv: bytes) -> bytes | None:
        number = self.top + 1
        if number >> (64 if self.sa.get("esn") else 32):
            return None
        self.top = number
        padding = bytes(range(1, 1 + -(len(packet) + 2) % 4))
        text = packet + padding + bytes([len(padding), 4 if packet[0] >> 4 == 4 else 41])
        return self.spi + number.to_bytes(8, "big")[4:] + iv + self.aes.encrypt(self.salt + iv, text, self.aad(number))

    def receive(self, esp: bytes) -> bytes | None:
        if esp[:4] != self.spi:
            return None
        number = self.guess(int.from_bytes(esp[4:8], "big"))
        if not 0 <= number < 1 << 64 or number <= self.top - self.window or number in self.seen:
            return None
        try:
            text = self.aes.decrypt(self.salt + esp[8:16], esp[16:], self.aad(number))
        except InvalidTag:
            return None
        self.seen.add(number)
        self.top = max(self.top, number)
        inner = text[: -2 - text[-2]]
        size = int.from_bytes(inner[2:4], "big") if inner[0] >> 4 == 4 else 40 + int.from_bytes(inner[4:6], "big")
        return inner[:size]

    def guess(self, low: int) -> int:
        """Appendix A: the number in the 2^32 that begin with the window's left edge."""
        if not self.sa.get("esn"):
            return low
        left = self.top - self.window + 1
        return left + (low - left) % 2**32


def test_usable_without_our_code() -> None:
    """A receiver written from the README alone, on files read with a plain JSON reader, agrees with every vector."""
    done = 0
    for path in sorted(files.FOLDER.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        assert document["format"] == "espproof-cases"
        if path.stem in ("lifetime", "not-delivered", "drop"):
            continue  # more than a stranger of fifty lines knows
        for case in document["cases"]:
            (sa, *more) = case.get("sas", [{}])
            if sa.get("encr") != "ENCR_AES_GCM_16" or sa["mode"] != "tunnel" or more:
                continue
            stranger = Stranger(sa)
            for step in case["steps"]:
                packet, expect = bytes.fromhex(step["packet"]), step["expect"]
                if step["op"] == "inbound":
                    got = stranger.receive(packet[20:] if packet[0] >> 4 == 4 else packet[40:])
                    wanted = expect.get("packet")
                else:
                    got = stranger.send(packet, bytes.fromhex(step.get("iv", "00" * 8)))
                    wanted = expect.get("packet")
                    wanted = wanted and wanted[40 if wanted[0] == "4" else 80 :]
                assert (got.hex() if got is not None else None) == wanted, (case["id"], step["note"])
            done += 1
    assert done > 140


def test_readme_names_every_file_and_default() -> None:
    """The README beside the files names each of them, each operation they use and each default they rely on."""
    text = (files.FOLDER / "README.md").read_text(encoding="utf-8")
    for content in files.CONTENTS:
        assert f"`{content.name}`" in text
    used = {type(step).__struct_config__.tag for case in files.vectors() for step in case.steps}
    for operation in used:
        assert f"`{operation}`" in text
    of_hosts = {"reqid", "mark", "if_id", "protocol"}
    absent = {field for case in files.vectors() for sa in case.sas for field in sa.__struct_fields__}
    for field in absent - {"name", "spi", "resync_trigger", "resync_limit", "encr_key", "auth_key", *of_hosts}:
        assert f"`{field}`" in text, field


# ------------------------------------------------------------------------------------------------------ command line


def invoke(*words: str) -> Any:
    return CliRunner().invoke(build_cli(), ["vectors", *words])


def test_list() -> None:
    """`list --json` has every vector with its flags explained; the table has the same number."""
    listed = json.loads(invoke("list", "--json").stdout)
    assert [one["id"] for one in listed["vectors"]] == [case.id for case in files.vectors()]
    assert {flag for one in listed["vectors"] for flag in one["flags"]} <= listed["flags"].keys()
    some = invoke("list", "--only", "esn-forged-wrap")
    assert some.exit_code == 0
    assert "4 vectors" in some.stdout


def test_run_exit_status() -> None:
    """0 if all pass, 1 if something fails, 2 for a pattern that matches nothing, 3 for an adapter that cannot start."""
    result = invoke("run", "reference", "--json", "--only", "kat-gcm16-*")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["whole"]
    assert told["verdicts"]["pass"] == told["vectors"] == len(told["results"]) == 15
    assert invoke("run", "seeded:icv-aead-high-missing", "--only", "esn-gcm16-*").exit_code == 1
    assert invoke("run", "reference", "--only", "nothing-like-it").exit_code == 2
    assert invoke("run", "no_such_module_here:Class").exit_code == 3


def test_run_shows_what_failed() -> None:
    """The table names the vector, the verdict, the step and what went wrong; several adapters are told one by one."""
    result = invoke("run", "reference", "seeded:icv-aead-high-missing", "--only", "esn-gcm16-inbound")
    assert "esn-gcm16-inbound" in result.stdout
    assert "step 0" in result.stdout
    assert "1 vectors: 1 pass" in result.stdout
    told = json.loads(invoke("run", "reference", "reference", "--json", "--only", "esn-gcm16-inbound").stdout)
    assert told["whole"]
    assert len(told["runs"]) == 2


def test_lint_and_build_commands(corpus: Path) -> None:
    """`lint` and `build --check` end with 1 if something is wrong, `build` puts it right."""
    folder = ["--folder", str(corpus)]
    assert invoke("lint", *folder).exit_code == 0
    assert invoke("build", "--check", *folder).exit_code == 0
    spoil(corpus, "overflow", lambda c: c.update(title="spoiled"))
    assert invoke("build", "--check", *folder).exit_code == 1
    (corpus / "rfc7634.json").unlink()
    assert invoke("lint", *folder).exit_code == 1
    assert json.loads(invoke("lint", "--json", *folder).stdout)["complaints"]
    assert invoke("build", *folder).exit_code == 0
    assert invoke("lint", *folder).exit_code == 0
