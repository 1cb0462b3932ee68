"""The device by its messages, and what it says of drivers that are wrong."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from espproof.reference import ip
from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.connectx import layouts, rules
from espproof.reference.offload.connectx.device import (
    CONNECTX6,
    ETHERNET,
    INNOVA,
    Completion,
    ConnectX,
    Descriptor,
    InRule,
    OutRule,
    Personality,
)
from espproof.reference.offload.connectx.driver import Driver, OffloadedSa
from espproof.reference.offload.connectx.layouts import Bits, Layout, Opcode, Status, Syndrome, Type

KEY, SALT, SPI = bytes(range(16)), b"salt", 0x01020304
NEAR, FAR = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
OUT = OffloadedSa("out", SPI, FAR, KEY, SALT)
IN = OffloadedSa("in", SPI, FAR, KEY, SALT)
WIRE: list[bytes] = []


def made(personality: Personality = CONNECTX6) -> tuple[ConnectX, Driver]:
    WIRE.clear()
    device = ConnectX(WIRE.append, personality)
    return device, Driver(device)


def esp(sequence: int, content: bytes = b"payload\0\1\1\2\x11", iv: int = 9) -> bytes:
    """A packet that the peer has protected."""
    header = SPI.to_bytes(4, "big") + sequence.to_bytes(4, "big")
    sealed = AESGCM(KEY).encrypt(SALT + iv.to_bytes(8, "big"), content, header)
    return ip.build_ipv4(NEAR, FAR, 50, header + iv.to_bytes(8, "big") + sealed)


def framed(packet: bytes) -> bytes:
    return bytes(12) + b"\x08\x00" + packet


def asked(device: ConnectX, opcode: Opcode, kind: Type, number: int = 0, body: bytes = b"") -> tuple[int, int]:
    """Status and number of the answer."""
    answer = layouts.ANSWER.decode(
        device.command(layouts.COMMAND.encode(opcode=opcode, obj_type=kind, obj_id=number) + body)
    )
    return answer["status"], answer["obj_id"]


# -------------------------------------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    "layout", [layouts.COMMAND, layouts.ANSWER, layouts.KEY, layouts.IPSEC], ids=lambda one: one.name
)
def test_fields_stand_where_they_stand(layout: Layout) -> None:
    """Each alone, all ones: read back, and none of another."""
    for field in layout.fields:
        most = (1 << field.width) - 1
        octets = layout.encode(**{field.name: most})
        assert len(octets) == layout.size
        assert layout.decode(octets) == {one.name: most if one is field else 0 for one in layout.fields}


def test_octets_of_an_sa() -> None:
    """As the header file has them: offsets in octets."""
    octets = layouts.IPSEC.encode(
        esn_en=1, esn_overlap=1, esn_msb=0x11223344, dekn=0xABCDEF, salt=0x73616C74, implicit_iv=5
    )
    assert octets[8:12] == b"\x30\0\0\0"
    assert octets[12:16] == b"\x11\x22\x33\x44"
    assert octets[17:20] == b"\xab\xcd\xef"
    assert octets[20:24] == b"salt"
    assert octets[24:32] == bytes(7) + b"\5"


def test_what_is_no_layout() -> None:
    """Fields over each other, beyond the end, unknown or too large."""
    with pytest.raises(Misuse):
        Layout("two", 4, Bits("one", 0, 8), Bits("other", 7, 8))
    with pytest.raises(Misuse):
        Layout("long", 4, Bits("one", 24, 9))
    for wrong in ({"dekn": 1 << 24}, {"nothing": 1}, {"dekn": -1}):
        with pytest.raises(Misuse):
            layouts.IPSEC.encode(**wrong)


# ------------------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize(
    ("opcode", "kind", "number", "body", "status"),
    [
        (Opcode.CREATE, Type.KEY, 0, layouts.KEY.encode(key_size=3, key_purpose=2), Status.BAD_PARAMETER),
        (Opcode.CREATE, Type.KEY, 0, layouts.KEY.encode(key_size=0, key_purpose=1), Status.BAD_PARAMETER),
        (Opcode.CREATE, Type.IPSEC, 0, layouts.IPSEC.encode(dekn=77), Status.BAD_PARAMETER),
        (Opcode.DESTROY, Type.KEY, 77, b"", Status.BAD_RESOURCE),
        (Opcode.MODIFY, Type.IPSEC, 77, b"", Status.BAD_RESOURCE),
        (Opcode.QUERY, Type.KEY, 1, b"", Status.BAD_OPERATION),
    ],
)
def test_what_is_refused(opcode: Opcode, kind: Type, number: int, body: bytes, status: Status) -> None:
    """With a status; nothing is made."""
    device, _ = made()
    assert asked(device, opcode, kind, number, body)[0] == status
    assert not device.keys
    assert not device.objects


def test_nothing_at_all_is_no_command() -> None:
    """Octets that are too short are answered."""
    device, _ = made()
    assert layouts.ANSWER.decode(device.command(b""))["status"] == Status.BAD_OPERATION


def test_an_sa_is_asked_for() -> None:
    """A query says what was made, and what can be modified."""
    device, driver = made()
    driver.add(OffloadedSa("in", SPI, FAR, KEY, SALT, esn=True))
    (number,) = device.objects
    answer = device.command(layouts.COMMAND.encode(opcode=Opcode.QUERY, obj_type=Type.IPSEC, obj_id=number))
    told = layouts.IPSEC.decode(answer[layouts.ANSWER.size :])
    assert (told["modify_field_select"], told["esn_en"], told["salt"]) == (3, 1, int.from_bytes(SALT, "big"))


def test_what_is_ended_in_the_wrong_order_is_told() -> None:
    """And does not happen."""
    device, driver = made()
    driver.add(IN)
    (number,), (key,) = device.objects, device.keys
    assert asked(device, Opcode.DESTROY, Type.KEY, key)[0] == Status.BAD_STATE
    assert asked(device, Opcode.DESTROY, Type.IPSEC, number)[0] == Status.BAD_STATE
    assert [one.rule for one in device.breaches.taken()] == [rules.KEY_LAST, rules.RULES_FIRST]


def test_the_device_is_full() -> None:
    """The key that was made for one SA more is not left behind."""
    device, driver = made(Personality("small", room=2))
    first = [driver.add(IN), driver.add(OUT)]
    with pytest.raises(Refused, match="no room"):
        driver.add(IN)
    assert (len(device.keys), len(device.objects), len(device.rules)) == (2, 2, 2)
    for handle in first:
        driver.delete(handle)
    assert (device.keys, device.objects, device.rules) == ({}, {}, {})
    with pytest.raises(Misuse):
        driver.delete(first[0])


def test_a_device_that_answers_with_an_error() -> None:
    """Is none that does the cipher: nothing is left where it can be undone."""
    device, driver = made()
    key = device.command
    device.command = lambda octets: layouts.ANSWER.encode(status=Status.BAD_PARAMETER)  # type: ignore[method-assign]
    with pytest.raises(Dead, match="CREATE KEY"):
        driver.add(IN)
    device.command = key  # type: ignore[method-assign]
    assert not device.keys


# --------------------------------------------------------------------------------------------------------------- frames


def test_a_packet_out() -> None:
    """Trailer and ICV come to it, the IV is its number with the SA's own added, and the length is right."""
    device, driver = made()
    handle = driver.add(OUT)
    header = SPI.to_bytes(4, "big") + (7).to_bytes(4, "big")
    given = ip.build_ipv4(NEAR, FAR, 50, header + bytes(8) + b"payload\0\1\1\2\x11"[:-3] + b"\1\1\x11" + bytes(16))
    driver.send(given, handle, 7)
    packet = WIRE[0][ETHERNET:]
    parsed = ip.parse(packet)
    (one,) = device.objects.values()
    iv = parsed.payload[8:16]
    assert int.from_bytes(iv, "big") == 7 ^ one.implicit_iv
    assert AESGCM(KEY).decrypt(SALT + iv, parsed.payload[16:], header) == given[36:-16]
    assert len(packet) == len(given)
    assert not device.breaches.taken()


