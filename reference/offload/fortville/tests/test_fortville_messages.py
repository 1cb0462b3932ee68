"""Octets of control frames and metadata, and what the agent says of drivers that do not keep its rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espproof.reference import ip
from espproof.reference.errors import Malformed, Misuse
from espproof.reference.offload.fortville import rules
from espproof.reference.offload.fortville.agent import Agent
from espproof.reference.offload.fortville.device import Fortville
from espproof.reference.offload.fortville.driver import Driver, OffloadedSa
from espproof.reference.offload.fortville.messages import (
    CONTROL,
    KEY_SIZES,
    Algorithm,
    Command,
    Domain,
    Found,
    Operation,
    Status,
    answer_to,
    read_answer,
    read_command,
    read_rx_word,
    read_tx_word,
    tx_word,
    tx_word_is_right,
    with_word,
    without_word,
)
from espproof.reference.offload.fortville.pf import AGENT_MAC, Pf
from espproof.reference.offload.rules import Rule

MAC = bytes.fromhex("025710000001")
ADDRESS = bytes((192, 0, 2, 2))
HEAD = bytes(12) + b"\x08\x00"
ADD = Command(
    Operation.ADD, 0, Domain(MAC, 5), outbound=True, algorithm=Algorithm.AES_GCM_128, spi=0x01020304, index=0x0A0B0C,
    version=4, destination=ADDRESS, salt=b"salt", key=bytes(range(16)),
)  # fmt: skip
IN, ALL = replace(ADD, outbound=False), Command(Operation.REMOVE_ALL)

commands = st.builds(
    lambda algorithm, version, numbers, outbound, mac: Command(
        Operation.ADD, numbers[0] % 4, Domain(mac, numbers[1] % 4096), outbound, algorithm, numbers[2],
        numbers[3] % (1 << 20), version, bytes(range(1, 5 if version == 4 else 17)), b"SALT",
        bytes(range(1, KEY_SIZES[algorithm] + 1)),
    ),
    st.sampled_from(Algorithm), st.sampled_from([4, 6]), st.tuples(*[st.integers(0, 2**32 - 1)] * 4), st.booleans(),
    st.binary(min_size=6, max_size=6),
)  # fmt: skip


def test_a_command_octet_by_octet() -> None:
    assert ADD.octets(0x1234).hex(" ", 4) == (
        "01011234 00000101 02571000 00010005 01020304 000a0b0c 04000000 00000000 00000000 00000000 c0000202 "
        "73616c74 00010203 04050607 08090a0b 0c0d0e0f 00000000 00000000 00000000 00000000"
    )  # fmt: skip


def test_an_answer_has_no_key() -> None:
    """And is the command otherwise, with what came of it."""
    octets = answer_to(ADD.octets(0x1234), Status.FULL)
    assert octets.hex(" ", 4).startswith("01811234 03000101 02571000")
    assert len(octets) == 44
    assert read_answer(octets) == (0x1234, Status.FULL)


@given(commands, st.integers(0, 0xFFFF))
def test_what_is_written_is_read(command: Command, transaction: int) -> None:
    assert read_command(command.octets(transaction)) == (command, transaction)


@given(st.binary(max_size=100))
def test_any_octets_are_a_command_or_malformed(octets: bytes) -> None:
    """And never an answer by mistake; what is read writes the same octets."""
    read_answer(octets)
    try:
        command, transaction = read_command(octets)
    except Malformed:
        return
    assert command.octets(transaction) == octets[:80]


@pytest.mark.parametrize(
    ("at", "octet"), [(0, 2), (1, 9), (4, 1), (6, 2), (7, 9), (24, 5), (25, 1), (28, 1), (70, 1)], ids=str
)
def test_what_does_not_belong_there(at: int, octet: int) -> None:
    octets = bytearray(ADD.octets(1))
    octets[at] = octet
    with pytest.raises(Malformed):
        read_command(bytes(octets))


def test_numbers_that_do_not_fit() -> None:
    with pytest.raises(Misuse):
        replace(ADD, spi=1 << 32).octets(1)


def test_metadata_octet_by_octet() -> None:
    """In front of the packet, behind the addresses; most significant octet first."""
    frame = bytes(12) + b"\x08\x00packet"
    assert with_word(frame, tx_word(50)) == bytes(12) + bytes.fromhex("88b680000032") + b"\x08\x00packet"
    assert without_word(with_word(frame, 7)) == (frame, 7)
    assert without_word(frame) is None
    assert [read_tx_word(word) for word in (0, 50, tx_word(50))] == [None, None, 50]
    assert [tx_word_is_right(word) for word in (0, 50, tx_word(50), tx_word(50) | 256)] == [True, False, True, False]
    for found, word in ((Found(decrypted=True, index=5), 1 << 31 | 5), (Found(forged=True), 1 << 30), (Found(), 0)):
        assert found.word == word
        assert read_rx_word(word) == found
    assert Found(error=True, index=0xFFFFF).word == 0x200FFFFF


# ---------------------------------------------------------------------------------------------------------------- rules


@dataclass
class Bench:
    """A port whose driver has started, and what a bad driver does at it."""

    driver: Driver
    agent: Agent

    def control(self, *commands: Command, apart: int = 60, transactions: Sequence[int] = (100, 101)) -> None:
        """So many microseconds apart."""
        for command, transaction in zip(commands, transactions, strict=False):
            self.agent.from_mac(0, AGENT_MAC + MAC + CONTROL + command.octets(transaction))
            self.agent.tick(apart)

    def frame(self, metadata: int, frame: bytes = bytes(60)) -> None:
        self.driver.queues.send(frame, metadata)

    def reset_and_add(self) -> None:
        self.agent.reset_mac(0)
        self.control(ADD)

    def on_an_sa(self, packet: bytes) -> None:
        """Of its SA, handed over as if it had all that it needs."""
        self.driver.send(packet, self.driver.add(OffloadedSa("out", 1, ADDRESS, bytes(16), bytes(4))), MAC)


ESP = (1).to_bytes(4, "big") + bytes(16 + 2 + 16)
BROKEN: dict[Rule, Callable[[Bench], None]] = {
    rules.READABLE: lambda one: one.agent.from_mac(0, AGENT_MAC + MAC + CONTROL + bytes(80)),
    rules.ONE_AT_A_TIME: lambda one: one.control(ALL, ALL, apart=1),
    rules.SAME_TRANSACTION: lambda one: one.control(ALL, ADD, transactions=(100, 100)),
    rules.OWN_PORT: lambda one: one.control(replace(ALL, port=1)),
    rules.INDEX_ONCE: lambda one: one.control(IN, replace(IN, spi=2)),
    rules.TAGGED: lambda one: one.agent.from_mac(0, bytes(60)),
    rules.UNUSED_ZERO: lambda one: one.frame(1),
    rules.SA_THERE: lambda one: one.frame(tx_word(17), HEAD + ip.build_ipv4(bytes(4), ADDRESS, 50, ESP)),
    rules.REMOVED_FIRST: lambda one: one.reset_and_add(),
    rules.PLAIN_HEADERS: lambda one: one.on_an_sa(b"\x46" + bytes(80)),
    rules.FINAL_LENGTH: lambda one: one.on_an_sa(ip.build_ipv4(bytes(4), ADDRESS, 50, ESP + bytes(4))[:-4]),
    rules.LARGEST: lambda one: one.frame(0, bytes(9720)),
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda rule: rule.id)
def test_each_rule_is_told_when_it_is_broken(broken: Rule) -> None:
    """That rule, and no other."""
    device = Fortville(ports=2)
    pf = Pf(device, 0, Domain(MAC), 8)
    pf.start()
    BROKEN[broken](Bench(Driver(device, pf), device.agent))
    assert {one.rule for one in device.breaches.taken()} == {broken}


def test_no_rule_is_without_a_deed() -> None:
    assert set(BROKEN) == set(rules.RULES)
