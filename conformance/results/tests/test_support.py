"""What should be there and is not: `lacks`, beside what an implementation just cannot be asked."""

import pytest
from msgspec.structs import replace

from espproof.adapters.capabilities import Capabilities, ReplayWindows, everything
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.oracle.verdict import Verdict
from espproof.conformance.requirements.catalogue import Level, load
from espproof.conformance.results.check import CheckResult
from espproof.conformance.results.model import requirement_verdicts
from espproof.conformance.results.support import SUPPORT, lacking
from espproof.reference.ah import GMAC

WANTED = [entry for entry in load().values() if entry.support]
ALL = everything()
LEAST = Capabilities(encryption={"ENCR_AES_GCM_16": (16,)}, replay_windows=None)


def test_what_is_wanted_is_known() -> None:
    """Each `support` of the catalogue is in the table and of a requirement that says MUST or SHOULD, and all are used."""
    wanted = {entry.support for entry in WANTED}
    assert wanted - SUPPORT.keys() == set()
    assert {entry.level for entry in WANTED} == {Level.MUST, Level.SHOULD}
    assert not [name for name in SUPPORT.keys() - wanted if not name.startswith("ENCR_")]


def test_who_can_do_everything_lacks_nothing() -> None:
    """Nor does who cannot be asked: a receiver lacks no dummy packets, a sender no window."""
    assert not [entry.id for entry in WANTED if lacking(entry, ALL)]
    receiver = {entry.support for entry in WANTED if lacking(entry, replace(LEAST, directions=("in",)))}
    sender = {entry.support for entry in WANTED if lacking(entry, replace(LEAST, directions=("out",)))}
    assert receiver == {"anti-replay", "replay window 32", "replay window of 64 or more", "esn", "integrity alone"}
    assert sender == {"dummy", "esn", "integrity alone"}


@pytest.mark.parametrize(
    ("support", "fields"),
    [
        ("anti-replay", {"replay_windows": None}),
        ("replay window 32", {"replay_windows": ReplayWindows(minimum=65, maximum=65)}),
        ("replay window of 64 or more", {"replay_windows": ReplayWindows(maximum=32)}),
        ("esn", {"esn": (False,)}),
        ("resynchronise", {"resynchronise": False}),
        ("dummy", {"dummy": False}),
        ("mode tunnel", {"modes": ("transport",)}),
        ("integrity alone", {"encryption": {"ENCR_AES_GCM_16": (16,)}}),
        ("df copy", {"df": ("set", "clear")}),
        ("ecn normal", {"ecn": ()}),
        ("ENCR_AES_CBC-128", {"encryption": {"ENCR_NULL": (0,), "ENCR_AES_CBC": (32,)}}),
        ("ENCR_AES_CTR-128", {"encryption": {"ENCR_NULL": (0,), "ENCR_AES_CTR": (24, 32)}}),
    ],
)
def test_each_is_missed(support: str, fields: dict[str, object]) -> None:
    """Without the capability the requirement is lacking."""
    assert support in {entry.support for entry in WANTED if lacking(entry, replace(ALL, **fields))}


def verdict_of(
    requirement: str, check: str, verdict: Verdict, tried: tuple[str, ...], caps: Capabilities
) -> Verdict | None:
    result = CheckResult(check=check, verdict=verdict, missing="it", tried=tried)
    return requirement_verdicts((result,), {}, caps).get(requirement)


def test_the_verdict_of_the_requirement() -> None:
    """Lacking is what no check could say anything of, neither what a check has tried nor what no check was asked for."""
    dummy = "RFC4303-2.6-dummy-generated"
    check = next(check.id for check in all_checks().values() if dummy in check.verifies)
    assert verdict_of(dummy, check, Verdict.INAPPLICABLE, (), LEAST) is Verdict.LACKS
    assert verdict_of(dummy, check, Verdict.INAPPLICABLE, (), ALL) is Verdict.INAPPLICABLE
    assert verdict_of(dummy, check, Verdict.PASS, (dummy,), LEAST) is Verdict.PASS
    assert verdict_of(dummy, "sad.several", Verdict.INAPPLICABLE, (), LEAST) is None


def test_an_algorithm_of_ah_alone() -> None:
    """Of its document counts what AH has tried; the rest is about ESP, as all of it is where AH has not the algorithm."""
    iv, size = "RFC4543-3.1-iv-unique", "RFC4543-3.1-iv-size"
    assert ALL.host is not None
    for auth, verdict in ((GMAC, Verdict.PASS), ("AUTH_HMAC_SHA1_96", Verdict.INAPPLICABLE)):
        caps = replace(LEAST, host=replace(ALL.host, ah=(auth,)))
        assert verdict_of(iv, "xfrm-ah.gmac", Verdict.PASS, (iv,), caps) is verdict
        assert verdict_of(size, "format.protects", Verdict.PASS, (), caps) is Verdict.INAPPLICABLE


def test_what_is_verified_with_others_is_lacking_by_itself() -> None:
    """Normal mode of ECN stands and falls with the field that is copied: without it, one is lacking, one inapplicable."""
    result = CheckResult(check="modes.outer-traffic-class", verdict=Verdict.INAPPLICABLE, missing="ecn")
    found = requirement_verdicts((result,), {}, replace(ALL, ecn=()))
    assert found["RFC6040-4.1-ecn-outbound"] is Verdict.INAPPLICABLE
    assert found["RFC6040-5.1-ipsec-normal"] is Verdict.LACKS
