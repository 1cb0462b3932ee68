"""The arithmetic of the talk, and where the octets on the bus come from."""

import pytest

from espproof.reference.errors import Misuse
from espproof.reference.offload.estimate import COVERED, ICV, IV, estimate
from espproof.reference.offload.lookaside.device import Lookaside
from espproof.reference.offload.lookaside.driver import Driver
from espproof.reference.offload.lookaside.messages import Cipher, Operation, Session
from espproof.reference.offload.memory import Arena


def test_the_figures_of_the_talk() -> None:
    """40 Gbit/s of 90 octets use 2^25 to 2^26 numbers a second: a 32-bit SA lasts about two minutes."""
    found = estimate(40e9, 90)
    assert 2**25 < found.packets < 2**26
    assert 60 < found.short_lasts < 120
    assert found.long_lasts / found.short_lasts == 2**32
    assert found.updates * (2**31 / found.packets) == 1
    assert found.patience < 1 / found.updates


def test_the_bus_beside_is_what_the_model_counts() -> None:
    """But for the way of the sealed packet to the network card, with its descriptor and report."""
    memory = Arena(1 << 16)
    device = Lookaside(memory)
    driver = Driver(device, memory)
    session = driver.open_session(Session(Cipher.AES_GCM, ICV, bytes(16), b"salt"))
    ticket = driver.submit(Operation.SEAL, session, bytes(COVERED), bytes(IV), bytes(100))
    assert ticket is not None
    driver.result(ticket)
    found = estimate(1e9, 100).beside
    assert found.to_device - device.crossings.to_device == 16 + 116
    assert found.from_device - device.crossings.from_device == 16
    assert found.transfers - device.crossings.transfers == 3


@pytest.mark.parametrize(("bits", "frame", "window"), [(0, 90, 64), (1e9, 63, 64), (1e9, 90, 0), (1e9, 90, 2**31 + 1)])
def test_what_is_no_link(bits: float, frame: int, window: int) -> None:
    with pytest.raises(Misuse):
        estimate(bits, frame, window)
