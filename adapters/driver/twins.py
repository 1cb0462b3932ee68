"""Wrong twins of the example driver: one mistake in each, such as drivers have had, and what it breaks.

They are what shows that a driver which passes has been looked at. `written` puts driver and twins into a folder, for
whoever wants to see what is told of a mistake.
"""

from dataclasses import dataclass
from pathlib import Path

from espproof.reference.errors import Misuse

_FOLDER = Path(__file__).parent
HEADER, DRIVER, DOCUMENT = "espproof_card.h", "niantic.c", "SOCKET.md"


@dataclass(frozen=True, slots=True)
class Twin:
    """`old` stands once in the driver's source and becomes `new`; `breaks` are requirements."""

    name: str
    title: str
    old: str
    new: str
    breaks: tuple[str, ...]

    @property
    def source(self) -> str:
        """The driver with the mistake."""
        text = (_FOLDER / "c" / DRIVER).read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise AssertionError(f"{self.name}: {text.count(self.old)} places instead of one: {self.old}")
        return text.replace(self.old, self.new)


_ORDER, _LOOKUP, _SETTINGS = "X550-4.6.12-order", "X550-4.6.12-lookup", "X550-4.6.12-settings"
_TABLES, _CLEARED, _RESTORED = "X550-8.2.2.25-tables", "X550-7.13.9-cleared", "X550-7.13.9-restored"
_DESCRIPTORS, _PACKETS = "X550-7.2.3-descriptors", "X550-7.13.4-packets"
_EITHER, _EACH = "LINUX.xfrm_device-flow-device-or-software", "LINUX.xfrm_device-flow-each-packet"
_FOUND, _AADS = "LINUX.xfrm_device-flow-sa-found", ("RFC4106-5-aad", "RFC4543-3.3-aad")
_LEFT, _STATUS = "LINUX.xfrm_device-flow-nothing-left", "LINUX.xfrm_device-flow-status"

