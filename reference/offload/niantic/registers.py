"""The registers of the chip that concern IPsec, and those without which no packet comes or goes (X550 8.2.2).

Offsets are those of BAR 0. A row that is not here reads as zero and takes nothing; the whole map has some thousands.
"""

from espproof.reference.offload.registers import Access, Block, Field, Register, whole

TX_QUEUES = 128
RX_QUEUES = 64
"""The second 64 have another place (0xD000) and are not modelled."""
_RING = 0x40
_RO = Access.READ_ONLY

# ------------------------------------------------------------------------------------------------- the device as a whole

CTRL = Register("CTRL", 0x0000, (Field("GIO_DIS", 2), Field("LRST", 3), Field("RST", 26)), "X550 8.2.2.1.1")
STATUS = Register("STATUS", 0x0008, (Field("GIO_MASTER", 19, access=_RO, reset=1),), "X550 8.2.2.1.2")
LINKS = Register(
    "LINKS",
    0x42A4,
    (Field("LINK_STATUS", 7, access=_RO), Field("LINK_SPEED", 28, 2, access=_RO), Field("LINK_UP", 30, access=_RO)),
    "X550 8.2.2.16.7",
)
HLREG0 = Register(
    "HLREG0",
    0x4240,
    (
        Field("TXCRCEN", 0, reset=1),
        Field("RXCRCSTRP", 1, reset=1),
        Field("JUMBOEN", 2),
        Field("RSV_9_3", 3, 7, reset=0x7F),
        Field("TXPADEN", 10, reset=1),
        Field("RSV_14_11", 11, 4, reset=5),
        Field("LPBK", 15),
    ),
    "X550 8.2.2.16.1; bits 0 and 1 are named in 7.13.2.2 and in the 82599's",
)
MAXFRS = Register("MAXFRS", 0x4268, (Field("MFS", 16, 16, reset=0x5EE),), "X550 8.2.2.16.6")
MACC = Register("MACC", 0x4330, (Field("FLU", 0),), "Linux ixgbe_type.h: force link up")

BMCIP = Register("BMCIP", 0x5050, whole("ADDRESS"), "Linux ixgbe_type.h: address of the management controller", 4)
BMCIPVAL = Register("BMCIPVAL", 0x5060, (Field("IPV6", 0), Field("VALID", 1)), "Linux ixgbe_type.h")

# ------------------------------------------------------------------------------------------------------------ interrupts

EICR = Register(
    "EICR",
    0x0800,
    (
        Field("QUEUES", 0, 16, Access.WRITE_ONE_CLEARS),
        Field("MAILBOX", 19, 1, Access.WRITE_ONE_CLEARS),
        Field("LSC", 20, 1, Access.WRITE_ONE_CLEARS),
        Field("ECC", 28, 1, Access.WRITE_ONE_CLEARS),
    ),
    "X550 8.2.2.5.1",
)

# ----------------------------------------------------------------------------------------------------------------- rings


def _ring(name: str, offset: int, copies: int, fields: tuple[Field, ...], source: str) -> Register:
    return Register(name, offset, fields, source, copies, _RING)


RDBAL = _ring("RDBAL", 0x1000, RX_QUEUES, whole("LOW"), "X550 8.2.2.9.1")
RDBAH = _ring("RDBAH", 0x1004, RX_QUEUES, whole("HIGH"), "X550 8.2.2.9.2")
RDLEN = _ring("RDLEN", 0x1008, RX_QUEUES, (Field("LEN", 0, 20),), "X550 8.2.2.9.3")
RDH = _ring("RDH", 0x1010, RX_QUEUES, (Field("HEAD", 0, 16),), "X550 8.2.2.9.4; drivers write 0 before a queue is on")
SRRCTL = _ring(
    "SRRCTL",
    0x1014,
    RX_QUEUES,
    (Field("BSIZEPACKET", 0, 5, reset=2), Field("DESCTYPE", 25, 3), Field("DROP_EN", 28)),
    "X550 8.2.2.9.5",
)
RDT = _ring("RDT", 0x1018, RX_QUEUES, (Field("TAIL", 0, 16),), "X550 8.2.2.9.6")
RXDCTL = _ring("RXDCTL", 0x1028, RX_QUEUES, (Field("ENABLE", 25), Field("VME", 30)), "X550 8.2.2.9.7")
RXCTRL = Register("RXCTRL", 0x3000, (Field("RXEN", 0),), "X550 8.2.2.9.10")

