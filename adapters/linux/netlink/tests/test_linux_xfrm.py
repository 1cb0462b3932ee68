"""The codec of xfrm messages: sizes of the kernel's structs, both directions, octets of anybody."""

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.linux.netlink import netlink, xfrm
from espproof.adapters.linux.netlink.xfrm import Attribute, Request, Type


@pytest.mark.parametrize(
    ("record", "size"),
    [
        (xfrm.Selector, 56),
        (xfrm.Id, 24),
        (xfrm.SaInfo, 224),
        (xfrm.SaId, 24),
        (xfrm.PolicyInfo, 168),
        (xfrm.PolicyId, 64),
        (xfrm.Template, 64),
        (xfrm.EventId, 48),
        (xfrm.Expired, 232),
        (xfrm.Encapsulation, 24),
        (xfrm.Offload, 8),
    ],
)
def test_a_record_has_the_size_of_the_kernels_struct(record: type[netlink.Record], size: int) -> None:
    """As sizeof() gives it on 64-bit machines."""
    assert record.size() == size == len(record().encode())


_SA = Request(
    Type.NEWSA,
    xfrm.SaInfo(
        selector=xfrm.Selector(xfrm.address("203.0.113.16"), destination_prefix=28, family=xfrm.AF_INET, protocol=17),
        id=xfrm.Id(xfrm.address("192.0.2.17"), 0x01020304),
        source=xfrm.address("198.51.100.42"),
        limits=xfrm.Limits(hard_packets=7),
        reqid=5,
        mode=xfrm.TUNNEL,
        flags=int(xfrm.SaFlag.ESN),
    ),
    {
        Attribute.ALG_AEAD: xfrm.Algorithm("rfc4106(gcm(aes))", bytes(range(20)), 128),
        Attribute.ENCAP: xfrm.Encapsulation(source_port=4501),
        Attribute.REPLAY_ESN_VAL: xfrm.ReplayEsn(1, 2, 3, 4, 40, (5, 6)),
        Attribute.OFFLOAD_DEV: xfrm.Offload(3, 2),
        Attribute.IF_ID: 9,
        Attribute.TFCPAD: 100,
        Attribute.LTIME_VAL: xfrm.Used(1, 2, 3, 4),
    },
)
_POLICY = Request(
    Type.UPDPOLICY,
    xfrm.PolicyInfo(direction=xfrm.OUT),
    {Attribute.TMPL: (xfrm.Template(reqid=1), xfrm.Template(reqid=2)), Attribute.MARK: xfrm.Mark(1, 2)},
)


@pytest.mark.parametrize(
    "request_", [_SA, _POLICY, Request(Type.FLUSHSA, xfrm.Flush(50)), Request(Type.FLUSHPOLICY, xfrm.Nothing())]
)
def test_what_is_written_is_read_again(request_: Request) -> None:
    """Body and attributes."""
    assert xfrm.decode(xfrm.encode(request_)) == (request_,)


def test_spi_and_ports_are_in_network_order_and_everything_else_is_not() -> None:
    octets = xfrm.encode(_SA)
    at = 16 + xfrm.Selector.size() + 16
    assert octets[at : at + 4] == bytes.fromhex("01020304")
    assert struct.pack(">H", 4501) + struct.pack(">H", 4500) in octets
    assert struct.pack("=6I", 2, 1, 2, 3, 4, 40) in octets


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    """Nothing but `Malformed` is raised."""
    with contextlib.suppress(netlink.Malformed):
        xfrm.decode(octets)


@settings(deadline=None)
@given(st.data())
def test_a_message_that_was_changed_is_read_or_refused(data: st.DataObject) -> None:
    """The same behind a header that is right."""
    octets = bytearray(xfrm.encode(data.draw(st.sampled_from((_SA, _POLICY)))))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(octets) - 1), st.integers(0, 255)), max_size=4)):
        octets[at] = value
    with contextlib.suppress(netlink.Malformed):
        xfrm.decode(bytes(octets[: data.draw(st.integers(0, len(octets)))]))


@pytest.mark.parametrize(
    "body",
    [xfrm.SaInfo(reqid=2**32), xfrm.SaInfo(source=bytes(17)), xfrm.SaInfo(mode=-1)],
    ids=["reqid", "source", "mode"],
)
def test_a_value_that_does_not_fit_is_an_error(body: xfrm.SaInfo) -> None:
    """Nothing is cut off in silence."""
    with pytest.raises(ValueError, match=r"\S"):
        xfrm.encode(Request(Type.NEWSA, body))


def test_an_answer_tells_its_error_number() -> None:
    """The kernel writes it negative; 0 acknowledges."""
    (answer,) = netlink.messages(netlink.message(netlink.ERROR, 0, struct.pack("=i", -17)))
    assert answer.errno == 17