def test_descriptors_that_are_wrong() -> None:
    """The rule is told, and what can leave leaves."""
    device, driver = made()
    handle = driver.add(OUT)
    right = framed(ip.build_ipv4(NEAR, FAR, 50, SPI.to_bytes(4, "big") + bytes(3) + b"\7" + bytes(7) + b"\7" + b"1234"))
    marked = layouts.metadata(handle)
    for frame, descriptor, rule in (
        (right, Descriptor(layouts.metadata(99), b"\1\2\2\4"), rules.KNOWN),
        (right, Descriptor(marked, b""), rules.TRAILER),
        (right, Descriptor(marked, b"\1\1\4"), rules.TRAILER),
        (right[:-5] + b"\1" + right[-4:], Descriptor(marked, b"\1\2\2\4"), rules.NUMBER_IN_IV),
        (framed(ip.build_ipv4(NEAR, FAR, 17, bytes(8))), Descriptor(marked, b"\1\2\2\4"), rules.PLAIN_HEADER),
    ):
        device.transmit(frame, descriptor)
        assert [one.rule for one in device.breaches.taken()] == [rule]
    device.transmit(right, Descriptor(marked, b"\1\2\2\4"))
    assert not device.breaches.taken()
    assert len(WIRE) == 6


def test_a_packet_in() -> None:
    """Right, forged, and with a trailer that cannot be."""
    device, driver = made()
    driver.add(IN)
    (right,) = device.arrive(framed(esp(1)))
    assert right.metadata == layouts.metadata(1, Syndrome.RIGHT)
    assert ip.parse(right.frame[ETHERNET:]).payload[16:-16] == b"payload\0\1\1\2\x11"
    forged = framed(esp(1)[:-1] + b"\0")
    assert device.arrive(forged) == [Completion(forged, layouts.metadata(1, Syndrome.AUTHENTICATION_FAILED))]
    (odd,) = device.arrive(framed(esp(1, b"\0\0\7\x11")))
    assert odd.metadata == layouts.metadata(1, Syndrome.BAD_TRAILER)
    assert driver.received(odd, esp(1)).right


