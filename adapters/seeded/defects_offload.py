"""Defects of devices that do the cipher, of their drivers, and of the stack above: in the model of the Niantic."""

from collections.abc import Callable
from functools import partial

from espproof.adapters.seeded.model import Defect, defect

_WHO, _PACKETS = "LINUX.xfrm_device-flow-device-or-software", "LINUX.xfrm_device-flow-each-packet"
_LEFT, _STATUS = "LINUX.xfrm_device-flow-nothing-left", "LINUX.xfrm_device-flow-status"
_FOUND, _RESTORED = "LINUX.xfrm_device-flow-sa-found", "X550-7.13.9-restored"
_ORDER, _LOOKUP, _SETTINGS = "X550-4.6.12-order", "X550-4.6.12-lookup", "X550-4.6.12-settings"
_TABLES, _CLEARED = "X550-8.2.2.25-tables", "X550-7.13.9-cleared"
_DESCRIPTORS, _HANDED_OVER = "X550-7.2.3-descriptors", "X550-7.13.4-packets"
"""By what the rule of the data sheet is about."""
_AADS = "RFC4106-5-aad", "RFC4543-3.3-aad"
"""A wrong key, salt or number, as AES-GCM and GMAC show it."""

_DRIVER, _PORT, _STACK = "offload.niantic.driver", "offload.niantic.port", "offload.stack"

_niantic: Callable[..., Defect] = partial(defect, model="niantic")

