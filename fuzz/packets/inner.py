"""What can be inside: small payloads that are right, of every kind that the SAs may carry. Seeds are made of them, and a
change puts them in the place of others."""

from espproof.reference import ip

_FAR = bytes([203, 0, 113, 130]), bytes([203, 0, 113, 7])
_FAR6 = bytes.fromhex("20010db8008000000000000000010030"), bytes.fromhex("20010db8007000000000000000000007")

INNER: tuple[tuple[int, bytes], ...] = (
    (4, ip.build_ipv4(*_FAR, 253, b"payload of sixteen"[:16])),
    (4, ip.build_ipv4(*_FAR, 17, bytes.fromhex("1f902710000a0000beef"), tos=0x02)),
    (4, ip.build_ipv4(*_FAR, 253, b"", tos=0x01, options=b"\x94\x04\x00\x00")),
    (41, ip.build_ipv6(*_FAR6, 253, b"payload of 8", traffic_class=0x03)),
    (41, ip.build_ipv6(*_FAR6, 60, b"\x3b" + ip.options_header()[1:], traffic_class=0x02)),
    (17, bytes.fromhex("1f9027100010000066757a7a66757a7a")),
    (6, bytes.fromhex("1f902710000000010000000050022000abcd0000")),
    (60, b"\xfd" + ip.options_header()[1:] + b"behind options"),
    (59, b"dummy packet"),
)
"""(next header, payload): small and right, of every kind that the SAs may carry."""