DMATXCTL = Register("DMATXCTL", 0x4A80, (Field("TE", 0),), "X550 8.2.2.10.2")
DTXTCPFLGL = Register(
    "DTXTCPFLGL",
    0x4A88,
    (Field("FIRST_SEG", 0, 12, reset=0xFF6), Field("MID_SEG", 16, 12, reset=0xFF6)),
    "X550 8.2.2.10.3",
)
DTXTCPFLGH = Register("DTXTCPFLGH", 0x4A8C, (Field("LST_SEG", 0, 12, reset=0xF7F),), "X550 8.2.2.10.4")
TDBAL = _ring("TDBAL", 0x6000, TX_QUEUES, whole("LOW"), "X550 8.2.2.10.5")
TDBAH = _ring("TDBAH", 0x6004, TX_QUEUES, whole("HIGH"), "X550 8.2.2.10.6")
TDLEN = _ring("TDLEN", 0x6008, TX_QUEUES, (Field("LEN", 0, 20),), "X550 8.2.2.10.7")
TDH = _ring("TDH", 0x6010, TX_QUEUES, (Field("HEAD", 0, 16),), "X550 8.2.2.10.8; the same")
TDT = _ring("TDT", 0x6018, TX_QUEUES, (Field("TAIL", 0, 16),), "X550 8.2.2.10.9")
TXDCTL = _ring("TXDCTL", 0x6028, TX_QUEUES, (Field("WTHRESH", 16, 7), Field("ENABLE", 25)), "X550 8.2.2.10.10")

# ----------------------------------------------------------------------------------------------------- virtual functions
# All from Linux' ixgbe_type.h and ixgbe_mbx.h.

FUNCTIONS = 64
"""Virtual functions, and pools: places in the tables below."""
MAILBOX = 16
"""Words of a mailbox."""
ADDRESSES = 128
"""Ethernet addresses that the chip can tell apart."""
_NEAR = 16
"""Of them, so many have another place, which drivers use."""
_TYPE_H = "Linux ixgbe_type.h"

CTRL_EXT = Register("CTRL_EXT", 0x0018, (Field("LOW", 0, 14), Field("PFRSTD", 14), Field("HIGH", 15, 17)), _TYPE_H)
GCR_EXT = Register("GCR_EXT", 0x11050, (Field("VT_MODE", 0, 2), Field("HIGH", 2, 30)), _TYPE_H)
VT_CTL = Register(
    "VT_CTL",
    0x51B0,
    (Field("VT_ENABLE", 0), Field("DEF_PL", 7, 6), Field("DIS_DEFPL", 29), Field("REPLEN", 30)),
    _TYPE_H,
)
VFRE = Register("VFRE", 0x51E0, whole("ENABLED"), _TYPE_H, 2)
VFTE = Register("VFTE", 0x8110, whole("ENABLED"), _TYPE_H, 2)
PFDTXGSWC = Register("PFDTXGSWC", 0x8220, (Field("VT_LBEN", 0),), _TYPE_H)
VMOLR = Register(
    "VMOLR",
    0xF000,
    (Field("AUPE", 24), Field("ROMPE", 25), Field("ROPE", 26), Field("BAM", 27), Field("MPE", 28)),
    _TYPE_H,
    FUNCTIONS,
)
RAL = Register("RAL", 0x5400, whole("LOW"), _TYPE_H, _NEAR, 8)
RAH = Register("RAH", 0x5404, (Field("HIGH", 0, 16), Field("AV", 31)), _TYPE_H, _NEAR, 8)
RAL_FAR = Register("RAL_FAR", 0xA200 + 8 * _NEAR, whole("LOW"), _TYPE_H, ADDRESSES - _NEAR, 8)
RAH_FAR = Register("RAH_FAR", 0xA204 + 8 * _NEAR, RAH.fields, _TYPE_H, ADDRESSES - _NEAR, 8)
MPSAR = Register("MPSAR", 0xA600, whole("POOLS"), _TYPE_H, 2 * ADDRESSES)
"""Of each address the pools, low word first."""

PFMAILBOX = Register(
    "PFMAILBOX",
    0x4B00,
    (
        Field("STS", 0, access=Access.WRITE_ONLY),
        Field("ACK", 1, access=Access.WRITE_ONLY),
        Field("VFU", 2, access=_RO),
        Field("PFU", 3),
        Field("RVFU", 4, access=Access.WRITE_ONLY),
    ),
    "Linux ixgbe_mbx.h",
    FUNCTIONS,
)
PFMBMEM = Register("PFMBMEM", 0x13000, whole("WORD"), "Linux ixgbe_mbx.h", FUNCTIONS * MAILBOX)
MBVFICR = Register(
    "MBVFICR",
    0x0710,
    (Field("VFREQ", 0, 16, Access.WRITE_ONE_CLEARS), Field("VFACK", 16, 16, Access.WRITE_ONE_CLEARS)),
    "Linux ixgbe_mbx.h",
    4,
)
VFLRE = Register("VFLRE", 0x0600, whole("RESET", access=_RO), _TYPE_H)
VFLRE_FAR = Register("VFLRE_FAR", 0x01C0, whole("RESET", access=_RO), _TYPE_H)
VFLREC = Register("VFLREC", 0x0700, whole("RESET", access=Access.WRITE_ONE_CLEARS), _TYPE_H, 2)

