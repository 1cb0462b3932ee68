"""What a connection of the host's own is told, what its peer says, and which answers mean a discarded packet."""

import errno

import pytest

from espproof.adapters.linux.inside import later
from espproof.adapters.linux.inside.discards import lets_out
from espproof.adapters.linux.inside.later import Lacking, Later
from espproof.adapters.linux.inside.senders import Unsendable
from espproof.adapters.linux.inside.streams import Segment, Stream
from espproof.conformance.strategies import packets, upper_layers
from espproof.reference import ip

_FRONT = bytes.fromhex("1f902710fffffff00506070850182000")


def _segment(version: int, *, front: bytes = _FRONT, length: int = 40) -> bytes:
    ends = packets.hosts(version, "out")
    content = upper_layers.upper_layer(upper_layers.TCP, length, ends, front=front)
    recipe = packets.Recipe(version=version, protocol=upper_layers.TCP, content=content, flow_label=0, ttl=64)
    return packets.build(recipe, *ends)


@pytest.mark.parametrize("version", [4, 6])
def test_a_segment_is_read(version: int) -> None:
    """Ends, ports, numbers, and what is to be written."""
    segment = Segment.of(_segment(version))
    assert (segment.ports, segment.number, segment.acknowledged) == ((0x1F90, 0x2710), 0xFFFFFFF0, 0x05060708)
    assert (segment.version, len(segment.content), segment.ttl) == (version, 40, 64)


@pytest.mark.parametrize("flags", [0x11, 0x12, 0x90, 0x00])
def test_what_no_connection_writes_is_unsendable(flags: int) -> None:
    """FIN, SYN, CWR, or no ACK."""
    with pytest.raises(Unsendable):
        Segment.of(_segment(4, front=_FRONT[:13] + bytes((flags,)) + _FRONT[14:]))


@pytest.mark.parametrize("packet", [b"", b"\x45", bytes(60), _segment(4)[:30]])
def test_what_is_no_segment_is_unsendable(packet: bytes) -> None:
    """Nothing of it is looked at beyond its end."""
    with pytest.raises(Unsendable):
        Segment.of(packet)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("lost", [0, 10])
def test_a_peer_acknowledges(version: int, lost: int) -> None:
    """Everything, or all but the first octets (RFC 2018), with right checksums; numbers begin anew behind the last."""
    stream = Stream.__new__(Stream)
    stream._first = Segment.of(_segment(version))
    stream.begin, stream.next = stream._first.number, stream._first.number + 40
    whole = ip.parse(stream.acknowledgement(lost))
    assert (whole.source, whole.destination) == packets.hosts(version, "out")[::-1]
    assert upper_layers.checksum_of(upper_layers.TCP, whole.payload, (whole.source, whole.destination)) in (
        whole.payload[16:18],
        b"\xff\xff" if whole.payload[16:18] == b"\0\0" else b"",
    )
    number = whole.payload[8:12]
    assert number == (b"\xff\xff\xff\xf0" if lost else b"\x00\x00\x00\x18")
    assert whole.payload[20:] == (bytes.fromhex("0101050afffffffa00000018") if lost else b"")


def test_a_discarded_packet_is_no_mistake_of_ours() -> None:
    """And an address that there is not is one."""

    def fails(number: int) -> None:
        raise OSError(number, "")

    assert lets_out(int)
    for number in (errno.EPERM, errno.EMSGSIZE, errno.EAGAIN):
        assert not lets_out(fails, number)
    for number in (errno.EADDRNOTAVAIL, errno.EBADF, errno.EIO):
        with pytest.raises(OSError, match=rf"\[Errno {number}\]"):
            lets_out(fails, number)


def test_a_kernel_without_templates_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a line: who asked for `linux:pcrypt` of a kernel without CRYPTO_USER has made no mistake to trace."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPROTONOSUPPORT, "Protocol not supported")

    monkeypatch.setattr("socket.socket", refuse)
    with pytest.raises(Lacking, match="CRYPTO_USER"):
        Later("pcrypt")


def test_a_cipher_is_settled_when_the_kernel_has_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is asked about again."""
    entry = "name : gcm\ndriver : gcm-lib\npriority : 1\nasync : no\n"
    monkeypatch.setattr(later, "_ciphers", lambda: entry)
    made = Later.__new__(Later)
    made._template, made._settled = "pcrypt", set()
    refusals = [OSError("no")]

    def put(driver: str, cipher: str) -> bool:
        if refusals:
            raise refusals.pop()
        return True

    monkeypatch.setattr(made, "_is_put_behind", put)
    with pytest.raises(OSError, match="no"):
        made.is_new("gcm")
    assert made.is_new("gcm")
    assert not made.is_new("gcm")
