"""What the data sheet demands of a driver of the chip, one row per demand.

`device` notes them as the bus breaks them; ids are for tests and for the words in reports.
"""

from espproof.reference.offload.rules import Rule


def _rule(id: str, topic: str, section: str, words: str) -> Rule:
    return Rule(f"niantic.{id}", topic, f"X550 {section}", words)


# ------------------------------------------------------------------------------------------------------- tables of SAs

ONE_COMMAND = _rule("one-command", "tables", "8.2.2.25.1, 8.2.2.25.4", "READ and WRITE are not set together")
TABLES_APART = _rule(
    "tables-apart",
    "tables",
    "8.2.2.25.4",
    "between registers of two Rx tables a command is written: one table at a time is read or written",
)
TABLE_NAMED = _rule("table-named", "tables", "8.2.2.25.4", "a command on the Rx tables says which table")
ENABLE_ALONE = _rule(
    "enable-alone", "tables", "8.2.2.25.4", "no Rx table is changed by the write that changes IPS_RX_EN"
)
AFTER_RESET = _rule(
    "after-reset", "cleared", "7.13.5.1, 7.13.9.1", "for ten microseconds after a reset no table of SAs is accessed"
)
SEARCHED_CLEARED = _rule(
    "searched-cleared",
    "cleared",
    "7.13.9.1, 4.6.12",
    "after a reset software clears the tables that the chip does not, before the engine starts",
)
INDEX_IN_TABLE = _rule(
    "index-in-table", "tables", "7.13.9.1", "an SPI entry points to an address that is in the address table"
)

# ----------------------------------------------------------------------------------------------- starting and stopping

STOPPED = _rule(
    "stopped",
    "order",
    "4.6.12.1, 4.6.12.2",
    "the engine is switched on or off while the data paths are stopped (TX_DIS, RX_DIS)",
)
DRAINED = _rule(
    "drained",
    "order",
    "4.6.12.1, 4.6.12.2",
    "the data paths are empty (SECTX_RDY, SECRX_RDY read as 1) when the engine is switched",
)
LOOKUP_ON = _rule(
    "lookup-on", "lookup", "4.6.12.1, 4.6.12.2", "IPS_TX_EN and IPS_RX_EN change while the data paths are stopped"
)
ENGINE_FIRST = _rule(
    "engine-first",
    "lookup",
    "8.2.2.25.1, 8.2.2.25.4",
    "IPS_TX_EN and IPS_RX_EN can be set when the engine is on, not before",
)
STORE_FORWARD = _rule(
    "store-forward",
    "settings",
    "4.6.12.1",
    "with IPsec on, frames are stored before they are forwarded (STORE_FORWARD)",
)
GAP = _rule("gap", "settings", "4.6.12.1", "with IPsec on, MINSECIFG is 3")
THRESHOLD = _rule("threshold", "settings", "4.6.12.1", "with IPsec on, FULLTHRESH is 0x15")
CRC = _rule(
    "crc", "settings", "7.13.2.2", "with IPsec on, the chip makes and strips the Ethernet CRC (TXCRCEN, RXCRCSTRP)"
)
OFF_AS_BEFORE = _rule(
    "off-as-before", "settings", "4.6.12.2", "with IPsec off, STORE_FORWARD is 0 and FULLTHRESH 0x250"
)

# ------------------------------------------------------------------------------------------------------------- packets

DESCRIPTOR = _rule(
    "descriptor", "descriptors", "7.2.3.2", "a transmit descriptor of the advanced format is a context or data"
)
UNUSED_ZERO = _rule("unused-zero", "descriptors", "7.2.3.2.3", "fields of a context that are not used are zero")
CONTEXT_GIVEN = _rule(
    "context-given", "descriptors", "7.2.3.2.4", "the context that a packet asks for was given to the queue before"
)
HEADERS_FIT = _rule(
    "headers-fit",
    "descriptors",
    "7.2.3.2.3",
    "MACLEN is 14 to 127, MACLEN + IPLEN + L4LEN at most 512, and within the packet",
)
ENGINE_ON = _rule(
    "engine-on",
    "packets",
    "8.2.2.25.1",
    "IPsec is asked for while the engine is on: otherwise the packet leaves as it is",
)
TRAILER_LENGTH = _rule(
    "trailer-length",
    "descriptors",
    "7.2.3.2.3.1",
    "IPS_ESP_LEN of a packet is padding + 18, as its trailer has it; of a super-packet 0",
)
ICV_BLANK = _rule("icv-blank", "icv", "7.13.4.1", "where the ICV is to be, software has left zeros")
ALIGNED = _rule("aligned", "packets", "7.2.3.2.3.1", "what follows the ESP header is a multiple of four octets")
SEGMENT_SIZES = _rule("segment-sizes", "descriptors", "7.2.3.2.3", "of a super-packet MSS is not 0 and L4LEN 8 to 64")
SEGMENT_CHECKSUMS = _rule(
    "segment-checksums", "descriptors", "7.2.3.2.4", "a super-packet asks for TXSM, and for IXSM if it is IPv4"
)
PAYLOAD_LENGTH = _rule(
    "payload-length",
    "descriptors",
    "7.2.3.2.4",
    "PAYLEN is what the buffers hold; of a super-packet without its headers",
)
REPORT_LAST = _rule("report-last", "descriptors", "7.2.3.2.4", "RS stands in the last descriptor of a packet alone")
TAIL = _rule("tail", "descriptors", "7.2.3.4", "the tail is set behind whole packets")
LARGEST_FRAME = 9728
"""Octets, without the CRC."""
LARGEST = _rule("largest", "packets", "7.13.2.2", "with STORE_FORWARD no packet is longer than 9.5 KB")
NO_OPTIONS = _rule(
    "no-options",
    "packets",
    "7.13.3",
    "packets with IPv4 options, IPv6 extension headers, or fragments are not given to the chip for IPsec",
)

RULES = tuple(value for value in list(globals().values()) if isinstance(value, Rule))
"""All of them, in this order."""
