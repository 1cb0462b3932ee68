"""Configuration space and interrupts of a PCI function: what can be written, what is sent and when."""

import pytest

from espproof.reference.errors import Misuse
from espproof.reference.offload.pci import Capability, Configuration, Vectors, msix

AT = 0x70
ENTRY = (0xFEE00000).to_bytes(4, "little") + bytes(4) + (0x4041).to_bytes(4, "little") + bytes(4)


def space() -> Configuration:
    return Configuration(
        0x8086, 0x10F7, 0x020000, {0: 0x80000, 4: 0x4000},
        [Capability(1, 0x40, b"\x03\x00", b"\x00\x01"), msix(AT, 4, 4, 0x2000)],
    )  # fmt: skip


def test_the_header() -> None:
    """Vendor, device, class, the beginning of the list; what can be written of the command register."""
    one = space()
    assert (one.read(0, 4), one.read(8, 4) >> 8, one.read(6, 2)) == (0x10F78086, 0x020000, 0x10)
    one.write(4, 2, 0xFFFF)
    assert one.read(4, 2) == 0x0547
    one.write(0, 2, 0xFFFF)
    assert one.read(0, 2) == 0x8086
    assert (one.read(0xFFE, 4), one.read(0xFFE, 2)) == (0xFFFFFFFF, 0)
    one.write(0xFFE, 4, 1)


def test_a_window_tells_its_size() -> None:
    """By what is left of all ones (6.2.5.1); the other half of its address has all bits; where none is there are none."""
    one = space()
    for number, size in ((0, 0x80000), (4, 0x4000)):
        one.write(0x10 + 4 * number, 4, 0xFFFFFFFF)
        one.write(0x14 + 4 * number, 4, 0xFFFFFFFF)
        assert one.read(0x10 + 4 * number, 4) == 0x1_0000_0000 - size | 4
        assert one.read(0x14 + 4 * number, 4) == 0xFFFFFFFF
    one.write(0x18, 4, 0xFFFFFFFF)
    assert one.read(0x18, 4) == 0
    with pytest.raises(Misuse):
        one.write(0x11, 1, 0)


def test_the_list_of_capabilities() -> None:
    """Each points to the next; only bits that can be written change."""
    one = space()
    assert (one.read(0x34, 1), one.read(0x40, 2), one.read(0x70, 2)) == (0x40, 0x7001, 0x0011)
    one.write(0x42, 2, 0xFFFF)
    assert one.read(0x42, 2) == 0x0103
    assert (one.read(0x72, 2), one.read(0x74, 4), one.read(0x78, 4)) == (3, 4, 0x2004)


def test_messages_wait_until_they_may_be_sent() -> None:
    """MSI-X is on, the function is not masked, the vector is not (6.8.2): one message for all that happened before."""
    sent: list[tuple[int, int]] = []
    one = space()
    vectors = Vectors(4, one, AT, lambda address, data: sent.append((address, data)))
    vectors.write(16, ENTRY)
    assert (vectors.read(16, 16), vectors.read(12, 4), vectors.read(64, 4)) == (ENTRY, b"\1\0\0\0", bytes(4))
    vectors.signal(1)
    vectors.signal(1)
    assert (sent, vectors.pending(0, 8)) == ([], b"\2" + bytes(7))
    one.write(AT + 2, 2, 0xC000)
    vectors.flush()
    assert not sent
    one.write(AT + 2, 2, 0x8000)
    vectors.flush()
    assert sent == [(0xFEE00000, 0x4041)]
    vectors.write(28, b"\1\0\0\0")
    vectors.signal(1)
    vectors.signal(4)
    vectors.write(200, b"beyond")
    assert len(sent) == 1
    vectors.write(28, bytes(4))
    assert len(sent) == 2
    assert vectors.pending(0, 8) == bytes(8)
