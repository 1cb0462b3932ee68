"""When two findings are the same one."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

from espproof.adapters.registry import open_adapter
from espproof.fuzz.targets import Violation
from espproof.fuzz.targets.esp_input import EspInput
from espproof.fuzz.triage.signature import signature


def _raised(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_same_mistake_has_the_same_key_whatever_the_octets_are() -> None:
    """Type and innermost frames make the key of an exception, words without numbers that of a deviation."""

    def boom(text: Any) -> int:
        return int(text)

    keys = {signature(_raised(partial(boom, text))).key for text in ("x", "yy")}
    assert len(keys) == 1
    assert signature(_raised(lambda: boom([]))).key not in keys
    one, two = (Violation("R-1", f"octet {n} is {n:#04x}") for n in (1, 200))
    assert signature(one).key == signature(two).key
    assert signature(one).key != signature(Violation("R-1", "delivered 5 octets")).key
    assert signature(one).kind == "deviation"
    assert signature(one).key == "deviation-ba044c02", "keys are published"


def test_a_crash_of_an_adapter_is_known_by_where_its_cause_was_raised() -> None:
    """Not by the line of the adapter that reports it."""
    it = EspInput(open_adapter("seeded:padding-length-unchecked"))
    sealed = it.keys.open(next(iter(EspInput.seeds().values())))
    assert sealed is not None
    packet = it.keys.seal(dataclasses.replace(sealed, plaintext=b"\x01\x02\xff\x04"))
    assert packet is not None
    error = signature(_raised(lambda: it.one_input(packet)))
    assert error.kind == "crash"
    assert error.frames[-1].split(":")[:2] == ["espproof_seeded_padding_length_unchecked.esp", "take_trailer"]
    assert "take_trailer" in error.trace
