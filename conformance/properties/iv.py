"""IVs and nonces: unique for counter modes, unpredictable for CBC (RFC 3602 3, 3686 3.1, 4106 3.1, 4309 3.1, 7634 2)."""

from hypothesis import strategies as st

from espproof.conformance.checks.registry import check
from espproof.conformance.checks.scenario import Scenario
from espproof.conformance.oracle.shown import IV_RULES, iv_rule
from espproof.conformance.requirements.ids import DELETED, INCREMENT, NO_CYCLE
from espproof.reference.algorithms import ENCRYPTION

CBC = ("RFC3602-3-iv-unpredictable",)


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


def explicit(s: Scenario, *, counter: bool | None = None) -> tuple[str, ...]:
    """Algorithms with an explicit IV: counter modes, CBC, or both."""
    names = tuple(
        name
        for name in s.caps.encryption
        if ENCRYPTION[name].iv_size and counter in (None, ENCRYPTION[name].block_size == 1)
    )
    s.need("an algorithm with an explicit IV", names)
    return names


def one_per_rule(s: Scenario) -> tuple[str, ...]:
    """One algorithm for each requirement on IVs."""
    return tuple({iv_rule(name): name for name in explicit(s)}.values())


@check(*IV_RULES, INCREMENT, weight=0.03, proved_by=("iv-of-sixteen-bits", "iv-of-eight-bits"))
def long_life(s: Scenario) -> None:
    """No IV comes twice among 70,000 packets of one SA."""
    sa = s.outbound_sa(sequence=0, encr=s.choose(explicit(s)), udp=False)
    packet = s.small(sa)
    for numbers in s.batches(s.long_life()):
        s.send_burst(sa, [packet] * len(numbers), INCREMENT)
    for name in one_per_rule(s):
        other = s.outbound_sa(sequence=0, encr=name)
        s.send_burst(other, [s.small(other)] * 2, INCREMENT)


@check(*IV_RULES, proved_by=("iv-counter-per-sa",))
def one_key(s: Scenario) -> None:
    """Two SAs that have the same key and salt, side by side: what was an IV of one is none of the other."""
    for name in one_per_rule(s):
        one = s.outbound_sa(sequence=0, encr=name)
        two = s.with_fields(one, name=f"{one.name}-twin", spi=one.spi ^ 0x0101)
        for first in s.draw(st.lists(st.booleans(), min_size=3, max_size=6)):
            s.send(one if first else two, INCREMENT)
        s.send_burst(two, [s.small(two)] * 3, INCREMENT)
        s.send_burst(one, [s.small(one)] * 3, INCREMENT)


@check(*IV_RULES, proved_by=("iv-counter-per-sa",))
def made_again(s: Scenario) -> None:
    """An SA that is deleted and made again with its key and salt goes on with other IVs."""
    sa = s.outbound_sa(sequence=0, encr=s.choose(explicit(s)))
    for _ in range(s.draw(st.integers(1, 3))):
        for _ in range(s.draw(st.integers(1, 3))):
            s.send(sa, INCREMENT)
        s.delete(sa, DELETED)
        s.add(sa, DELETED)
    s.send(sa, INCREMENT)
    s.send_burst(sa, [s.small(sa)] * 2, INCREMENT)


@check(*CBC, proved_by=("iv-cbc-same-for-all-keys",))
def two_keys(s: Scenario) -> None:
    """With CBC who has seen the IVs of one SA knows none of another, which has other keys, nor of one that follows it."""
    one = s.outbound_sa(sequence=0, encr=s.choose(explicit(s, counter=False)))
    two = s.with_fields(one, name=f"{one.name}-other", spi=one.spi ^ 0x0101, **s.fresh_keys(one, 1))
    for sa in (one, two, one, two):
        s.send(sa, INCREMENT)
    if s.caps.delete_sa:
        s.delete(one, DELETED)
        again = s.changed(one, **s.fresh_keys(one, 2))
        s.add(again, DELETED)
        s.send(again, INCREMENT)
        s.send(again, INCREMENT)


@check(*IV_RULES, proved_by=("iv-repeats-behind-burst",))
def bursts_and_singles(s: Scenario) -> None:
    """Bursts, single packets and packets that cannot be sent, in turn: each IV is new."""
    sa = s.outbound_sa(sequence=0, encr=s.choose(explicit(s)))
    packet = s.small(sa)
    for size in s.draw(st.lists(st.sampled_from((0, 1, 2, 5, 33)), min_size=2, max_size=6)):
        if size:
            s.send_burst(sa, [packet] * size, INCREMENT)
        else:
            s.send(sa, INCREMENT, packet=packet)


@check(*IV_RULES, proved_by=("iv-of-last-number",))
def at_the_end_of_numbers(s: Scenario) -> None:
    """The IVs are new up to the last number, and a packet that has none left is not sent with an old one."""
    s.need("set_sequence", s.caps.set_sequence)
    esn = s.choose(tuple(sorted(s.caps.esn)))
    sa = s.outbound_sa(sequence=(2**64 if esn else 2**32) - 4, esn=esn, encr=s.choose(explicit(s)))
    for _ in range(3):
        s.send(sa, INCREMENT)
    s.send(sa, NO_CYCLE)
