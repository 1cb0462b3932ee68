"""The PF's driver and those of functions: who may have SAs, whose they are, and what resets leave of them."""

from dataclasses import replace
from errno import EACCES, EEXIST, EINVAL, EIO, ENOENT, ENOSPC, EOPNOTSUPP, EPERM

import pytest

from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.niantic import mailbox, virtual
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.device import I82599
from espproof.reference.offload.niantic.driver import OffloadedSa
from espproof.reference.offload.niantic.tables import SAS
from espproof.reference.offload.niantic.virtual_port import MOST, VirtualPort

IN = OffloadedSa("in", 0x01020304, bytes((10, 0, 0, 2)), bytes(range(16)), b"salt")
WIDE = replace(IN, address=bytes(range(16)), spi=7)


def refused(error: int) -> str:
    return f"error {error}$"


@pytest.mark.parametrize("sa", [IN, WIDE, replace(IN, direction="out", protocol=51)])
def test_an_sa_fits_into_a_message(sa: OffloadedSa) -> None:
    """Thirteen words, in the order of Linux' struct sa_mbx_msg."""
    words = mailbox.words_of(sa)
    assert (len(words), words[0], words[1]) == (12, 0x0D, int.from_bytes(sa.spi.to_bytes(4, "big"), "little"))
    assert words[2] == {"in": 1, "out": 2}[sa.direction] | sa.protocol << 8 | (2 if len(sa.address) == 4 else 10) << 16
    assert b"".join(word.to_bytes(4, "little") for word in words[3:7]) == sa.address.ljust(16, b"\0")
    assert b"".join(word.to_bytes(4, "little") for word in words[7:]) == sa.key + sa.salt
    assert mailbox.sa_of(words + (0,) * 4) == sa


@pytest.mark.parametrize("word", [0x00023203, 0x00033201])
def test_what_is_no_sa(word: int) -> None:
    """A direction or a family that there is not."""
    words = list(mailbox.words_of(IN) + (0,) * 4)
    words[2] = word
    with pytest.raises(mailbox.Declined, match=refused(EINVAL)):
        mailbox.sa_of(tuple(words))


def test_who_may_have_what() -> None:
    """Trusted functions, inbound SAs, and no two alike; nobody deletes another's."""
    port = VirtualPort()
    mine, twin, stranger = port._drivers
    handle = mine.add(IN)
    place = mine.sas[handle.index].place
    assert place is not None
    for driver, sa, error in (
        (stranger, WIDE, EACCES),
        (twin, replace(IN, key=bytes(16)), EEXIST),
        (mine, replace(WIDE, direction="out"), EOPNOTSUPP),
    ):
        with pytest.raises(Refused, match=refused(error)):
            driver.add(sa)
    for driver, index, error in ((twin, place, ENOENT), (twin, SAS, EINVAL), (stranger, place, EACCES)):
        with pytest.raises(Refused, match=refused(error)):
            driver.ask_to_delete(index)
    twin.ask_to_delete(place + 1)
    with pytest.raises(Refused, match=refused(EOPNOTSUPP)):
        mine._asked((0x33,))
    assert (port.entries, port.left) == (1, 0)
    mine.delete(handle)
    with pytest.raises(Misuse):
        mine.delete(handle)
    assert (port.entries, port.left) == (0, 0)


def test_who_has_not_been_reset_may_nothing() -> None:
    """After a reset of the chip a function is to begin anew."""
    port = VirtualPort()
    port.pf.reset()
    with pytest.raises(Refused, match=refused(EPERM)):
        port.driver.add(IN)


