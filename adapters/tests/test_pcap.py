"""Capture files, octet by octet."""

from espproof.adapters.pcap import savefile, untimed


def test_a_capture_is_a_header_and_a_record_per_packet() -> None:
    """Version 2.4, LINKTYPE_RAW; the magic tells nanoseconds from microseconds."""
    file = savefile([(3, 7, b"\x45\x00"), (4, 0, b"\x60")], nanoseconds=True)
    assert file[:24] == bytes.fromhex("4d3cb2a10200040000000000000000000000040065000000")
    assert file[24:42] == bytes.fromhex("030000000700000002000000020000004500")
    assert file[42:] == bytes.fromhex("0400000000000000010000000100000060")
    assert untimed([])[:4] == bytes.fromhex("d4c3b2a1")


def test_what_is_too_long_is_cut_and_says_so() -> None:
    """Octets kept, and how many there were."""
    assert untimed([b"long one"], snaplen=4)[32:] == bytes.fromhex("0400000008000000") + b"long"
