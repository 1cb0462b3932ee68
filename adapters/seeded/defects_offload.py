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

_CX_DRIVER, _CX_PORT = "offload.connectx.driver", "offload.connectx.port"
_CX_HALVES, _CX_OTHER, _CX_OBJECTS = "LINUX.xfrm_device-flow-advance-esn", "MLX5-esn-other-half", "MLX5-objects-order"
_CX_DESCRIBED, _CX_PLAIN = "MLX5-transmit-described", "MLX5-transmit-plain"

_niantic: Callable[..., Defect] = partial(defect, model="niantic")
_virtual: Callable[..., Defect] = partial(defect, model="niantic:vf")
_PF, _VF, _VPORT = "offload.niantic.pf", "offload.niantic.vf", "offload.niantic.virtual_port"
_WHOLE, _NUMBERS = "offload.whole", "RFC4303-3.3.3-increment"
_whole: Callable[..., Defect] = partial(defect, model="connectx:packet")
_ASIDE, _QAT_DRIVER = "offload.aside", "offload.lookaside.driver"
_QAT_OWN, _QAT_ROOM, _QAT_MISSING = "QAT-completion-own", "QAT-rings-room", "QAT-completion-missing"
_HARD = "RFC4301-4.4.2.1-lifetime-hard"
_CX_DEVICE, _CX_PACKET = "offload.connectx.device", "offload.connectx.packet_port"
_aside: Callable[..., Defect] = partial(defect, model="lookaside")
_connectx: Callable[..., Defect] = partial(defect, model="connectx")

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
        (_DRIVER, "        slot = self._slot_of(address)\n        entry = self._addresses[slot]\n",
         "        slot = next((n for n, one in self._addresses.items() if one.octets == _wide(address)), None)\n"
         "        if slot is None:\n            return\n        entry = self._addresses[slot]\n"),
        breaks=(_PACKETS,),
    ),
    _niantic(
        "offload-place-of-another", "ours", "offload", "a new SA goes behind as many as there are, where one may stand still",
        (_DRIVER, "    for index in range(size):\n", "    for index in range(len(taken), size):\n        return index\n"),
        breaks=(_LEFT,),
    ),
    _niantic(
        "offload-table-of-one-less", "ours", "offload", "the last place of a table is never used",
        (_DRIVER, "_free(self._tx, SAS,", "_free(self._tx, SAS - 1,"), (_DRIVER, "_free(self._rx, SAS,", "_free(self._rx, SAS - 1,"),
        breaks=(_WHO,),
    ),
    _niantic(
        "offload-table-full-and-taken", "D-033", "offload", "the table is full, and the driver takes the SA all the same, at the last place",
        (_DRIVER, "    raise Refused(f\"no room in the {what}: {size} entries\")\n", "    return size - 1\n"),
        breaks=(_AADS[1],),
    ),
    _niantic(
        "offload-place-never-free", "ours", "offload", "the place of an SA that is gone is never used again",
        (_DRIVER, "        self._take_out(handle)\n        if not self._tx", "        self._take_out(handle)\n"
         "        self._gone = getattr(self, \"_gone\", 0) + 1\n        if not self._tx"),
        (_DRIVER, "_free(self._tx, SAS,", "_free(self._tx, SAS - getattr(self, \"_gone\", 0),"),
        (_DRIVER, "_free(self._rx, SAS,", "_free(self._rx, SAS - getattr(self, \"_gone\", 0),"),
        breaks=(_WHO,),
    ),
    _niantic(
        "offload-places-of-eight-bits", "dpdk", "offload", "of the place of an SA the driver keeps eight bits",
        (_DRIVER, "sa=handle.index if handle else 0,", "sa=handle.index & 0xFF if handle else 0,"),
        breaks=_AADS,
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
        breaks=("X550-7.13.4.1-icv",),
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
    _connectx(
        "sad-source-unknown-to-devices", "ours", "sad", "that an SA which is found by its source leaves packets to another, no device knows",
        ("offload.accounts", "(one.destination == sa.destination or {one.lookup, sa.lookup} == _NOT_BY_DESTINATION)",
         "one.destination == sa.destination"),
        breaks=("RFC4303-2.1-spi-collision",),
    ),
    _niantic(
        "offload-options-to-the-device", "ours", "offload", "whether the chip can take a packet is not asked",
        (_PORT, "            return False\n        if len(packet) >= ip.IPV6", "            return False\n        return True\n        if len(packet) >= ip.IPV6"),
        breaks=(_PACKETS, _HANDED_OVER),
    ),
    _niantic(
        "offload-software-for-ever", "ours", "offload", "after one packet that the chip could not take all of its SA are software's",
        (_STACK, "            half.software = not (self._device.takes", "            half.software |= not (self._device.takes"),
        breaks=(_PACKETS,),
    ),
    # -------------------------------------------------------------------------------------------------------- half windows
    _connectx(
        "offload-window-from-zero", "ours", "offload", "a window that reaches back over the wrap begins at 0 for the device, as in mlx5",
        (_STACK, "    return max(window.highest - max(window.size, 1) + 1, 0)\n",
         "    top = window.highest & 0xFFFFFFFF\n    return window.highest - min(top, window.size - 1)\n"),
        breaks=(_PACKETS,),
    ),
    _connectx(
        "offload-half-forgotten", "ours", "offload", "the device is told when the window enters another 2^32, not another half",
        (_CX_DRIVER, "        half = of_bottom(bottom)\n", "        half = of_bottom(bottom >> 32 << 32)\n"),
        breaks=(_PACKETS,),
    ),
    _connectx(
        "offload-half-not-selected", "ours", "offload", "the modification names the high half alone",
        (_CX_DRIVER, "modify_field_select=layouts.SELECT_OVERLAP | layouts.SELECT_MSB", "modify_field_select=layouts.SELECT_MSB"),
        breaks=(_CX_OBJECTS, _CX_HALVES),
    ),
    _connectx(
        "offload-halves-after-a-reset", "ours", "offload", "after a reset every SA is told that its window begins at 0",
        (_CX_DRIVER, "            self._make(handle, entry)\n\n", "            entry.half = HalfWindow(0, False)\n            self._make(handle, entry)\n\n"),
        breaks=(_PACKETS,),
    ),
    _connectx(
        "offload-other-half-believed", "ours", "offload", "what the device found right is right, whatever number it had in mind",
        (_STACK, "        if arrived.done is Done.OPENED and other_number:\n            return DropReason.INTEGRITY\n", ""),
        breaks=(_CX_OTHER,),
    ),
    _connectx(
        "offload-other-half-not-tried", "ours", "offload", "what the device found wrong is wrong, whatever number it had in mind",
        (_STACK, " or (arrived.done is Done.FORGED and other_number)", ""),
        breaks=(_CX_OTHER,),
    ),
    # -------------------------------------------------------------------------------------------------- objects and packets
    _connectx(
        "offload-connectx-key-left", "ours", "offload", "of an SA that is deleted the key stays in the device",
        (_CX_DRIVER, "        self._asked(Opcode.DESTROY, Type.IPSEC, entry.object)\n        self._asked(Opcode.DESTROY, Type.KEY, entry.key)\n",
         "        self._asked(Opcode.DESTROY, Type.IPSEC, entry.object)\n"),
        breaks=(_LEFT,),
    ),
    _connectx(
        "offload-connectx-key-first", "ours", "offload", "of an SA that is deleted the key goes first, and nobody looks at the answer",
        (_CX_DRIVER, "        self._asked(Opcode.DESTROY, Type.IPSEC, entry.object)\n        self._asked(Opcode.DESTROY, Type.KEY, entry.key)\n",
         "        with suppress(Dead):\n            self._asked(Opcode.DESTROY, Type.KEY, entry.key)\n        self._asked(Opcode.DESTROY, Type.IPSEC, entry.object)\n"),
        (_CX_DRIVER, "from collections import Counter\n", "from collections import Counter\nfrom contextlib import suppress\n"),
        breaks=(_CX_OBJECTS, _LEFT),
    ),
    _connectx(
        "offload-connectx-trailer-unpadded", "ours", "offload", "the trailer in the descriptor is without padding",
        (_CX_DRIVER, "Descriptor(layouts.metadata(handle), body[end:])", "Descriptor(layouts.metadata(handle), body[-TRAILER:])"),
        breaks=(_CX_DESCRIBED, "RFC4303-2.4-alignment"),
    ),
    _connectx(
        "offload-connectx-number-of-32-bits", "ours", "offload", "the number that goes where the IV will be has 32 bits",
        (_CX_DRIVER, "        number = sequence.to_bytes(IV, \"big\")\n", "        number = (sequence % 2**32).to_bytes(IV, \"big\")\n"),
        breaks=("RFC4106-5-aad-esn",),
    ),
    _connectx(
        "offload-connectx-one-implicit-iv", "ours", "offload", "all SAs under a key have the same number added to their IVs",
        (_CX_DRIVER, "1 << _OWN_BIT | which << _SA_BITS", "1 << _OWN_BIT"),
        breaks=("RFC4106-3.1-iv-unique",),
    ),
    _connectx(
        "offload-connectx-syndrome-ignored", "ours", "offload", "what is marked as an SA's is right, whatever the device found",
        (_CX_DRIVER, "right=syndrome != Syndrome.AUTHENTICATION_FAILED", "right=syndrome != Syndrome.BAD_TRAILER"),
        breaks=(_STATUS,),
    ),
    _connectx(
        "offload-connectx-options", "ours", "offload", "whether the device can take a packet is not asked",
        (_CX_PORT, "        return packet[:1] == b\"\\x45\"\n", "        return True\n"),
        breaks=(_CX_PLAIN,),
    ),
    # ---------------------------------------------------------------------------------------------------------- look-aside
    _aside(
        "offload-lookaside-in-order", "ours", "offload", "responses are taken for those of the requests in their order",
        (_QAT_DRIVER, "            flight = self._flights.get(response.cookie)\n",
         "            response = Response(min((n for n, one in self._flights.items() if not one.is_done), default=0), response.status)\n"
         "            flight = self._flights.get(response.cookie)\n"),
        breaks=(_QAT_OWN,),
    ),
    _aside(
        "offload-lookaside-ring-overrun", "ours", "offload", "requests are written whether or not there is room",
        (_QAT_DRIVER, "        if not self._has_room():\n            return None\n", ""),
        breaks=(_QAT_ROOM,),
    ),
    _aside(
        "offload-lookaside-short-ones-too", "ours", "offload", "packets for which the way does not pay are given away",
        (_ASIDE, "            aside.software = len(packet) < self._engine.least\n            aside.by_device = False\n        result = super().inbound",
         "            aside.software = len(packet) < self._engine.least // 2\n            aside.by_device = False\n        result = super().inbound"),
        breaks=(_PACKETS,),
    ),
    _aside(
        "offload-lookaside-lost-is-wrong", "ours", "offload", "what a reset has lost counts as what has a wrong ICV",
        (_QAT_DRIVER, "                flight.is_lost = True\n", ""),
        breaks=(_QAT_MISSING,),
    ),
    _aside(
        "offload-lookaside-session-left", "ours", "offload", "the session of an SA that is deleted stays in memory, with its keys",
        (_QAT_DRIVER, "            self._flights.pop(ticket, None)\n        self._memory.give_back(address)\n", "            self._flights.pop(ticket, None)\n"),
        breaks=(_LEFT,),
    ),
    _aside(
        "offload-lookaside-high-half-in-front", "ours", "offload", "with separate algorithms the high half stands where AES-GCM has it",
        (_ASIDE, "        return self.spi + high + number[4:] if self._combined else self.spi + number[4:] + high\n",
         "        return self.spi + high + number[4:]\n"),
        breaks=("RFC4303-2.2.1-icv-covers-high",),
    ),
    # ------------------------------------------------------------------------------------------------------ packet offload
    _whole(
        "offload-packet-slow-number", "ours", "offload", "the device does not learn of numbers that software has used",
        (_WHOLE, "            result = super().outbound(name, packet, iv, tfc=tfc, dummy=dummy, now=now)\n            self._store(name)\n",
         "            result = super().outbound(name, packet, iv, tfc=tfc, dummy=dummy, now=now)\n"),
        breaks=(_NUMBERS,),
    ),
    _whole(
        "offload-packet-slow-window", "ours", "offload", "the device does not learn of numbers that software has let in",
        (_WHOLE, "        for name in self._handles:\n            self._store(name)\n", ""),
        breaks=("RFC4303-3.4.3-duplicate-rejected",),
    ),
    _whole(
        "offload-packet-reset-to-the-start", "ours", "offload", "after a reset numbers and windows are those with which the SA began",
        (_CX_DRIVER, "    sa, told, limits = entry.sa, entry.told, entry.limits\n",
         "    sa, limits = entry.sa, entry.limits\n    told = Progress(sa.number, sa.received, sa.used)\n"),
        breaks=(_NUMBERS,),
    ),
    _whole(
        "offload-packet-template-dscp", "ours", "offload", "in the header of a tunnel the DSCP stands where the ECN field is too",
        (_CX_PACKET, "tos=dscp << 2", "tos=dscp"), (_CX_PACKET, "traffic_class=dscp << 2", "traffic_class=dscp"),
        breaks=("RFC4301-5.1.2-dscp-fixed", "RFC6040-4.1-ecn-compatibility"),
    ),
    _whole(
        "offload-packet-template-df", "ours", "offload", "in the header of a tunnel DF is never set",
        (_CX_PACKET, "dont_fragment=sa.df == \"set\", ", ""),
        breaks=("RFC4301-8.1-df",),
    ),
    _whole(
        "offload-packet-template-hop-limit", "ours", "offload", "in the header of a tunnel the hop limit is that of the packet",
        (_CX_DEVICE, "+ _numbered(rule.header, low)\n",
         "+ _numbered(rule.header, low)\n            if rule.header[0] >> 4 == 4:\n                front = front[:-12] + front[-12:-11].replace(front[-12:-11], b\"\\x01\") + front[-11:]\n"),
        breaks=("RFC4301-5.1.2.1-ttl",),
    ),
    _whole(
        "offload-packet-next-header-of-the-outside", "ours", "offload", "in a tunnel the trailer names the IP version of the header outside",
        (_CX_DEVICE, "_NEXT_HEADER[frame[ETHERNET] >> 4] if rule.header", "_NEXT_HEADER[rule.header[0] >> 4] if rule.header"),
        breaks=("RFC4303-2.6-next-header",),
    ),
    _whole(
        "offload-packet-ecn-lost", "ours", "offload", "packets with ECN in the header outside are taken out of it like others",
        (_CX_DEVICE, "            if not (one.tunnel and _ecn_of(frame[ETHERNET:]))\n", ""),
        breaks=(_PACKETS, "RFC6040-4.2-figure-4-ect1", "RFC6040-4.2-ecn-drop"),
    ),
    _whole(
        "offload-packet-tunnels-that-copy", "ours", "offload", "tunnels that take DSCP and DF over are the device's, with a header that does not",
        (_CX_PACKET, "and \"copy\" in (sa.dscp, sa.df):", "and False:"),
        breaks=("RFC4301-8.1-df-copy", _WHO),
    ),
    _whole(
        "offload-packet-padding-of-zeros", "ours", "offload", "the device pads with zeros",
        ("offload.connectx.device", "bytes(range(1, padding + 1)) + bytes((padding, next_header", "bytes(padding) + bytes((padding, next_header"),
        breaks=("RFC4303-2.4-default-padding",),
    ),
    _whole(
        "offload-packet-told-twice", "M-004", "offload", "each event moves the half window on, and is armed again behind that",
        (_CX_DRIVER, "        if entry.sa.esn and not context[\"esn_event_arm\"]:\n            self._modify(entry, layouts.SELECT_ARM)\n            self._tell_half(entry)\n",
         "        if entry.sa.esn:\n            entry.half = HalfWindow((entry.half.msb + entry.half.overlap) % 2**32, not entry.half.overlap)\n"
         "            self._modify(entry, layouts.SELECT_OVERLAP | layouts.SELECT_MSB)\n            self._modify(entry, layouts.SELECT_ARM)\n"),
        breaks=("RFC4106-5-aad-esn",),
    ),
    _whole(
        "offload-packet-half-ends-the-sa", "ours", "offload", "that another half is entered is taken for the end of the SA, whose rule goes",
        (_CX_DRIVER, "            self._modify(entry, layouts.SELECT_ARM)\n            self._tell_half(entry)\n",
         "            self._device.unsteer(entry.rule)\n"),
        breaks=(_CX_PLAIN, _PACKETS),
    ),
    _whole(
        "offload-packet-not-armed-again", "ours", "offload", "an event that has come once never comes again",
        (_CX_DRIVER, "            self._modify(entry, layouts.SELECT_ARM)\n", ""),
        breaks=(_PACKETS,),
    ),
    _whole(
        "offload-packet-event-ignored", "ours", "offload", "what the device tells nobody sees to",
        (_CX_DRIVER, "        for object in self._device.events() if self.works else ():\n", "        for object in ():\n"),
        breaks=(_PACKETS,),
    ),
    _whole(
        "offload-packet-limit-not-set", "ours", "offload", "the device is not told to end an SA at its limit of packets",
        (_CX_DRIVER, "        remove_flow_enable=limits is not None,\n", ""),
        breaks=(_HARD,),
    ),
    _whole(
        "offload-packet-limit-of-one-more", "ours", "offload", "the SA ends when the counter would fall below zero",
        (_CX_DRIVER, "limits.counter(told.packets or 0)", "limits.counter(told.packets or 0) + 1"),
        breaks=(_HARD,),
    ),
    _whole(
        "offload-packet-at-its-end-in-the-clear", "ours", "offload", "an SA at its end lets packets out as they are",
        (_CX_DEVICE, "        if one.context.is_over:\n            return None\n", "        if one.context.is_over:\n            return frame\n"),
        breaks=(_HARD,),
    ),
    _whole(
        "offload-packet-limit-from-the-start", "ours", "offload", "behind a reset the limit of packets is whole again",
        (_CX_DRIVER, "limits.counter(told.packets or 0)", "limits.counter(sa.used)"),
        breaks=(_HARD,),
    ),
    _whole(
        "offload-packet-left-for-passed", "ours", "offload", "as the packets that have passed the driver tells those that are left",
        ("offload.connectx.limits", "        return self.hard - counter - self.rounds * self.turn\n", "        return counter\n"),
        breaks=("LINUX.xfrm_device-flow-packet-limits",),
    ),
    _whole(
        "offload-packet-limit-by-software-forgotten", "ours", "offload", "packets that software has done do not count for the device",
        (_WHOLE, "        packets = state.packets if state.limited else None\n",
         "        packets = self._device.state(handle).packets\n"),
        breaks=(_HARD,),
    ),
    # ------------------------------------------------------------------------------------------------ virtual functions
    _virtual(
        "offload-mailbox-trusts-all", "ours", "offload", "the PF takes SAs of functions that are not trusted too",
        (_PF, "        if number not in self._trusted:\n            raise Declined(EACCES)\n", ""),
        breaks=(_LEFT,),
    ),
    _virtual(
        "offload-mailbox-anybody-deletes", "ours", "offload", "a function can have any SA deleted, whoever has asked for it",
        (_PF, "        if self.owners.get(index) != number:\n            raise Declined(ENOENT)\n", ""),
        breaks=(_PACKETS,),
    ),
    _virtual(
        "offload-mailbox-reset-leaves-sas", "ours", "offload", "when a function is reset its SAs stay in the chip",
        (_PF, "            if reset >> number & 1:\n                self._forget(number)\n", ""),
        breaks=("IXGBE-mailbox-reset",),
    ),
    _virtual(
        "offload-mailbox-old-handles", "linux", "offload", "after a reset a function goes on with the handles that it had before",
        (_VF, "        entry.place = place\n        self._lookup.note", "        entry.place = entry.before = place if entry.before is None else entry.before\n        self._lookup.note"),
        (_VF, "    place: int | None = None\n", "    place: int | None = None\n    before: int | None = None\n"),
        breaks=(_LEFT,),
    ),
    _virtual(
        "offload-mailbox-alike-taken", "ours", "offload", "of two functions that ask for the same SPI and destination both get an SA",
        (_PF, "        if self.driver.has_alike(sa):\n            raise Declined(EEXIST)\n", ""),
        breaks=(_LEFT,),
    ),
    _virtual(
        "offload-mailbox-keeps-the-key", "linux", "offload", "the PF answers over the first words of a request, whose key stays in the mailbox",
        (_PF, "enumerate(answer + (0,) * (r.MAILBOX - len(answer)))", "enumerate(answer)"),
        breaks=(_LEFT,),
    ),
    _virtual(
        "offload-mailbox-nobody-receives", "ours", "offload", "a function that is reset is not given back the right to receive",
        (_PF, "            for register in (r.VFRE, r.VFTE):\n", "            for register in (r.VFTE,):\n"),
        breaks=("IXGBE-mailbox-reset",),
    ),
    _virtual(
        "offload-mailbox-outbound-too", "linux", "offload", "the PF takes outbound SAs of functions, whose packets come to no SA of the function",
        (_PF, "        if sa.direction != \"in\":\n            raise Declined(EOPNOTSUPP)\n", ""),
        (_VPORT, "        if sa.direction == \"out\":\n            raise Refused(\"the PF takes no outbound SAs of functions\")\n", ""),
        breaks=("IXGBE-mailbox-inbound",),
    ),
    _virtual(
        "offload-mailbox-half-an-address", "ours", "offload", "of an IPv6 address in a message the first word counts",
        ("offload.niantic.mailbox", "    address = address[: sizes[family]]\n", "    address = address[:4].ljust(sizes[family], b\"\\0\")\n"),
        breaks=(_PACKETS,),
    ),
    _virtual(
        "offload-mailbox-no-is-yes", "ours", "offload", "whatever the PF answers, the function takes it for a handle",
        (_VF, "        if not answer[0] & mailbox.SUCCESS:\n            raise Refused(f\"the PF refuses it: error {-answer[1] & 0xFFFFFFFF}\")\n", ""),
        breaks=(_LEFT,),
    ),
)  # fmt: skip
