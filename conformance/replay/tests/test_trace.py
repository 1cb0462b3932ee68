"""What driver and card do in a case: told in order, by name, and with what the card has at the end."""

import io
from typing import Any

import pytest
from rich.console import Console

from espproof.adapters.case import AddSa, Case, DeleteSa, Inbound, Octets, Outbound, Sa, SequenceNumber
from espproof.adapters.models.niantic import NianticAdapter
from espproof.adapters.models.reference import ReferenceAdapter
from espproof.adapters.seeded import seeded
from espproof.conformance.replay.trace import Trace, show, trace
from espproof.conformance.report import trace_page
from espproof.reference import ip
from espproof.reference.errors import Misuse

INNER = Octets(ip.build_ipv4(bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2]), 253, b"sixteen octets.."))
OUT = Sa(
    name="out", direction="out", spi=0x12345678, mode="transport", source="192.0.2.1", destination="198.51.100.2",
    encr="ENCR_AES_GCM_16", encr_key=Octets(range(16)), salt=Octets(b"salt"), sequence=SequenceNumber(0),
)  # fmt: skip
PARTS = 4
"""Events of one packet that is sent: the tail, two descriptors, the frame."""


def traced(*steps: Any, sas: tuple[Sa, ...] = (OUT,), adapter: Any = None) -> Trace:
    return trace(Case(version=1, id="a", sas=sas, steps=steps), adapter or NianticAdapter())


def test_a_packet_on_its_way_out() -> None:
    """From the tail to the wire, in order."""
    found = traced(Outbound(sa="out", packet=INNER))
    assert found.stages[0].title == "add SA out"
    happened = [(one.who, one.what) for one in found.stages[1].happenings]
    assert len(happened) == PARTS
    assert happened[0] == ("driver", "writes TDT[0]  TAIL 2")
    assert happened[1][1].startswith(
        "fetches context: mac length 14, ip length 36, sa 0, trailer 20, esp, encrypt, ipv4"
    )
    assert happened[2][1].startswith("fetches 86 octets at 0x")
    assert "ipsec" in happened[2][1]
    assert happened[3] == ("wire", "86 octets leave")


def test_a_packet_on_its_way_in() -> None:
    """What the card has found is told."""
    inbound = Sa(**{name: getattr(OUT, name) for name in OUT.__struct_fields__} | {"name": "in", "direction": "in"})
    sent = NianticAdapter()
    sent.add_sa(OUT)
    packet = sent.outbound(Outbound(sa="out", packet=INNER)).packet  # type: ignore[union-attr]
    found = traced(Inbound(packet=packet), Inbound(packet=Octets(packet[:-1] + b"\0")), sas=(inbound,))
    right, wrong = ([one.what for one in stage.happenings] for stage in found.stages[1:])
    assert right[:2] == ["86 octets arrive", "writes back 86 octets, SECP, no error"]
    assert wrong[:2] == ["86 octets arrive", "writes back 86 octets, SECP, authentication failed"]
    assert [(entry.table, entry.index) for entry in found.tables] == [("address", 0), ("SPI", 0), ("key", 0)]
    assert found.tables[2].content.startswith("VALID, PROTO, DECRYPT, key 000102")


def test_what_the_card_has_at_the_end() -> None:
    """Nothing in the tables when the SA is gone; rings as they stand."""
    there, gone = traced(), traced(DeleteSa(sa="out"))
    assert [(entry.table, entry.index, entry.content) for entry in there.tables] == [
        ("Tx SA", 0, f"key {OUT.encr_key.hex()}, salt {b'salt'.hex()}")
    ]
    assert gone.tables == ()
    assert [(ring.name, ring.size) for ring in gone.rings] == [("Tx 0", 64), ("Rx 0", 64)]
    assert "SECTXCTRL  STORE_FORWARD 1" in there.registers
    assert not any(line.startswith("SECTX") for line in gone.registers if "RDY" not in line)


def test_nothing_is_told_afterwards() -> None:
    adapter = NianticAdapter()
    traced(adapter=adapter)
    assert adapter.chip.watch is None


def test_a_broken_rule_stands_where_it_was_broken() -> None:
    found = traced(AddSa(sa=OUT), sas=(), adapter=seeded("offload-gap-of-before"))
    whole = [one.who for one in found.stages[0].happenings]
    assert whole.count("rule") == 1
    assert 0 < whole.index("rule") < len(whole) - 1


def test_without_a_card_nothing_is_traced() -> None:
    with pytest.raises(Misuse, match="no card"):
        traced(adapter=ReferenceAdapter())


def test_it_is_printed_and_drawn() -> None:
    found = traced(Outbound(sa="out", packet=INNER))
    console = Console(file=io.StringIO(), width=80)
    show(console, found)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "  driver writes TDT[0]  TAIL 2" in printed
    assert "  ring Tx 0  head 2, tail 2 of 64" in printed
    page = trace_page.render(found).decode()
    assert "writes TDT[0]  TAIL 2" in page
    assert page.count("<i") >= 128