# ------------------------------------------------------------------------------------------------- the security block

SECTXCTRL = Register(
    "SECTXCTRL",
    0x8800,
    (Field("SECTX_DIS", 0, reset=1), Field("TX_DIS", 1), Field("STORE_FORWARD", 2)),
    "X550 8.2.2.24.1",
)
SECTXSTAT = Register(
    "SECTXSTAT",
    0x8804,
    (Field("SECTX_RDY", 0, access=_RO), Field("SECTX_OFF_DIS", 1, access=_RO), Field("ECC_TXERR", 2, access=_RO)),
    "X550 8.2.2.24.2",
)
SECTXBUFFAF = Register("SECTXBUFFAF", 0x8808, (Field("FULLTHRESH", 0, 10, reset=0x250),), "X550 8.2.2.24.3")
SECTXMINIFG = Register(
    "SECTXMINIFG",
    0x8810,
    (Field("MINSECIFG", 0, 4, reset=1), Field("MRKRINSERT", 8, 11, reset=0x10)),
    "X550 8.2.2.24.4",
)
SECRXCTRL = Register("SECRXCTRL", 0x8D00, (Field("SECRX_DIS", 0, reset=1), Field("RX_DIS", 1)), "X550 8.2.2.24.5")
SECRXSTAT = Register(
    "SECRXSTAT",
    0x8D04,
    (Field("SECRX_RDY", 0, access=_RO), Field("SECRX_OFF_DIS", 1, access=_RO), Field("ECC_RXERR", 2, access=_RO)),
    "X550 8.2.2.24.6",
)

# ------------------------------------------------------------------------------------------------ IPsec: bounce registers

_COMMANDS = (Field("READ", 30), Field("WRITE", 31))
IPSTXIDX = Register("IPSTXIDX", 0x8900, (Field("IPS_TX_EN", 0), Field("SA_IDX", 3, 10), *_COMMANDS), "X550 8.2.2.25.1")
IPSTXSALT = Register("IPSTXSALT", 0x8904, whole("AES_128_SALT"), "X550 8.2.2.25.2")
IPSTXKEY = Register("IPSTXKEY", 0x8908, whole("AES_128_KEY"), "X550 8.2.2.25.3", 4)
IPSRXIDX = Register(
    "IPSRXIDX",
    0x8E00,
    (Field("IPS_RX_EN", 0), Field("TABLE", 1, 2), Field("TB_IDX", 3, 10), *_COMMANDS),
    "X550 8.2.2.25.4",
)
IPSRXIPADDR = Register("IPSRXIPADDR", 0x8E04, whole("IPADDR"), "X550 8.2.2.25.5", 4)
IPSRXSPI = Register("IPSRXSPI", 0x8E14, whole("SPI"), "X550 8.2.2.25.6")
IPSRXIPIDX = Register("IPSRXIPIDX", 0x8E18, (Field("IP_IDX", 0, 7),), "X550 8.2.2.25.7")
IPSRXKEY = Register("IPSRXKEY", 0x8E1C, whole("AES_128_KEY"), "X550 8.2.2.25.8", 4)
IPSRXSALT = Register("IPSRXSALT", 0x8E2C, whole("AES_128_SALT"), "X550 8.2.2.25.9")
IPSRXMOD = Register(
    "IPSRXMOD",
    0x8E30,
    (Field("VALID", 0), Field("PROTO", 2), Field("DECRYPT", 3), Field("IPV6", 4)),
    "X550 8.2.2.25.10",
)

MAP = Block(
    (
        *(CTRL, STATUS, EICR),
        *(RDBAL, RDBAH, RDLEN, RDH, SRRCTL, RDT, RXDCTL, RXCTRL),
        *(HLREG0, MAXFRS, LINKS, MACC, BMCIP, BMCIPVAL),
        *(CTRL_EXT, GCR_EXT, VT_CTL, VFRE, VFTE, PFDTXGSWC, VMOLR, RAL, RAH, RAL_FAR, RAH_FAR, MPSAR),
        *(PFMAILBOX, PFMBMEM, MBVFICR, VFLRE, VFLRE_FAR, VFLREC),
        *(DMATXCTL, DTXTCPFLGL, DTXTCPFLGH, TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL),
        *(SECTXCTRL, SECTXSTAT, SECTXBUFFAF, SECTXMINIFG, SECRXCTRL, SECRXSTAT),
        *(IPSTXIDX, IPSTXSALT, IPSTXKEY),
        *(IPSRXIDX, IPSRXIPADDR, IPSRXSPI, IPSRXIPIDX, IPSRXKEY, IPSRXSALT, IPSRXMOD),
    )
)
