"""The half-window arithmetic, proved for every window, number and number of packets in between, and seen to fail."""

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from espproof.reference.offload.connectx.esn import HalfWindow, high_half, of_bottom
from espproof.reference.sequence import reconstruct

HALF, SPACE = 2**31, 2**32
BITS = 66
"""Two more than a number has, so that nothing wraps in a proof."""


def number(name: str) -> z3.BitVecRef:
    return z3.BitVec(name, BITS)


def right(low: z3.BitVecRef, bottom: z3.BitVecRef) -> z3.BitVecRef:
    """RFC 4303 A2.2: the one number with these low bits from the bottom of the window on, 2^32 of them."""
    there = bottom + ((low - bottom) & (SPACE - 1))
    return z3.LShR(there, 32)


def taken(low: z3.BitVecRef, told: z3.BitVecRef) -> z3.BitVecRef:
    """What the device takes that was told of a window which began at `told`."""
    overlap = z3.Extract(31, 31, told) == 1
    return z3.LShR(told, 32) + z3.If(z3.And(overlap, z3.ULT(low, HALF)), z3.BitVecVal(1, BITS), z3.BitVecVal(0, BITS))


def differ(window: int | z3.BitVecRef, allowed: int | z3.BitVecRef, told_at: str = "bottom") -> z3.Solver:
    """Is there a number which device and receiver take for different ones? The device was told of a window that began at
    `told`; since then the highest number has come to `top`, and the packet is at most `allowed` numbers ahead of where the
    window entered the half that the device does not know of yet."""
    told, top, packet, entered = number("told"), number("top"), number("packet"), number("entered")
    bottom = top - window + 1
    solver = z3.Solver()
    solver.add(z3.ULT(top, 2**64), z3.ULE(told, bottom), z3.UGE(top, window - 1), z3.ULT(told, 2**64))
    solver.add(entered == (z3.LShR(told, 31) + 1) << 31)  # where the next half begins
    solver.add(z3.UGE(packet, bottom), z3.ULT(packet, bottom + SPACE), z3.ULT(packet, 2**64))
    solver.add(z3.ULT(packet, entered + allowed))
    low = packet & (SPACE - 1)
    solver.add(right(low, bottom) != taken(low, told))
    return solver


def test_told_in_time_the_two_agree() -> None:
    """For every window up to 2^31: on all that is less than 2^31 ahead of where the window has entered another half."""
    window = number("window")
    solver = differ(window, HALF)
    solver.add(z3.UGE(window, 1), z3.ULE(window, HALF))
    assert solver.check() == z3.unsat


def test_told_later_than_that_they_do_not() -> None:
    """One number more, and there is a packet that the device takes for another."""
    assert differ(64, HALF + 1).check() == z3.sat


def test_a_window_that_reaches_back_must_not_begin_at_zero() -> None:
    """The Linux driver takes 0 for the beginning of a window that reaches back over the end of the low half: what is late
    there is then taken for what is 2^32 ahead."""
    top, packet = number("top"), number("packet")
    window = 64
    bottom = top - window + 1
    low_top = top & (SPACE - 1)
    told = z3.If(z3.ULT(low_top, window), top - low_top, bottom)
    solver = z3.Solver()
    solver.add(z3.ULT(top, 2**64), z3.UGE(top, window - 1), z3.UGE(packet, bottom), z3.ULE(packet, top))
    low = packet & (SPACE - 1)
    solver.add(right(low, bottom) != taken(low, told))
    assert solver.check() == z3.sat
    found = solver.model()
    assert found[top].as_long() % SPACE < window - 1  # and there alone
    solver.add(z3.UGE(low_top, window - 1))
    assert solver.check() == z3.unsat


@given(
    high=st.integers(0, 2**31), at=st.sampled_from([0, 1, HALF - 1, HALF, HALF + 1, SPACE - 1]),
    window=st.sampled_from([1, 32, 64, 128, 4096, HALF]), ahead=st.one_of(st.integers(-40, 40), st.integers(0, HALF)),
)  # fmt: skip
def test_as_the_reference_takes_it(high: int, at: int, window: int, ahead: int) -> None:
    """The code is what was proved."""
    top = (high << 32 | at) + window
    bottom = top - window + 1
    packet = max(top + ahead, bottom)
    whole = reconstruct(packet % SPACE, top, window)
    agree = whole is not None and high_half(of_bottom(bottom), packet % SPACE) == whole >> 32
    assert agree or packet >= (bottom >> 31 << 31) + SPACE


@pytest.mark.parametrize(
    ("known", "low", "high"),
    [
        (HalfWindow(7, False), 0, 7), (HalfWindow(7, False), HALF, 7), (HalfWindow(7, True), HALF, 7),
        (HalfWindow(7, True), HALF - 1, 8), (HalfWindow(SPACE - 1, True), 0, 0),
    ],
)  # fmt: skip
def test_what_a_half_window_says(known: HalfWindow, low: int, high: int) -> None:
    """Behind the last number there is none: the device wraps."""
    assert high_half(known, low) == high
