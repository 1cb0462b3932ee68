"""IVs and nonces: unique for counter modes, unpredictable for CBC (RFC 3602 3, 3686 3.1, 4106 3.1, 4309 3.1, 7634 2)."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.shown import IV_RULES
from espproof.conformance.requirements.ids import INCREMENT
from espproof.reference.algorithms import ENCRYPTION


@check(*IV_RULES, proved_by=("iv-cbc-counter", "iv-counter-mode-repeats"))
def several_packets(s: Scenario) -> None:
    """No IV comes twice, and none of CBC's is a counter or the end of the packet before."""
    explicit = tuple(name for name in s.caps.encryption if ENCRYPTION[name].iv_size)
    s.need("an algorithm with an explicit IV", explicit)
    sa = s.outbound_sa(sequence=None, encr=s.choose(explicit))
    packet = s.small(sa)
    for _ in range(s.draw(st.integers(2, 8))):
        s.send(sa, INCREMENT, packet=packet)


@check(*IV_RULES, proved_by=("iv-lanes-share-first", "iv-repeats-in-burst"))
def burst(s: Scenario) -> None:
    """Within a burst each packet has an IV of its own."""
    sa = s.outbound_sa(sequence=0)
    s.send_burst(sa, [s.small(sa)] * s.draw(st.sampled_from((2, 5, 34))), INCREMENT)


@check(*IV_RULES, proved_by=("iv-cbc-counter", "iv-counter-mode-repeats"))
def across_the_wrap(s: Scenario) -> None:
    """The IV does not come again when the low half of the sequence number does."""
    s.need("esn", True in s.caps.esn)
    s.need("set_sequence", s.caps.set_sequence)
    sa = s.outbound_sa(sequence=2**32 - 2, esn=True)
    for _ in range(4):
        s.send(sa, INCREMENT)