TWINS = (
    Twin(
        "engine-while-running", "the engine is switched on while packets run",
        "\tif (!stop_data(driver))\n\t\treturn false;\n", "", (_ORDER,),
    ),
    Twin(
        "engine-while-full", "the engine is switched while packets are inside",
        "\tempty = is_empty(driver);\n\tlinked", "\tempty = true;\n\tlinked", (_ORDER,),
    ),
    Twin(
        "off-while-running", "the engine is switched off while packets run",
        "\tif (!stop_data(driver))\n\t\treturn; /* it goes on running: nothing but power is lost */\n", "", (_ORDER,),
    ),
    Twin(
        "lookup-first", "the search is switched on before the engine",
        "\tchange(driver, HLREG0, 0, HLREG0_TXCRCEN | HLREG0_RXCRCSTRP);\n",
        "\tchange(driver, IPSTXIDX, 0, IPS_EN);\n\tchange(driver, HLREG0, 0, HLREG0_TXCRCEN | HLREG0_RXCRCSTRP);\n",
        (_LOOKUP,),
    ),
    Twin(
        "lookup-while-running", "the search for received packets is switched on when they run again",
        "\tchange(driver, IPSRXIDX, 0, IPS_EN);\n\trun_data(driver);\n",
        "\trun_data(driver);\n\tchange(driver, IPSRXIDX, 0, IPS_EN);\n", (_LOOKUP,),
    ),
    Twin(
        "cut-through", "frames are forwarded before they are whole",
        "SEC_DIS, SECTX_STORE_FORWARD);\n\tchange(driver, SECRXCTRL", "SEC_DIS, 0);\n\tchange(driver, SECRXCTRL",
        (_SETTINGS,),
    ),
    Twin("no-gap", "the gap between frames stays as it is", "\tchange(driver, SECTXMINIFG, 0xF, 3);\n", "", (_SETTINGS,)),
    Twin(
        "no-threshold", "the buffer is almost full where it is without IPsec",
        "\tchange(driver, SECTXBUFFAF, 0x3FF, 0x15);\n", "", (_SETTINGS,),
    ),
    Twin(
        "off-not-as-before", "the threshold stays when the engine is off",
        "\tchange(driver, SECTXBUFFAF, 0x3FF, 0x250);\n", "", (_SETTINGS,),
    ),
    Twin(
        "lookup-forgotten", "a table is written with the search switched off in passing",
        "lookup(driver, IPSRXIDX) | SPI_TABLE", "SPI_TABLE", (_LOOKUP,),
    ),
    Twin(
        "index-without-address", "an SPI points to an address that is written behind it",
        "\t\t\twrite_address(driver, slot, sa.address);\n", "", (_TABLES,),
    ),
    Twin(
        "tables-mixed", "the index of the address is written when the key's registers are",
        "\tcard_write(&driver->card, IPSRXMOD, mode);\n",
        "\tcard_write(&driver->card, IPSRXMOD, mode);\n\tcard_write(&driver->card, IPSRXIPIDX, 0);\n", (_TABLES,),
    ),
    Twin(
        "reset-impatient", "tables are written before the reset is over",
        "\tcard_pause(&driver->card, POLL_MICROSECONDS);\n\tclear_tables(driver);\n", "\tclear_tables(driver);\n",
        (_CLEARED,),
    ),
    Twin(
        "reset-forgets-out", "after a reset the keys of what is sent do not come back",
        "\t\tif (driver->tx[index].used)\n\t\t\twrite_tx(driver, index, driver->tx[index].key, "
        "driver->tx[index].salt);\n", "", _AADS,
    ),
    Twin(
        "reset-forgets-addresses", "after a reset the addresses do not come back",
        "\t\tif (driver->users[slot])\n\t\t\twrite_address(driver, slot, driver->addresses[slot]);\n", "\t\t;\n",
        (_TABLES, _EACH),
    ),
    Twin(
        "reset-engine-off", "after a reset the engine is off",
        "\tblank_registers(driver);\n\tif (driver->used_tx + driver->used_rx)\n\t\tstart_engine(driver);\n",
        "\tblank_registers(driver);\n", (_EACH, _PACKETS),
    ),
    Twin(
        "key-words-turned", "the words of a key stand the other way round",
        "offset + 4 * (3 - n), most_first", "offset + 4 * n, most_first", (_STATUS,),
    ),
    Twin(
        "salt-turned", "the octets of a salt for packets that are sent stand the other way round",
        "\tcard_write(&driver->card, IPSTXSALT, most_first(salt));\n",
        "\tcard_write(&driver->card, IPSTXSALT, least_first(salt));\n", _AADS,
    ),
    Twin(
        "spi-turned", "the octets of an SPI stand the other way round",
        "IPSRXSPI, least_first(spi)", "IPSRXSPI, most_first(spi)", (_EACH,),
    ),
    Twin(
        "ipv4-first", "an IPv4 address stands in the first word",
        "\tmemcpy(sa.address + 16 - width, wanted->destination, width);\n",
        "\tmemcpy(sa.address, wanted->destination, width);\n", (_EACH,),
    ),
    Twin("ipv6-as-ipv4", "IPv6 is not said", " | (sa->family == 6 ? MOD_IPV6 : 0)", "", (_EACH,)),
    Twin(
        "gmac-encrypted", "AES-GMAC is sent as AES-GCM",
        "command |= driver->tx[handle].encrypt ? CONTEXT_ENCRYPT : 0;", "command |= CONTEXT_ENCRYPT;", (_AADS[1],),
    ),
    Twin(
        "first-sa-for-all", "all packets are sent by the SA at the first place",
        "give(driver, (uint64_t)handle << 32 |", "give(driver, ", _AADS,
    ),
    Twin(
        "trailer-without-icv", "the length of the trailer lacks the ICV",
        "frame[size - ICV - 2] + 2u + ICV;", "frame[size - ICV - 2] + 2u;", (_DESCRIPTORS,),
    ),
    Twin(
        "payload-length", "the length of the packet is that behind its Ethernet header",
        "options | (uint32_t)size << 14);", "options | (uint32_t)(size - ETHERNET) << 14);", (_DESCRIPTORS,),
    ),
    Twin(
        "tail-too-early", "the tail is set before the descriptor is written",
        "\tbuffer = driver->next_tx;\n",
        "\tbuffer = driver->next_tx;\n\tcard_write(&driver->card, TDT, (buffer + 1) % RING);\n", (_DESCRIPTORS,),
    ),
    Twin(
        "options-accepted", "packets with IPv4 options are given to the card",
        "return size && packet[0] == 0x45;", "return size && packet[0] >> 4 == 4;", (_PACKETS,),
    ),
    Twin(
        "extensions-accepted", "packets with IPv6 extension headers are given to the card",
        "return !is_extension(packet[6]);", "return true;", (_PACKETS,),
    ),
    Twin(
        "key-left-out", "the key stays in the table when an SA that sends is gone",
        "\t\twrite_tx(driver, index, nothing, nothing);\n\t\tdriver->used_tx--;\n", "\t\tdriver->used_tx--;\n", (_LEFT,),
    ),
    Twin(
        "spi-left", "the SPI stays in the table when its SA is gone",
        "\t\twrite_spi(driver, index, nothing, 0);\n\t\tif (!--", "\t\tif (!--", (_LEFT,),
    ),
    Twin(
        "address-left", "the address stays in the table when its last SA is gone",
        "\t\tif (!--driver->users[slot])\n\t\t\twrite_address(driver, slot, nothing);\n",
        "\t\tdriver->users[slot]--;\n", (_LEFT,),
    ),
    Twin(
        "address-shared", "an address goes with the first of its SAs",
        "\t\tif (!--driver->users[slot])\n\t\t\twrite_address",
        "\t\tdriver->users[slot]--;\n\t\twrite_address", (_EACH,),
    ),
    Twin(
        "spi-alone", "which SA a packet was for is looked up by the SPI alone",
        " &&\n\t\t    !memcmp(driver->rx[index].address, address, 16))", ")", (_FOUND,),
    ),
    Twin(
        "forged-is-right", "what the card has found wrong is handed up as right",
        "CARD_UNREADABLE, CARD_UNREADABLE, CARD_FORGED}", "CARD_UNREADABLE, CARD_UNREADABLE, CARD_OPENED}", (_STATUS,),
    ),
    Twin(
        "one-buffer", "of a long frame the last buffer alone is handed up",
        "\t\tif (!(status & REPORT_EOP))\n\t\t\tcontinue;\n",
        "\t\tif (!(status & REPORT_EOP)) {\n\t\t\tsize = 0;\n\t\t\tcontinue;\n\t\t}\n", (_EACH, "RFC4303-3.4.4-accepted"),
    ),
    Twin(
        "buffers-not-given-back", "the card is not told of buffers that it can fill again",
        "\t\tcard_write(&driver->card, RDT, index);\n", "", (_EACH,),
    ),
    Twin(
        "place-of-eight-bits", "of the place of an SA eight bits go into the descriptor",
        "give(driver, (uint64_t)handle << 32 |", "give(driver, (uint64_t)(handle & 0xFF) << 32 |", _AADS,
    ),
    Twin(
        "full-one-early", "the last place of the table is never used",
        "\tif (index == SAS)\n", "\tif (index >= SAS - 1)\n", (_EITHER,),
    ),
)  # fmt: skip


def written(folder: Path) -> tuple[Path, ...]:
    """The driver, its header, the document and the twins, in a folder that is new or empty; `Misuse` for another."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Misuse(f"{folder} is there, and not empty")
    twins = folder / "twins"
    twins.mkdir(parents=True, exist_ok=True)
    texts = {folder / name: (_FOLDER / "c" / name).read_text(encoding="utf-8") for name in (HEADER, DRIVER)}
    texts[folder / DOCUMENT] = (_FOLDER / DOCUMENT).read_text(encoding="utf-8")
    texts |= {twins / f"{twin.name}.c": twin.source for twin in TWINS}
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return tuple(texts)
