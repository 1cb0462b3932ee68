"""Every message and every attribute of xfrm: what is written is read again, and what is read can be written."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.linux.netlink import netlink, records, xfrm
from espproof.adapters.linux.netlink.netlink import Malformed, Record
from espproof.adapters.linux.netlink.xfrm import FORMS, KINDS, Attribute, Request, SadAttribute, SpdAttribute, Type


def _records(record: type[Record]) -> st.SearchStrategy[Record]:
    """Any values in its fields: any octets are one."""
    return st.binary(min_size=record.size(), max_size=record.size()).map(record.decode)


_WORDS = st.integers(0, 2**32 - 1)
_NAMES = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=63)
_PLAIN = st.builds(xfrm.Algorithm, _NAMES, st.binary(max_size=80))
_WITH_ICV = st.builds(xfrm.Algorithm, _NAMES, st.binary(max_size=80), _WORDS)
_OCTETS = st.binary(max_size=40)
_ADDRESSES = st.binary(min_size=16, max_size=16)
_VALUES: dict[type[Any], dict[Any, st.SearchStrategy[Any]]] = {
    Attribute: {
        Attribute.ALG_AUTH: _PLAIN,
        Attribute.ALG_CRYPT: _PLAIN,
        Attribute.ALG_COMP: _PLAIN,
        Attribute.ENCAP: _records(xfrm.Encapsulation),
        Attribute.TMPL: st.lists(_records(xfrm.Template), max_size=3).map(tuple),
        Attribute.SA: _records(xfrm.SaInfo),
        Attribute.POLICY: _records(xfrm.PolicyInfo),
        Attribute.SEC_CTX: st.builds(xfrm.SecurityContext, _OCTETS, st.integers(0, 255), st.integers(0, 255)),
        Attribute.LTIME_VAL: _records(xfrm.Used),
        Attribute.REPLAY_VAL: _records(xfrm.Replay),
        Attribute.SRCADDR: _ADDRESSES,
        Attribute.COADDR: _ADDRESSES,
        Attribute.LASTUSED: st.integers(0, 2**64 - 1),
        Attribute.POLICY_TYPE: _records(records.PolicyType),
        Attribute.MIGRATE: st.lists(_records(records.Migration), max_size=3).map(tuple),
        Attribute.ALG_AEAD: _WITH_ICV,
        Attribute.KMADDRESS: _records(records.KeyManagers),
        Attribute.ALG_AUTH_TRUNC: _WITH_ICV,
        Attribute.MARK: _records(xfrm.Mark),
        Attribute.REPLAY_ESN_VAL: st.builds(xfrm.ReplayEsn, *[_WORDS] * 5, st.lists(_WORDS, max_size=9).map(tuple)),
        Attribute.PROTO: st.integers(0, 255),
        Attribute.ADDRESS_FILTER: _records(records.AddressFilter),
        Attribute.PAD: _OCTETS,
        Attribute.OFFLOAD_DEV: _records(xfrm.Offload),
        Attribute.SA_DIR: st.integers(0, 255),
    },
    SadAttribute: {SadAttribute.HINFO: _records(records.HashSize)},
    SpdAttribute: {
        SpdAttribute.INFO: _records(records.PolicyCounts),
        SpdAttribute.HINFO: _records(records.HashSize),
        SpdAttribute.IPV4_HTHRESH: _records(records.HashThreshold),
        SpdAttribute.IPV6_HTHRESH: _records(records.HashThreshold),
    },
}
"""What is not named has 32 bits."""


def _values(name: Any) -> st.SearchStrategy[Any]:
    return _VALUES[type(name)].get(name, _WORDS)


def _unknown(names: Any) -> st.SearchStrategy[dict[int, bytes]]:
    return st.dictionaries(st.integers(max(names) + 1, 0x3FFF), _OCTETS, max_size=2)


@st.composite
def _requests(draw: st.DrawFn) -> Request:
    kind = draw(st.sampled_from(Type))
    form = FORMS[kind]
    body = form.body
    if kind in (Type.GETSA, Type.GETPOLICY) and draw(st.booleans()):
        body = xfrm.Nothing
    chosen = draw(st.lists(st.sampled_from(list(form.names)), unique=True, max_size=6))
    attributes: dict[int, Any] = {name: draw(_values(name)) for name in chosen}
    attributes |= draw(_unknown(form.names))
    return Request(kind, draw(_records(body)), attributes)


@settings(deadline=None)
@given(_requests(), st.integers(0, 2**32 - 1))
def test_a_message_is_read_as_it_was_written(request_: Request, sequence: int) -> None:
    """Types, bodies, attributes, unknown ones too."""
    (told,) = xfrm.decode(xfrm.encode(request_, sequence))
    assert told == request_
    assert list(map(type, told.attributes)) == list(map(type, request_.attributes))


@pytest.mark.parametrize(
    "name", [name for kinds in KINDS.values() for name in kinds], ids=lambda name: f"{type(name).__name__}.{name.name}"
)
@settings(deadline=None)
@given(st.data())
def test_the_value_of_an_attribute_is_read_as_it_was_written(name: Any, data: st.DataObject) -> None:
    """Each attribute by itself, so that none is left to chance; one octet more or less is another value or none."""
    kind, value = KINDS[type(name)][name], data.draw(_values(name))
    octets = kind.encode(value)
    assert kind.decode(octets) == value
    for other in (octets[:-1], octets + b"\0"):
        if other != octets:
            with contextlib.suppress(Malformed):
                assert kind.decode(other) != value


@settings(deadline=None)
@given(st.lists(_requests(), min_size=1, max_size=3), st.data())
def test_octets_that_were_changed_are_malformed_or_a_message_that_can_be_written(
    requests: list[Request], data: st.DataObject
) -> None:
    octets = bytearray(b"".join(map(xfrm.encode, requests)))
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(octets) - 1), st.integers(0, 255)), max_size=4)):
        octets[at] = value
    try:
        told = xfrm.decode(bytes(octets[: data.draw(st.integers(0, len(octets)))]))
    except Malformed:
        return
    for one in told:
        assert xfrm.decode(xfrm.encode(one)) == (one,)


@pytest.mark.parametrize(
    "request_",
    [
        Request(Type.DELSA, xfrm.SaInfo()),
        Request(Type.NEWSA, xfrm.SaInfo(), {Attribute.MARK: xfrm.Used()}),
        Request(Type.NEWSA, xfrm.SaInfo(), {Attribute.IF_ID: 2**32}),
        Request(Type.NEWSA, xfrm.SaInfo(), {Attribute.ALG_CRYPT: xfrm.Algorithm("cbc(aes)", b"", 96)}),
        Request(Type.NEWSA, xfrm.SaInfo(), {Attribute.ALG_CRYPT: xfrm.Algorithm("ä", b"")}),
        Request(Type.NEWSA, xfrm.SaInfo(), {Attribute.ALG_AEAD: xfrm.Algorithm("x" * 64, b"")}),
        Request(Type.NEWSA, xfrm.SaInfo(), {Attribute.SRCADDR: b"short"}),
    ],
    ids=str,
)
def test_what_fits_no_field_is_not_written(request_: Request) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        xfrm.encode(request_)


def test_the_kernels_words_are_read_whether_it_repeats_the_request_or_not() -> None:
    """Extended acknowledgements (`NETLINK_EXT_ACK`)."""
    request = netlink.message(16, 5, b"abcde")
    words = netlink.attribute(1, b"no such thing\0")
    for flags, repeated in ((netlink.TLVS, request + bytes(3)), (netlink.TLVS | netlink.CAPPED, request[:16])):
        (answer,) = netlink.messages(netlink.message(netlink.ERROR, flags, struct.pack("=i", -22) + repeated + words))
        assert (answer.errno, answer.text) == (22, "no such thing")
    (plain,) = netlink.messages(netlink.message(netlink.ERROR, 0, struct.pack("=i", -22) + request))
    assert plain.text == ""
