"""From Wireshark's display to outcomes, and from SAs to its table."""

import msgspec
import pytest

from espproof.adapters.case import Delivered, Dropped, Octets, Passed, Sa, UdpEncapsulation
from espproof.adapters.wireshark import table, verdict
from espproof.adapters.wireshark.sharkd import FIELDS, Shown

NOTHING = Shown(*[""] * len(FIELDS))
GOOD = msgspec.structs.replace(
    NOTHING,
    protocols="raw:ip:esp:ip:data",
    icv_good="True",
    icv_bad="False",
    pad_length="2",
    ipv4_length="56,20",
    fragment_offset="0,0",
    more_fragments="Not set,Not set",
)
SA = Sa(
    name="in",
    direction="in",
    spi=0x1002,
    mode="tunnel",
    source="2001:db8::1",
    destination="2001:db8::2",
    encr="ENCR_AES_CBC",
    encr_key=Octets(bytes(range(16))),
    auth="AUTH_HMAC_SHA1_96",
    auth_key=Octets(bytes(range(20))),
)
PORTS = {4500}


def with_(shown: Shown, **fields: str) -> Shown:
    return msgspec.structs.replace(shown, **fields)


def test_a_field_for_each_column() -> None:
    """What is asked for is what is read."""
    assert len(FIELDS) == len(Shown.__struct_fields__)


@pytest.mark.parametrize(
    ("shown", "outcome"),
    [
        (with_(GOOD, icv_good="False", icv_bad="True"), Dropped(reason="integrity")),
        (with_(GOOD, icv_good="False", icv_bad="False"), verdict.NO_VERDICT),
        (with_(GOOD, icv_good="", icv_bad=""), verdict.NO_VERDICT),
        (with_(GOOD, icv_good="True,False", icv_bad="False,True"), verdict.NO_VERDICT),
        (with_(GOOD, protocols="raw:ip:esp:data"), verdict.NO_VERDICT),
        (with_(GOOD, bogus_length="✓"), verdict.NO_VERDICT),
        (with_(GOOD, protocols="raw:ip:udp:data"), Passed(to="bypass")),
        (with_(GOOD, protocols="raw:ip:data", more_fragments="Set"), verdict.NO_VERDICT),
        (with_(GOOD, protocols="raw:ip:data", fragment_offset="8"), verdict.NO_VERDICT),
        (with_(GOOD, protocols="raw:ip:udp", malformed="✓"), verdict.NO_VERDICT),
        (with_(NOTHING, protocols="raw"), verdict.NO_VERDICT),
        (with_(NOTHING, protocols="raw:ipv6:ipv6.fraghdr:data"), verdict.NO_VERDICT),
        (with_(NOTHING, protocols="raw:ipv6:udp:udpencap", udp_destination="4500", keepalive="✓"),
         Dropped(reason="keepalive")),
        (with_(NOTHING, protocols="raw:ip:udp:udpencap", udp_destination="4500", non_esp_marker="✓"),
         Passed(to="ike")),
        (with_(NOTHING, protocols="raw:ip:udp:udpencap", udp_destination="4500"), verdict.NO_VERDICT),
        (with_(GOOD, protocols="raw:ip:udp:udpencap:esp:ip:data", udp_destination="53"), verdict.NO_VERDICT),
        (GOOD, None),
        (with_(GOOD, protocols="raw:ip:esp:ip:udp:udpencap:esp", udp_destination="53"), None),
    ],
)  # fmt: skip
def test_verdict_is_what_is_shown(shown: Shown, outcome: object) -> None:
    """Only a wrong ICV is a reject; without a verdict there is none."""
    assert verdict.without_plaintext(shown, PORTS) == outcome


@pytest.mark.parametrize(
    ("shown", "plaintext", "length"),
    [
        (GOOD, 24, 20),
        (with_(GOOD, ipv4_length="156,120"), 128, 120),  # TFC padding
        (GOOD, 23, None),  # the trailer is in the way
        (GOOD, None, None),
        (with_(GOOD, pad_length=""), 24, None),
        (with_(GOOD, protocols="raw:ip:esp:ipv6", ipv6_length="4"), 48, 44),
        (with_(GOOD, protocols="raw:ipv6:esp:ipv6", ipv6_length="96,4"), 48, 44),
        (with_(GOOD, protocols="raw:ip:esp:ip:ip", ipv4_length="80,40,20"), 44, 40),
    ],
)
def test_delivered_is_the_inner_packet(shown: Shown, plaintext: int | None, length: int | None) -> None:
    """The plaintext up to where the dissection of the inner packet ends."""
    octets = None if plaintext is None else bytes(range(plaintext))
    expected = verdict.NO_VERDICT if length is None or octets is None else Delivered(packet=Octets(octets[:length]))
    assert verdict.with_plaintext(shown, octets) == expected


def test_line_of_the_table() -> None:
    """Addresses where the lookup asks for them, keys in hexadecimal."""
    keys = '"AES-CBC [RFC3602]","0x000102030405060708090a0b0c0d0e0f","HMAC-SHA-1-96 [RFC2404]","0x' + SA.auth_key.hex()
    assert table.line(SA) == f'"IPv6","*","*","0x00001002",{keys}"'
    bound = msgspec.structs.replace(SA, lookup="spi+destination+source")
    assert table.line(bound) == f'"IPv6","2001:db8::1","2001:db8::2","0x00001002",{keys}"'


def test_most_specific_sa_comes_first() -> None:
    """Wireshark takes the first line that matches; the ports are those of all SAs."""
    bound = msgspec.structs.replace(SA, lookup="spi+destination", udp=UdpEncapsulation(destination_port=4501))
    preferences = table.preferences([SA, bound])
    assert preferences == [
        ("udpencap.udp.port", "4501"),
        ("uat", "esp_sa:" + table.line(bound)),
        ("uat", "esp_sa:" + table.line(SA)),
    ]
    assert table.preferences([]) == [("udpencap.udp.port", "")]


@pytest.mark.parametrize(
    "fields",
    [
        {"spi": 0},
        {"auth_key": Octets(b"short")},
        {"salt": Octets(b"salt")},
        {"auth": "NONE", "auth_key": Octets()},
        {"source": "192.0.2.1"},
        {"source": "nowhere"},
    ],
)
def test_line_that_would_mean_another_sa(fields: dict[str, object]) -> None:
    """The table takes any line; such an SA is not handed over."""
    assert table.possible(SA)
    assert not table.possible(msgspec.structs.replace(SA, **fields))