DEFECTS = (
    # ---------------------------------------------------------------------------------------------------- tables of SAs
    _niantic(
        "offload-ipv6-as-ipv4", "D-031", "offload", "the mode of a received SA never says IPv6: software does what the chip could",
        (_DRIVER, "IPV6=int(len(sa.address) == 16)", "IPV6=0"),
        breaks=(_PACKETS,),
    ),
    _niantic(
        "offload-salt-in-host-order", "ours", "offload", "the salt is written with its octets the other way round",
        (_DRIVER, "        self._bus.write(r.IPSTXSALT.offset, int.from_bytes(salt, \"big\"))\n",
         "        self._bus.write(r.IPSTXSALT.offset, int.from_bytes(salt, \"little\"))\n"),
        breaks=_AADS,
    ),
    _niantic(
        "offload-key-in-wire-order", "ours", "offload", "the first word of a key goes into the first register, not the last",
        (_DRIVER, "            self._bus.write(register.at(3 - n), int", "            self._bus.write(register.at(n), int"),
        breaks=_AADS,
    ),
    _niantic(
        "offload-key-left", "LO-002", "offload", "an outbound SA that is deleted leaves its key in the table",
        (_DRIVER, "            self._write_tx(handle.index, bytes(16), bytes(4))\n        else:", "            pass\n        else:"),
        breaks=(_LEFT,),
    ),
    _niantic(
        "offload-spi-left", "ours", "offload", "an inbound SA that is deleted leaves its SPI in the table that is searched",
        (_DRIVER, "            self._write_spi(handle.index, 0, 0)\n            self._release", "            self._release"),
        breaks=(_LEFT,),
    ),
    _niantic(
        "offload-address-left", "ours", "offload", "the address of the last SA for it stays in the table that is searched",
        (_DRIVER, "            del self._addresses[slot]\n            self._write_address(slot, bytes(16))\n", "            del self._addresses[slot]\n"),
        breaks=(_LEFT,),
    ),
    _niantic(
        "offload-registers-keep-the-key", "ours", "offload", "the registers that carried a key carry it until the next",
        (_DRIVER, "            self._write_key_words(register, bytes(16))\n", "            pass\n"),
        breaks=(_LEFT,),
    ),
    _niantic(
        "offload-address-not-counted", "ours", "offload", "an address that several SAs have goes with the first of them",
        (_DRIVER, "                entry.sas += 1\n", ""),
        breaks=(_PACKETS,),
    ),
    _niantic(
        "offload-place-of-another", "ours", "offload", "a new SA goes behind as many as there are, where one may stand still",
        (_DRIVER, "    for index in range(size):\n", "    for index in range(len(taken), size):\n        return index\n"),
        breaks=(_LEFT,),
    ),
    _niantic(
        "offload-found-by-spi-alone", "ours", "offload", "the driver takes the first SA with the SPI for the one that the chip has used",
        (_DRIVER, "            if sa.protocol == protocol and sa.address == address:\n", "            if sa.protocol == protocol:\n"),
        breaks=(_FOUND,),
    ),
    # ------------------------------------------------------------------------------------------------ engine and resets
    _niantic(
        "offload-reset-forgets-keys", "ours", "offload", "after a reset the keys of outbound SAs are not written again",
        (_DRIVER, "        for index, sa in self._tx.items():\n            self._write_tx(index, sa.key, sa.salt)\n", ""),
        breaks=_AADS,
    ),
    _niantic(
        "offload-reset-without-salts", "ours", "offload", "after a reset the salts of inbound SAs are not written again",
        (_DRIVER, "            self._write_rx(index, sa, self._slot_of(sa.address))\n        self._blank",
         "            self._write_rx(index, replace(sa, salt=bytes(4)), self._slot_of(sa.address))\n        self._blank"),
        breaks=(_RESTORED,),
    ),
    _niantic(
        "offload-reset-forgets-addresses", "ours", "offload", "after a reset the addresses are not written again",
        (_DRIVER, "            self._write_address(slot, entry.octets)\n", "            pass\n"),
        breaks=(_PACKETS,),
    ),
    _niantic(
        "offload-engine-started-while-it-runs", "ours", "offload", "the engine is switched on without stopping the data paths",
        (_DRIVER, "        \"\"\"X550 4.6.12.1.\"\"\"\n        self._stop_data()\n", "        \"\"\"X550 4.6.12.1.\"\"\"\n"),
        breaks=(_ORDER,),
    ),
    _niantic(
        "offload-started-while-full", "ours", "offload", "whether the data paths are empty is not waited for",
        (_DRIVER, "        if self._ready():\n            return\n", "        return\n"),
        breaks=(_ORDER,),
    ),
    _niantic(
        "offload-order-of-the-lookup", "ours", "offload", "the lookup is switched on when the data paths run again",
        (_DRIVER, "        self._put(r.IPSTXIDX, IPS_TX_EN=1)\n        self._put(r.IPSRXIDX, IPS_RX_EN=1)\n        self._run_data()\n",
         "        self._run_data()\n        self._put(r.IPSTXIDX, IPS_TX_EN=1)\n        self._put(r.IPSRXIDX, IPS_RX_EN=1)\n"),
        breaks=(_LOOKUP,),
    ),
    _niantic(
        "offload-gap-of-before", "ours", "offload", "with IPsec on the gap between frames is as it was without",
        (_DRIVER, "        self._put(r.SECTXMINIFG, MINSECIFG=3)\n", ""),
        breaks=(_SETTINGS,),
    ),
    _niantic(
        "offload-tables-mixed", "ours", "offload", "registers of keys are written, and no command, before those of the next table",
        (_DRIVER, "        self._put(r.IPSRXIDX, TABLE=ADDRESS_TABLE, TB_IDX=0, READ=1)\n", ""),
        breaks=(_TABLES,),
    ),
    _niantic(
        "offload-reset-in-a-hurry", "ours", "offload", "tables are made empty at once after a reset, when the chip is not ready",
        (_DRIVER, "        self._put(r.CTRL, RST=1)\n        self._bus.wait(POLL_MICROSECONDS)\n", "        self._put(r.CTRL, RST=1)\n"),
        breaks=(_CLEARED,),
    ),
    # ----------------------------------------------------------------------------------------------- packets and verdicts
    _niantic(
        "offload-icv-not-blank", "ours", "offload", "the room for the ICV is handed over with what was in memory there",
        (_STACK, "+ bytes(self.icv_size)\n", "+ (header * 2)[: self.icv_size]\n"),
        breaks=(_HANDED_OVER,),
    ),
    _niantic(
        "offload-frames-of-the-usual-length", "ours", "offload", "nobody tells the MAC that frames may be longer than 1,518 octets",
        (_DRIVER, "        self._put(r.HLREG0, JUMBOEN=1)\n", ""),
        breaks=("RFC4303-3.4.4-accepted",),
    ),
    _niantic(
        "offload-two-contexts", "ours", "offload", "of the index of an SA one bit goes into the descriptor",
        (_DRIVER, "            sa=handle.index if handle else 0,\n", "            sa=handle.index & 1 if handle else 0,\n"),
        breaks=_AADS,
    ),
    _niantic(
        "offload-trailer-without-padding", "ours", "offload", "the descriptor is told of a trailer without padding",
        (_DRIVER, "(packet[-17], packet[-18] + 18)", "(packet[-17], 18)"),
        breaks=(_DESCRIPTORS,),
    ),
    _niantic(
        "offload-status-forgotten", "D-032", "offload", "what the chip decrypted is taken for right, whatever it says",
        (_PORT, "    if error == NO_ERROR:\n", "    if error in (NO_ERROR, AUTHENTICATION_FAILED):\n"),
        breaks=(_STATUS,),
    ),
    _niantic(
        "offload-untouched-taken", "ours", "offload", "a packet that the chip did not work on is taken for decrypted",
        (_STACK, "            return self._whole.open(packet, sequence)\n",
         "            return packet[HEADER_SIZE + self.iv_size : -self.icv_size]\n"),
        breaks=("RFC4303-3.4.4.2-icv-wrong-discarded",),
    ),
    _niantic(
        "offload-gmac-refused", "ours", "offload", "SAs without encryption are done in software, though the chip has GMAC",
        (_PORT, "        if sa.encr not in CIPHERS or len", "        if not CIPHERS.get(sa.encr) or len"),
        breaks=(_WHO,),
    ),
    _niantic(
        "offload-esn-taken", "ours", "offload", "an SA with extended numbers is given to the chip, whose ICV is without their high half",
        (_PORT, "        if sa.esn:\n", "        if sa.esn and sa.direction == \"in\":\n"),
        breaks=(_WHO,),
    ),
    _niantic(
        "offload-udp-taken", "ours", "offload", "an SA in UDP is given to the chip, which finds no ESP behind the IP header",
        (_PORT, "        if sa.udp is not None:\n", "        if sa.udp is not None and sa.direction == \"out\":\n"),
        breaks=(_WHO,),
    ),
    _niantic(
        "offload-tunnel-taken", "ours", "offload", "tunnels are sent by the chip, which does not know them",
        (_PORT, "        if sa.mode == \"tunnel\" and sa.direction == \"out\":\n", "        if sa.mode == \"tunnel\" and sa.esn:\n"),
        breaks=(_WHO,),
    ),
    _niantic(
        "offload-options-to-the-device", "ours", "offload", "whether the chip can take a packet is not asked",
        (_PORT, "            return False\n        if len(packet) >= ip.IPV6", "            return False\n        return True\n        if len(packet) >= ip.IPV6"),
        breaks=(_PACKETS,),
    ),
    _niantic(
        "offload-software-for-ever", "ours", "offload", "after one packet that the chip could not take all of its SA are software's",
        (_STACK, "            half.software = not self._device.takes(packet)\n", "            half.software |= not self._device.takes(packet)\n"),
        breaks=(_PACKETS,),
    ),
)  # fmt: skip
