"""The four tables of SAs, and the bounce registers through which the bus reaches them (X550 7.13.5, 7.13.9).

    Tx SA       1,024 × key, salt                     the descriptor says which
    addresses     128 × IP address                    searched by content (a CAM)
    SPIs        1,024 × SPI, index of an address      searched by content
    keys        1,024 × mode, key, salt               at the index that the SPI was found at

Octet orders. A key is a number of 128 bits, its most significant word in register 3. A salt is a number. SPI and
address are as on the wire: the least significant octet of a word goes first. An IPv4 address is the last word.
"""

from dataclasses import dataclass

from espproof.reference.offload.niantic.registers import (
    IPSRXIPADDR,
    IPSRXIPIDX,
    IPSRXKEY,
    IPSRXMOD,
    IPSRXSALT,
    IPSRXSPI,
    IPSTXKEY,
    IPSTXSALT,
)
from espproof.reference.offload.registers import Register, Values

SAS = 1024
ADDRESSES = 128
NO_TABLE, ADDRESS_TABLE, SPI_TABLE, KEY_TABLE = range(4)
"""Values of IPSRXIDX.TABLE."""
DATA_REGISTERS: dict[int, tuple[Register, ...]] = {
    ADDRESS_TABLE: (IPSRXIPADDR,),
    SPI_TABLE: (IPSRXSPI, IPSRXIPIDX),
    KEY_TABLE: (IPSRXKEY, IPSRXSALT, IPSRXMOD),
}
"""What a command on each Rx table carries."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A place for an SA in the tables of a direction, "in" or "out"."""

    direction: str
    index: int


@dataclass(frozen=True, slots=True)
class TxSa:
    """Key of 16 octets, salt of 4, in the order in which the cipher takes them."""

    key: bytes = bytes(16)
    salt: bytes = bytes(4)


@dataclass(frozen=True, slots=True)
class Spi:
    """An entry of the SPI table: 4 octets as on the wire, and an index of the address table."""

    spi: bytes = bytes(4)
    address: int = 0


@dataclass(frozen=True, slots=True)
class RxKey:
    """An entry of the key table; `mode` as IPSRXMOD has it."""

    mode: int = 0
    key: bytes = bytes(16)
    salt: bytes = bytes(4)

    @property
    def valid(self) -> bool:
        return IPSRXMOD.field("VALID").of(self.mode) == 1

    @property
    def esp(self) -> bool:
        """For ESP; else for AH."""
        return IPSRXMOD.field("PROTO").of(self.mode) == 1

    @property
    def decrypts(self) -> bool:
        return IPSRXMOD.field("DECRYPT").of(self.mode) == 1

    @property
    def ipv6(self) -> bool:
        return IPSRXMOD.field("IPV6").of(self.mode) == 1


class Tables:
    """What the chip remembers of SAs. Nothing here survives loss of power; what survives a reset, the device knows."""

    def __init__(self) -> None:
        self.clear_tx()
        self.clear_keys()
        self.clear_searched()

    def clear_tx(self) -> None:
        self.tx = [TxSa()] * SAS

    def clear_keys(self) -> None:
        self.keys = [RxKey()] * SAS

    def clear_searched(self) -> None:
        """The two tables that are searched by content."""
        self.addresses = [bytes(16)] * ADDRESSES
        self.spis = [Spi()] * SAS

    @property
    def searched_are_clear(self) -> bool:
        return not any(any(one) for one in self.addresses) and all(one == Spi() for one in self.spis)

    def find(self, address: bytes, spi: bytes) -> tuple[int, RxKey] | None:
        """The index that an address (16 octets, as the table has it) and an SPI lead to, and its key entry, whatever that
        says (7.13.9.1). Of equal entries the first is found: assumed, no source says which."""
        if address not in self.addresses:
            return None
        wanted = Spi(spi, self.addresses.index(address))
        if wanted not in self.spis:
            return None
        index = self.spis.index(wanted)
        return index, self.keys[index]

    def octets(self) -> bytes:
        """All key material that is in them: nothing of an SA that was deleted may be found here."""
        return b"".join((*(one.key + one.salt for one in self.tx), *(one.key + one.salt for one in self.keys)))

    # --------------------------------------------------------------------------------------------- through the registers

    def write_tx(self, values: Values, index: int) -> None:
        """7.13.5.2.1: the registers' key and salt become the entry."""
        self.tx[index] = TxSa(_key(values, IPSTXKEY), _number(values.word(IPSTXSALT)))

    def read_tx(self, values: Values, index: int) -> None:
        """7.13.5.2.2."""
        _put_key(values, IPSTXKEY, self.tx[index].key)
        values.put(IPSTXSALT, AES_128_SALT=int.from_bytes(self.tx[index].salt, "big"))

    def write_rx(self, values: Values, table: int, index: int) -> None:
        """7.13.9.2.1; of an address's index the low seven bits count."""
        if table == ADDRESS_TABLE:
            words = (values.word(IPSRXIPADDR, n) for n in range(4))
            self.addresses[index % ADDRESSES] = b"".join(word.to_bytes(4, "little") for word in words)
        elif table == SPI_TABLE:
            self.spis[index] = Spi(values.word(IPSRXSPI).to_bytes(4, "little"), values.get(IPSRXIPIDX, "IP_IDX"))
        elif table == KEY_TABLE:
            self.keys[index] = RxKey(values.word(IPSRXMOD), _key(values, IPSRXKEY), _number(values.word(IPSRXSALT)))

    def read_rx(self, values: Values, table: int, index: int) -> None:
        """7.13.9.2.2."""
        if table == ADDRESS_TABLE:
            address = self.addresses[index % ADDRESSES]
            for n in range(4):
                values.put(IPSRXIPADDR, n, IPADDR=int.from_bytes(address[4 * n : 4 * n + 4], "little"))
        elif table == SPI_TABLE:
            values.put(IPSRXSPI, SPI=int.from_bytes(self.spis[index].spi, "little"))
            values.put(IPSRXIPIDX, IP_IDX=self.spis[index].address)
        elif table == KEY_TABLE:
            entry = self.keys[index]
            _put_key(values, IPSRXKEY, entry.key)
            values.put(IPSRXSALT, AES_128_SALT=int.from_bytes(entry.salt, "big"))
            values.put(IPSRXMOD, **IPSRXMOD.decode(entry.mode))


def _number(word: int) -> bytes:
    return word.to_bytes(4, "big")


def _key(values: Values, register: Register) -> bytes:
    return b"".join(_number(values.word(register, n)) for n in (3, 2, 1, 0))


def _put_key(values: Values, register: Register, key: bytes) -> None:
    for n in range(4):
        values.put(register, 3 - n, AES_128_KEY=int.from_bytes(key[4 * n : 4 * n + 4], "big"))
