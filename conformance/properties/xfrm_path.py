"""The way of a packet through a host: protected where a policy says so, delivered where it was, and counted where not."""

from espproof.conformance.checks.host import HostScenario
from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.requirements.ids import ACCEPTED


@check(ACCEPTED)
def there_and_back(s: Scenario) -> None:
    """A gateway protects what a policy is for and lets in what came protected, and neither counts an error."""
    h = HostScenario(s)
    out = h.sa("out", mode="tunnel")
    back = h.sa("in", mode="tunnel", family=f"{s.versions(out)[0]}in{s.outer_version(out)}")
    version = s.choose(s.versions(out))
    h.policy("out", h.outgoing(version), h.template(out), about=ACCEPTED)
    h.policy("forward", h.incoming(version), h.template(back), about=ACCEPTED)
    for number in (1, 2):
        h.enters("plain", h.outgoing(version), ACCEPTED)
        h.enters("wire", s.peer(back).protect(h.incoming(version), number), ACCEPTED)
    h.counters(ACCEPTED)
