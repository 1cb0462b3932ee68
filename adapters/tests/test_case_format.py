"""The Case format: what is written is read back, what departs from the format is refused, the schema agrees.

`values_of` draws values of any type of the format from the type itself, so that a new field is tested when it is added.
"""

import contextlib
import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espproof.adapters.case import (
    AddSa,
    Case,
    CaseFile,
    Octets,
    Outbound,
    Sa,
    SequenceNumber,
    from_json,
    from_plain,
    read,
    to_json,
    to_plain,
)
from espproof.adapters.schema import published
from espproof.reference import ip
from espproof.reference.errors import Misuse

ANY: Any = Case | CaseFile

# ---------------------------------------------------------------------------------------------- values of every type


def values_of(kind: Any, fixed: dict[tuple[str, str], st.SearchStrategy[Any]] | None = None) -> st.SearchStrategy[Any]:
    """Values of a type of the format; `fixed` has strategies for some fields, by struct and field name."""
    return _values(msgspec.inspect.type_info(kind), fixed or {})


def _values(info: Any, fixed: dict[tuple[str, str], st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    match info:
        case msgspec.inspect.CustomType(cls=cls) if cls is Octets:
            return st.binary(max_size=40).map(Octets)
        case msgspec.inspect.CustomType(cls=cls) if cls is SequenceNumber:
            return st.integers(0, 2**64 - 1).map(SequenceNumber)
        case msgspec.inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case msgspec.inspect.StrType(pattern=str(pattern)):
            return st.sampled_from(["192.0.2.7", "2001:db8::7", "::", "999.1.1.1", ":.:"]) if "/" not in pattern else (
                st.sampled_from(["192.0.2.0/24", "2001:db8::/32", "10.0.0.1", "1.2.3.4/99", "::/7"])
            )  # fmt: skip
        case msgspec.inspect.StrType(min_length=low, max_length=high):
            return st.text(min_size=low or 0, max_size=min(high or 12, 12))
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.UnionType(types=types):
            return st.one_of([_values(one, fixed) for one in types])
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(_values(item, fixed), max_size=3).map(tuple)
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key, fixed), _values(value, fixed), max_size=3)
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.deferred(lambda: _struct(cls, fields, fixed))
    raise AssertionError(f"the test knows no {info}")


