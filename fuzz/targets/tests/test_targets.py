"""The targets and their seeds, without a fuzzer."""

import dataclasses
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.base import AdapterError
from espproof.adapters.capabilities import Capabilities, everything
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.registry import open_adapter
from espproof.fuzz import seeds
from espproof.fuzz.packets.associations import ASSOCIATIONS, fitting
from espproof.fuzz.targets import TARGETS, Target, Violation, by_name
from espproof.fuzz.targets.comparison import with_outcomes
from espproof.fuzz.targets.parser import Parser
from espproof.fuzz.targets.xfrm_netlink import Unfaithful
from espproof.fuzz.triage import regressions
from espproof.reference.errors import Misuse


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_the_seeds_in_the_corpus_are_current(target: type[Target]) -> None:
    """Run `python -m espproof.fuzz.seeds` when this fails, and look at what it changes."""
    assert seeds.stale(target) == {}


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_seeds_show_nothing_on_the_reference_whatever_was_before(target: type[Target]) -> None:
    """Each input finds the target as if it were the first: all seeds twice, in two orders."""
    it, inputs = target(ReferenceAdapter()), list(target.seeds().values())
    for octets in inputs + inputs[::-1]:
        it.one_input(octets)


PARSER = Parser(ReferenceAdapter())


@settings(deadline=None)
@given(st.binary(max_size=120))
def test_any_octets_are_parsed_or_refused(octets: bytes) -> None:
    """The parser target raises for nothing on the reference."""
    PARSER.one_input(octets)


@settings(deadline=None)
@given(st.sampled_from(list(Parser.seeds().values())), st.integers(0, 2**32 - 1))
def test_damaged_packets_are_parsed_or_refused(octets: bytes, seed: int) -> None:
    """Nor for a packet in which a few octets are others."""
    rng, damaged = random.Random(seed), bytearray(octets)
    for _ in range(rng.randrange(1, 4)):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    PARSER.one_input(bytes(damaged))


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_every_seed_is_a_case_that_the_reference_meets(target: type[Target]) -> None:
    """What a target does with octets is what the Case made of them does."""
    reference = ReferenceAdapter()
    it = target(reference)
    for octets in target.seeds().values():
        case = with_outcomes(it.case(octets))
        assert regressions.differences(case, reference) == []


def test_a_target_that_differs_from_the_reference_raises_and_goes_on() -> None:
    """An implementation that takes first fragments is found by the parser, each time, and nothing else of it."""
    it = Parser(open_adapter("seeded:fragments-first-accepted"))
    inputs = Parser.seeds()
    for _ in range(2):
        with pytest.raises(Violation, match="expected dropped"):
            it.one_input(inputs["fragment-4"])
        it.one_input(inputs["esp-gcm-tunnel"])


def test_state_that_changes_before_the_icv_is_checked_is_found_on_raw_octets() -> None:
    """A wrong ICV that moves the window shows in the state that is read back."""
    it = Parser(open_adapter("seeded:anti-replay-advance-before-icv"))
    packet = bytearray(Parser.seeds()["esp-gcm-tunnel"])
    packet[-1] ^= 1
    packet[27] += 3  # the sequence number
    with pytest.raises(Violation, match=r"RFC4303-3\.4\.3-window-after-icv"):
        it.one_input(bytes(packet))


def test_sas_are_made_plainer_for_those_who_can_do_less() -> None:
    """An implementation without windows and set state still gets SAs; one with nothing is told."""
    less = Capabilities(encryption={"ENCR_AES_GCM_16": (16,)}, replay_windows=None)
    assert [(sa.name, sa.replay_window, int(sa.sequence)) for sa in fitting(less)] == [("gcm-tunnel", 0, 0)]
    with pytest.raises(AdapterError, match="none of the SAs"):
        fitting(Capabilities(encryption={}))
    assert fitting(everything()) == ASSOCIATIONS


def test_an_unknown_target_names_those_that_there_are() -> None:
    with pytest.raises(Misuse, match="parser, esp-input"):
        by_name("nope")


@pytest.mark.parametrize("reader", [lambda octets: {}[octets], len], ids=["raises", "loses"])
def test_a_reader_of_netlink_that_raises_or_loses_something_is_found(
    reader: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the reader of one attribute makes of octets must be a value that can be written."""
    from espproof.adapters.linux.netlink import xfrm

    kinds = {names: dict(kinds) for names, kinds in xfrm.KINDS.items()}
    kind = kinds[xfrm.Attribute][xfrm.Attribute.SRCADDR]
    kinds[xfrm.Attribute][xfrm.Attribute.SRCADDR] = dataclasses.replace(kind, decode=reader)
    it = by_name("xfrm-netlink")(ReferenceAdapter())
    it.one_input(it.seeds()["newsa"])
    monkeypatch.setattr(xfrm, "KINDS", kinds)
    with pytest.raises((KeyError, Unfaithful)):
        it.one_input(it.seeds()["newsa"])
