"""What the checks about AH make of the network is possible there, and asks for nothing that is not declared."""

from ipaddress import ip_address

from msgspec.structs import replace

from espproof.adapters.capabilities import everything
from espproof.adapters.case import Emerged, Enter
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.conformance.checks.registry import all_checks
from espproof.conformance.checks.scenario import Target
from espproof.conformance.running.check import target
from espproof.conformance.running.proof import drawn
from espproof.conformance.strategies.options import OptionSpace
from espproof.reference import ip


def test_packets_that_come_in_pieces_are_let_in() -> None:
    """Both of each case, also out of a tunnel over IPv4, where AH covers the identification that fragments need."""
    adapter = ReferenceAdapter()
    over = set()
    for case in drawn(all_checks()["xfrm-ah.in-pieces"], target(adapter), examples=60, seed=1):
        came = [one for one in adapter.execute(case).steps if isinstance(one, Emerged)]
        assert sum(len(one.packets) for one in came) == 2
        over.add((case.sas[0].mode, ip_address(case.sas[0].destination).version))
    assert ("tunnel", 4) in over


def test_the_source_is_not_changed_where_an_sa_is_found_by_it() -> None:
    """Such a packet would be nobody's."""
    check = all_checks()["xfrm-ah.changed-by-somebody"]
    for lookup, is_kept in ((("spi+destination+source",), True), (("spi", "spi+destination+source"), False)):
        caps = replace(everything(), lookup=lookup)
        same = [
            str(ip_address(ip.parse(step.packet).source)) == case.sas[0].source
            for case in drawn(check, Target("any", caps, OptionSpace(caps)), examples=60, seed=1)
            for step in case.steps
            if isinstance(step, Enter)
        ]
        assert all(same) == is_kept
