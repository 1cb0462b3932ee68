"""What is drawn as the inside of packets is what it says: another implementation computes the same checksums."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.sctp import SCTP
from scapy.packet import Packet

from espproof.conformance.strategies import upper_layers as layers
from espproof.reference import ip

ENDS = {
    4: (b"\xc0\x00\x02\x11", b"\xc6\x33\x64\x2a"),
    6: (b"\x20\x01" + bytes(13) + b"\x07", b"\x20\x02" + bytes(13) + b"\x08"),
}
FIELDS: dict[int, tuple[type[Packet], str]] = {
    layers.TCP: (TCP, "chksum"),
    layers.UDP: (UDP, "chksum"),
    layers.ICMP: (ICMP, "chksum"),
    layers.ICMPV6: (ICMPv6EchoRequest, "cksum"),
    layers.SCTP: (SCTP, "chksum"),
}


def packet(version: int, protocol: int, content: bytes) -> bytes:
    build = ip.build_ipv4 if version == 4 else ip.build_ipv6
    return build(*ENDS[version], protocol, content)


@pytest.mark.parametrize(("version", "protocol"), [(v, p) for v in (4, 6) for p in layers.PROTOCOLS[v] if p in FIELDS])
def test_scapy_computes_the_same_checksum(version: int, protocol: int) -> None:
    """For even and odd lengths; and finds another one where ours is wrong."""
    kind, field = FIELDS[protocol]
    for length in (0, 1, 12, 333):
        for checksum in layers.CHECKSUMS:
            content = layers.upper_layer(protocol, length, ENDS[version], checksum)
            whole = packet(version, protocol, content)
            seen = (IP if version == 4 else IPv6)(whole)
            ours = seen[kind].getfieldval(field)
            seen[kind].delfieldval(field)
            theirs = type(seen)(bytes(seen))[kind].getfieldval(field)
            assert (ours == theirs) is (checksum == "right")
            assert (ours == 0) is (checksum == "zero")


@pytest.mark.parametrize("protocol", [layers.DCCP, layers.UDP_LITE])
def test_a_right_checksum_adds_up(protocol: int) -> None:
    """RFC 1071: over pseudo-header and segment, the checksum included, the sum is 0."""
    content = layers.upper_layer(protocol, 15, ENDS[4])
    pseudo = b"".join(ENDS[4]) + len(content).to_bytes(4, "big") + protocol.to_bytes(4, "big")
    assert ip.checksum(pseudo + content) == 0


@pytest.mark.parametrize("version", [4, 6])
def test_each_is_as_long_as_asked(version: int) -> None:
    """One octet more asked for is one octet more, and the header comes first."""
    for protocol in layers.PROTOCOLS[version]:
        sizes = [len(layers.upper_layer(protocol, length, ENDS[version])) for length in (0, 1, 100)]
        assert [size - sizes[0] for size in sizes] == [0, 1, 100]
        assert sizes[0] > 3