def test_what_is_no_ones() -> None:
    """Another SPI or destination, fragments, options, lengths that ESP has not: as it came."""
    device, driver = made()
    driver.add(IN)
    right = esp(1)
    fragment = ip.with_checksum(right[:6] + b"\x20\0" + right[8:20]) + right[20:]
    for packet in (
        right[:23] + b"\xff" + right[24:],
        ip.build_ipv4(FAR, NEAR, 50, right[20:]),
        fragment,
        ip.build_ipv4(NEAR, FAR, 50, right[20:-1]),
        ip.build_ipv4(NEAR, FAR, 50, right[20:40]),
        b"",
    ):
        assert device.arrive(framed(packet)) == [Completion(framed(packet))]


def test_octets_behind_the_packet_stay() -> None:
    """A short frame is padded on the wire."""
    device, driver = made()
    driver.add(IN)
    (one,) = device.arrive(framed(esp(1)) + bytes(5))
    assert one.metadata
    assert one.frame.endswith(bytes(5))


def test_innova_cuts_the_trailer_off() -> None:
    """The next header comes beside the packet, whose length is right."""
    device, driver = made(INNOVA)
    driver.add(IN)
    (one,) = device.arrive(framed(esp(1)))
    assert one.next_header == 0x11
    assert ip.parse(one.frame[ETHERNET:]).payload[16:] == b"payload\0"


def test_without_a_link() -> None:
    """Nothing leaves, nothing comes."""
    device, driver = made()
    device.link = False
    driver.send(ip.build_ipv4(NEAR, FAR, 17, bytes(8)), None, 0)
    assert not WIRE
    assert not device.arrive(framed(esp(1)))


def test_work_that_waits() -> None:
    """The device is told when it is done, of the last half window alone; an SA that is gone has none."""
    device, driver = made()
    one, two = (driver.add(OffloadedSa("in", SPI + n, FAR, KEY, SALT, esn=True)) for n in (0, 1))
    first, second = device.objects.values()
    driver.works = False
    for bottom in (2**31, 2**32, 2**32 + 2**31):
        driver.advance(one, bottom)
    driver.advance(two, 2**31)
    assert first.half == second.half == (0, False)
    driver.delete(two)
    driver.works = True
    driver.work()
    assert first.half == (1, True)
    driver.reset()
    assert [known.half for known in device.objects.values()] == [(1, True)]


def test_rules_need_an_sa() -> None:
    """There is no rule for an SA that there is not."""
    device, _ = made()
    assert not device.steer(OutRule(1, 5))
    assert not device.steer(InRule(FAR, SPI, 5, 1))
