"""A real result with deviations, and the same from an implementation that wants to get into the page."""

import msgspec
import pytest

from espproof.conformance.results.model import RunResult, count
from espproof.conformance.running import suite
from espproof.conformance.running.check import Profile

HOSTILE = (
    '</script><img src=x onerror="window.hacked=1">\'\x01\ud83d\ude00<!-- <script>window.hacked=1</script> {{7*7}}'
)
ONLY = "tfc.*,sad.spi-zero,sad.deleted,modes.inner-length,modes.ipv6-extensions-out,padding.wrong-octets,lifetime.*"


@pytest.fixture(scope="session")
def found() -> RunResult:
    """A quick run of some checks against scapy: failures, a warning, a crash, passes, inapplicable checks."""
    return suite.run("scapy", profile=Profile.QUICK, seed=1, only=ONLY)


@pytest.fixture(scope="session")
def reference() -> RunResult:
    return suite.run("reference", profile=Profile.QUICK, seed=1, only=ONLY)


@pytest.fixture(scope="session")
def hostile(found: RunResult) -> RunResult:
    """Every string that an adapter, or whoever wrote the file, chooses."""
    text = HOSTILE.encode("utf-16", "surrogatepass").decode("utf-16")
    replace = msgspec.structs.replace
    changed = [
        replace(
            check,
            missing=check.missing and text,
            behaviours={text: {text: 1}},
            counterexamples=tuple(
                replace(
                    one,
                    message=text,
                    requirement=one.requirement if number else f"RFC1-1-{text}",
                    case=replace(one.case, title=text, sas=tuple(replace(sa, encr=text) for sa in one.case.sas)),
                )
                for number, one in enumerate(check.counterexamples)
            ),
        )
        for check in found.checks
    ]
    said = {one.requirement: one.verdict for check in changed for one in check.counterexamples}
    requirements = {**found.requirements, **said}
    return replace(
        found,
        adapter=text,
        adapter_version=text,
        profile=text,
        only=text,
        whole=False,
        not_whole_because=text,
        expected={next(iter(said)): text},
        requirements=requirements,
        verdicts=count(requirements),
        checks=tuple(changed),
    )
