"""Anti-replay: RFC 4303 3.4.3."""

from espproof.conformance.checks import check
from espproof.conformance.scenario import Scenario

NEW = "RFC4303-3.4.3-new-accepted"
DUPLICATE = "RFC4303-3.4.3-duplicate-rejected"


@check(NEW, DUPLICATE, proved_by=("F-001",))
def duplicate(s: Scenario) -> None:
    """A packet that was accepted is rejected when it comes again."""
    sa = s.inbound_sa(sequence=None, replay_window=WINDOW)
    start = int(sa.sequence)
    packet = s.receive(sa, start + 1, NEW, packet=s.packet(sa))
    s.arrives(packet, DUPLICATE)


WINDOW = tuple(range(1, 1 << 12)) and (32, 33, 63, 64, 65, 128, 1000, 1024, 4096)