def _struct(cls: Any, fields: Any, fixed: dict[tuple[str, str], st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    named = {
        name: fixed[cls.__name__, name] if (cls.__name__, name) in fixed else _values(field.type, fixed)
        for name, field in ((field.encode_name, field) for field in fields)
    }
    return st.fixed_dictionaries(named).map(lambda values: cls(**values))


SMALL_FILE = {("CaseFile", "cases"): st.lists(values_of(Case), max_size=2).map(tuple)}


@settings(max_examples=150, deadline=None)
@given(values_of(ANY, SMALL_FILE))
def test_what_is_written_is_read_back(value: Case | CaseFile) -> None:
    """One line or indented, as text or as plain values: the same value of the same types comes back."""
    for again in (
        from_json(to_json(value), ANY),
        from_json(to_json(value, indent=1), ANY),
        from_plain(json.loads(json.dumps(to_plain(value))), ANY),
    ):
        assert again == value
        assert to_json(again) == to_json(value)


def test_octets_and_sequence_numbers_come_back_as_such() -> None:
    """Plain `bytes` and `int` would be written in another way the next time."""
    sa = from_json(to_json(SA), Sa)
    assert type(sa.encr_key) is Octets
    assert type(sa.sequence) is SequenceNumber
    assert b'"sequence":"00000001ffffffff"' in to_json(sa)


# ------------------------------------------------------------------------------------------------- what is no such file

SA = Sa(
    name="a", direction="out", spi=0x12345678, mode="tunnel", source="192.0.2.1", destination="198.51.100.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(b"salt"), esn=True,
    sequence=SequenceNumber(0x1_FFFFFFFF),
)  # fmt: skip
PACKET = ip.build_ipv4(bytes([10, 1, 2, 3]), bytes([10, 4, 5, 6]), 17, b"\x30\x39\x00\x35\x00\x0c\x00\x00data")
CASE = Case(version=1, sas=(SA,), steps=(Outbound(sa="a", packet=Octets(PACKET)),))


def changed(before: bytes, after: bytes) -> bytes:
    text = to_json(CASE)
    assert text.count(before) == 1, before
    return text.replace(before, after)


KEY = Octets(range(16)).hex().encode()
BAD = {
    "unknown field": changed(b'"spi"', b'"color":1,"spi"'),
    "unknown field of the file": changed(b'"version"', b'"comment":"","version"'),
    "upper-case octets": changed(KEY, KEY.upper()),
    "odd number of digits": changed(KEY, KEY[:-1]),
    "blank in octets": changed(KEY, KEY[:2] + b" " + KEY[2:]),
    "newline behind octets": changed(KEY, KEY + b"\\n"),
    "octets with prefix": changed(KEY, b"0x" + KEY),
    "octets as a number": changed(b'"' + KEY + b'"', b"17"),
    "short sequence number": changed(b'"00000001ffffffff"', b'"1ffffffff"'),
    "long sequence number": changed(b'"00000001ffffffff"', b'"000000001ffffffff"'),
    "upper-case sequence number": changed(b'"00000001ffffffff"', b'"00000001FFFFFFFF"'),
    "signed sequence number": changed(b'"00000001ffffffff"', b'"+0000001ffffffff"'),
    "sequence number with underscore": changed(b'"00000001ffffffff"', b'"0000000_ffffffff"'),
    "sequence number as a number": changed(b'"00000001ffffffff"', b"8589934591"),
    "address with zone": changed(b"192.0.2.1", b"fe80::1%eth0"),
    "address with newline": changed(b"192.0.2.1", b"192.0.2.1\\n"),
    "host name as address": changed(b"192.0.2.1", b"localhost"),
    "SPI too large": changed(b"305419896", b"4294967296"),
    "SPI negative": changed(b"305419896", b"-1"),
    "SPI with fraction": changed(b"305419896", b"1.5"),
    "name empty": changed(b'"name":"a"', b'"name":""'),
    "unknown operation": changed(b'"op":"outbound"', b'"op":"explode"'),
    "another version": changed(b'"version":1', b'"version":2'),
    "another format": changed(b"espproof-case", b"pcap"),
    "no format": changed(b'"format":"espproof-case",', b""),
    "NaN": changed(b"305419896", b"NaN"),
    "name twice": changed(b'"version":1', b'"version":1,"version":1'),
    "name twice, deep": changed(b'"name":"a"', b'"name":"b","name":"a"'),
    "invalid UTF-8": changed(b'"name":"a"', b'"name":"\xff"'),
    "half a surrogate pair": changed(b'"name":"a"', b'"name":"\\ud800 and more text"'),
    "UTF-16": to_json(CASE).decode().encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + to_json(CASE),
    "text behind the end": to_json(CASE) + b"{}",
    "cut short": to_json(CASE)[:-2],
    "empty": b"",
    "a list": b"[]",
    "deep nesting": changed(b'"version":1', b'"version":1,"flags":' + b"[" * 200_000),
    "deep nesting in an unknown field": changed(b'"version":1', b'"version":1,"x":' + b'{"a":' * 200_000),
    "octets of zero": bytes(1000),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_departs_from_the_format_is_refused_in_one_line(text: bytes, tmp_path: Path) -> None:
    """`Misuse` names the file and says why, and nothing else is raised."""
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(Misuse) as refused:
        read(path)
    assert str(refused.value).startswith(f"{path}: not an espproof case: ")
    assert len(str(refused.value).splitlines()) == 1


def test_a_good_file_is_read_whatever_it_holds(tmp_path: Path) -> None:
    """A single case and a file of cases both come back as a tuple of cases."""
    path = tmp_path / "good.json"
    path.write_bytes(to_json(CASE))
    assert read(path) == (CASE,)
    path.write_bytes(to_json(CaseFile(version=1, cases=(CASE, CASE)), indent=1))
    assert read(path) == (CASE, CASE)


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b", "x" * 5000])
def test_what_cannot_be_opened_is_refused(name: str, tmp_path: Path) -> None:
    """No such file, a folder, a name that no file can have."""
    with pytest.raises(Misuse, match="cannot be read"):
        read(tmp_path / name)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that does not tell its size, like a device."""
    monkeypatch.setattr("espproof.adapters.case.text.MAX_FILE", 1000)
    path = tmp_path / "large.json"
    path.write_bytes(to_json(CASE) + b" " * 1000)
    for source in (path, Path("/dev/zero")):
        with pytest.raises(Misuse, match="larger than"):
            read(source)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_octets_at_random_never_raise_anything_but_misuse(data: st.DataObject) -> None:
    """A good file with a stretch of it replaced by anything."""
    text = to_json(CASE)
    at = data.draw(st.integers(0, len(text)))
    junk = data.draw(st.binary(max_size=6) | st.sampled_from([b'"', b"{", b"]", b"\\u", b"1e999", b"null", b"-"]))
    broken = text[:at] + junk + text[at + data.draw(st.integers(0, 20)) :]
    with contextlib.suppress(Misuse):  # most of these are refused, some are not
        from_json(broken, ANY)


# ---------------------------------------------------------------------------------------------------------- the schema


@functools.cache
def validator() -> Any:
    schema = json.loads(published("case").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@settings(max_examples=100, deadline=None)
@given(values_of(ANY, SMALL_FILE))
def test_the_schema_accepts_what_is_written(value: Case | CaseFile) -> None:
    """Every value that can be written is valid."""
    validator().validate(json.loads(to_json(value)))


JUNK = st.one_of(
    st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-2, 2**70),
    st.text(max_size=4), st.sampled_from(["AB", "a", "ab cd", "ab\n", "0" * 16, "0" * 16 + "\n", "1.2.3.4\n", "::%1", [],
                                          {}, [[]], 1.0, -1, 2**32, 2**53 + 1, 2**64, "espproof-case", "outbound"]),
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container inside and a key or index of it."""
    inside = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [(value, key) for key, _ in inside] + [place for _, one in inside for place in places(one)]


@settings(max_examples=300, deadline=None)
@given(values_of(Case), st.data())
def test_what_the_reader_accepts_the_schema_accepts(case: Case, data: st.DataObject) -> None:
    """After a member was replaced, removed or added: the reader knows of no value that the schema forbids."""
    plain = json.loads(to_json(case))
    container, key = data.draw(st.sampled_from(places(plain)))
    match data.draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            container[key] = data.draw(JUNK)
        case "remove":
            del container[key]
        case "add" if isinstance(container, dict):
            container[data.draw(st.sampled_from(["spi", "esn", "iv", "x", "note", "op"]))] = data.draw(JUNK)
    try:
        from_json(json.dumps(plain), ANY)
    except Misuse:
        return
    validator().validate(plain)


NOT_FOR_A_SCHEMA = ("name twice", "name twice, deep", "half a surrogate pair", "UTF-16", "byte order mark")
"""What only a reader of the text can see: a schema is about values."""


@pytest.mark.parametrize("name", [name for name in BAD if name not in NOT_FOR_A_SCHEMA])
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    """As far as it can be read as JSON at all."""
    try:
        plain = json.loads(BAD[name])
    except (ValueError, RecursionError):
        return
    assert not validator().is_valid(plain)


def test_every_sa_is_there_once() -> None:
    """Those of the beginning and those that are added, a second addition of the same one not counted."""
    other = msgspec.structs.replace(SA, name="b")
    case = Case(version=1, sas=(SA,), steps=(AddSa(sa=other), AddSa(sa=SA), AddSa(sa=other)))
    assert case.every_sa() == (SA, other)
