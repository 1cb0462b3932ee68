"""The structure-aware mutator: what comes out passes the ICV, and always comes out."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from espproof.adapters.models.reference import ReferenceAdapter
from espproof.fuzz.packets.associations import ASSOCIATIONS
from espproof.fuzz.packets.changes import CHANGES, Tools
from espproof.fuzz.packets.draft import Draft, drafted, finished
from espproof.fuzz.packets.mutator import Mutator
from espproof.fuzz.packets.sealed import Keys, aligned, with_trailer
from espproof.fuzz.packets.simpler import simpler
from espproof.fuzz.targets.esp_input import EspInput
from espproof.reference.drops import DropReason
from espproof.reference.esp import Opened, take_trailer

KEYS = Keys(ASSOCIATIONS)
SEEDS = tuple(EspInput.seeds().values())
MUTATOR = Mutator(KEYS, SEEDS)


def stand_in(octets: bytes, size: int) -> bytes:
    """Something like libFuzzer's Mutate: erase, insert, overwrite; the same for the same octets."""
    rng = random.Random(octets)
    at = rng.randrange(len(octets) + 1)
    return (octets[:at] + rng.randbytes(rng.randrange(5)) + octets[at + rng.randrange(5) :])[:size]


@settings(deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6))
def test_every_mutation_of_a_sealed_packet_has_a_right_icv(packet: bytes, seeds: list[int]) -> None:
    """However often a packet is mutated, its peer can open the result."""
    for seed in seeds:
        packet = MUTATOR.mutate(packet, 2048, seed, stand_in)
        assert KEYS.open(packet) is not None


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32 - 1), st.integers(1, 4096))
@example(b"", 0, 1)
def test_no_octets_make_the_mutator_raise_or_exceed_the_size(octets: bytes, seed: int, size: int) -> None:
    """Input that does not open is replaced by a good packet; where none fits, it stays as it is."""
    mutated = MUTATOR.mutate(octets, size, seed, stand_in)
    assert len(mutated) <= size or mutated == octets
    assert mutated == octets or KEYS.open(mutated) is not None


@settings(deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 2**32 - 1))
def test_the_same_seed_makes_the_same_mutation(packet: bytes, seed: int) -> None:
    """Nothing but the seed and the octets decide."""
    assert MUTATOR.mutate(packet, 2048, seed, stand_in) == MUTATOR.mutate(packet, 2048, seed, stand_in)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SEEDS), st.sampled_from([change for _, change in CHANGES]), st.integers(0, 2**32 - 1))
def test_each_change_alone_leaves_a_packet_that_can_be_sealed(
    packet: bytes, change: Callable[[Draft, Tools], None], seed: int
) -> None:
    """No change depends on another one."""
    sealed = KEYS.open(packet)
    assert sealed is not None
    draft = drafted(sealed)
    change(draft, Tools(KEYS, random.Random(seed), stand_in, 1000))
    meant = finished(draft, KEYS)
    changed = KEYS.seal(meant)
    assert changed is not None
    again = KEYS.open(changed)
    assert again is not None
    assert (again.sa, again.sequence, again.iv, again.plaintext) == (
        meant.sa,
        meant.sequence,
        meant.iv,
        meant.plaintext,
    )


def test_the_mutations_reach_every_reason_to_discard_behind_the_icv() -> None:
    """In 4,000 mutations the reference delivers, and discards for each reason that a right ICV leaves."""
    reference = ReferenceAdapter()
    outcomes: Counter[str] = Counter()
    target = EspInput(reference)
    for seed in range(4000):
        packet = target.mutate(SEEDS[seed % len(SEEDS)], 2048, seed, stand_in)
        outcome = reference.execute(target.case(packet)).steps[0]
        outcomes[getattr(outcome, "reason", "delivered")] += 1
    behind = ("padding", "dummy", "mode", "malformed", "selector", "ecn", "replay", "delivered")
    assert not [reason for reason in behind if not outcomes[reason]], outcomes
    assert not outcomes[DropReason.INTEGRITY.value]


@pytest.mark.parametrize("packet", SEEDS[::7])
def test_what_is_opened_seals_to_the_same_octets(packet: bytes) -> None:
    """`open` and `seal` are inverse."""
    sealed = KEYS.open(packet)
    assert sealed is not None
    assert KEYS.seal(sealed) == packet


@given(st.sampled_from(SEEDS))
@settings(max_examples=20, deadline=None)
def test_simpler_packets_have_a_right_icv(packet: bytes) -> None:
    """Minimising never leaves what lies behind the ICV."""
    sealed = KEYS.open(packet)
    assert sealed is not None
    for less in simpler(sealed, KEYS):
        again = KEYS.seal(less)
        assert again is not None
        assert KEYS.open(again) is not None


@settings(deadline=None)
@given(st.binary(max_size=80), st.integers(0, 255), st.sampled_from((4, 8, 16)))
def test_a_trailer_that_is_made_right_is_right(payload: bytes, next_header: int, alignment: int) -> None:
    """The payload comes back out of it; and aligning keeps the trailer."""
    plaintext = with_trailer(payload, next_header, alignment)
    opened = take_trailer(plaintext)
    assert isinstance(opened, Opened)
    assert (opened.payload, opened.next_header) == (payload, next_header)
    assert aligned(plaintext, alignment) == plaintext
    assert len(aligned(payload, alignment)) % alignment == 0
