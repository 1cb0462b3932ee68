"""The corpus of vectors: right on the reference, and able to fail."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espproof.adapters.base import Adapter, AdapterError, Crashed, Hung, Transcript
from espproof.adapters.capabilities import Capabilities, ReplayWindows
from espproof.adapters.case import (
    Case,
    Delivered,
    Dropped,
    Octets,
    Outbound,
    Refused,
    Sa,
    Sent,
    Step,
)
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.conformance.oracle.judgement import SETUP
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.vectors import files, judge
from espproof.reference import ip

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