def test_a_full_table() -> None:
    """As many as the chip has room for, whoever's."""
    port = VirtualPort(I82599)
    for number in range(SAS):
        port.driver.add(replace(IN, spi=256 + number))
    with pytest.raises(Refused, match=refused(ENOSPC)):
        port.driver.add(IN)
    assert (port.entries, MOST) == (SAS, SAS // 2)


def test_sas_live_through_resets() -> None:
    """Of the chip, and of the function: then under other handles of the PF's, and only those are deleted."""
    port = VirtualPort(I82599)
    first = port.driver.add(IN)
    second = port.driver.add(WIDE)
    port.driver.delete(first)
    third = port.driver.add(replace(IN, spi=9))
    before = [port.driver.sas[one.index].place for one in (second, third)]
    port.reset()
    assert [port.driver.sas[one.index].place for one in (second, third)] == before[::-1]
    port.driver.delete(third)
    assert (port.entries, port.left, port.has(second)) == (1, 0, True)
    port.reset()
    assert (port.entries, port.left, port.has(second), sorted(port.pf.owners.values())) == (1, 0, True, [0])
    port.pf.driver.stop()
    port.driver.delete(second)
    assert (port.entries, port.left) == (0, 0)


def test_a_case_begins_with_nothing_of_another() -> None:
    """Whatever a driver before has forgotten, and others have that they ought not to."""
    port = VirtualPort()
    port.driver.add(IN)
    port._twin.add(WIDE)
    port.driver.sas.clear()
    assert port.entries == 2
    port.calm()
    assert (port.entries, port.left, port.pf.owners) == (0, 0, {})


def test_no_key_is_left_in_a_mailbox() -> None:
    """Nor of an SA that is refused."""
    port = VirtualPort()
    port.driver.add(IN)
    with pytest.raises(Refused):
        port._stranger.add(WIDE)
    words = [port.chip.values.word(r.PFMBMEM, n) for n in range(3 * 16)]
    assert not any(word for n, word in enumerate(words) if n % 16 > 2)


def test_what_was_to_be_deleted_is_deleted_later() -> None:
    """By the next request that the PF answers, before it asks for anything; a place of somebody else's is left alone."""
    port = VirtualPort()
    handle = port.driver.add(IN)
    serve, port.pf.serve = port.pf.serve, lambda: None  # type: ignore[method-assign]
    port.driver.delete(handle)
    assert (port.has(handle), port.entries) == (False, 1)
    port.pf.serve = serve  # type: ignore[method-assign]
    port.chip.functions[0].reset()
    port.driver.reset()
    assert port.entries == 0
    handle = port.driver.add(IN)
    port.pf.serve = lambda: None  # type: ignore[method-assign]
    port.driver.delete(handle)
    port.pf.serve = serve  # type: ignore[method-assign]
    port.driver.add(IN)
    assert (port.entries, len(port.pf.owners)) == (1, 1)
    port._twin._doubtful.append(0)
    port._twin.add(WIDE)
    assert len(port.pf.owners) == 2


def test_an_engine_that_does_not_start() -> None:
    """Is an answer too."""
    port = VirtualPort()
    port.chip.polls_to_drain = 10**6
    with pytest.raises(Refused, match=refused(EIO)):
        port.driver.add(IN)


def test_what_a_reset_costs() -> None:
    """An SA that the PF does not take again is not in the chip, and is the driver's to delete all the same."""
    port = VirtualPort()
    handle = port.driver.add(IN)
    port.pf._trusted = frozenset()
    port.driver.reset()
    assert (port.has(handle), port.entries, port.left) == (False, 0, 0)
    port.driver.delete(handle)


def test_a_pf_that_says_nothing() -> None:
    """Is waited for, not for ever."""
    port = VirtualPort()
    port.pf.serve = lambda: None  # type: ignore[method-assign]
    with pytest.raises(Dead, match="PFSTS"):
        port.driver.add(IN)


def test_a_mailbox_that_is_taken() -> None:
    """The PF answers later."""
    port = VirtualPort()
    function = port.chip.functions[0]
    function.write(virtual.VFMAILBOX.offset, virtual.VFMAILBOX.encode(VFU=1, REQ=1))
    port.pf.serve()
    assert port.chip.functions[0].values.get(virtual.VFMAILBOX, "PFSTS") == 0
    function.write(virtual.VFMAILBOX.offset, 0)
    port.pf.serve()
    assert port.chip.functions[0].values.get(virtual.VFMAILBOX, "PFSTS") == 1


def test_what_the_stack_is_told() -> None:
    """Nothing is sent by an SA of a function."""
    port = VirtualPort()
    with pytest.raises(Misuse):
        port.send(b"E" + bytes(40), port.driver.add(IN))
    assert port.send(b"E" + bytes(40), None) == [b"E" + bytes(40)]
