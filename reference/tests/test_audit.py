"""The audit log: one record per auditable event, with what RFC 4303 section 4 asks for."""

from dataclasses import replace

import pytest

from espproof.reference import ip
from espproof.reference.audit import EVENTS, MOST, AuditLog, Record
from espproof.reference.drops import DropReason
from espproof.reference.tests.test_endpoint import IN, OUT

HERE, THERE = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])
HERE6, THERE6 = (bytes.fromhex("20010db8") + bytes(11) + bytes([last]) for last in (1, 2))
ESP = bytes.fromhex("0102030405060708") + bytes(20)


def arrived(version: int) -> ip.Packet:
    if version == 4:
        return ip.parse(ip.build_ipv4(HERE, THERE, 50, ESP))
    return ip.parse(ip.build_ipv6(HERE6, THERE6, 50, ESP, traffic_class=0xFF, flow_label=0xABCDF))


@pytest.mark.parametrize("event", sorted(EVENTS, key=str))
def test_a_record_says_what_stands_in_the_packet(event: DropReason) -> None:
    """SPI, number and addresses in network order; the flow label of IPv6 alone, without the traffic class above it."""
    log = AuditLog()
    for version in (4, 6):
        log.received(event, arrived(version), ESP)
    assert log.read() == (
        Record(event, 0x01020304, HERE, THERE, 0x05060708, None),
        Record(event, 0x01020304, HERE6, THERE6, 0x05060708, 0xABCDF),
    )
    assert log.read() == ()


def test_no_other_event_is_recorded() -> None:
    """Dummies, keepalives and what is malformed are no auditable events of ESP's."""
    log = AuditLog()
    for reason in set(DropReason) - EVENTS:
        log.received(reason, arrived(4), ESP)
    assert log.read() == ()


def test_what_is_not_sent_has_the_ends_of_its_sa() -> None:
    """And no number, as there is none left."""
    log = AuditLog()
    log.not_sent(DropReason.SEQUENCE_OVERFLOW, OUT)
    (record,) = log.read()
    assert (record.event, record.spi) == (DropReason.SEQUENCE_OVERFLOW, OUT.spi)
    assert (record.source, record.destination) == (OUT.source.packed, OUT.destination.packed)
    assert (record.sequence, record.flow) == (None, None)


def test_it_keeps_the_last_records() -> None:
    """Whoever is flooded loses the oldest ones, and no memory."""
    log = AuditLog()
    for number in range(MOST + 5):
        log.not_sent(DropReason.SEQUENCE_OVERFLOW, replace(IN, spi=0x1000 + number))
    records = log.read()
    assert (len(records), records[0].spi, records[-1].spi) == (MOST, 0x1005, 0x1000 + MOST + 4)
