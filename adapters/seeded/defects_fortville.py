"""Defects of a device with an agent in the wire, of its drivers, of its PF, and of what is between functions."""

from collections.abc import Callable
from functools import partial

from espproof.adapters.seeded.model import Defect, defect

_WHO, _PACKETS = "LINUX.xfrm_device-flow-device-or-software", "LINUX.xfrm_device-flow-each-packet"
_LEFT, _ICV_STATUS = "LINUX.xfrm_device-flow-nothing-left", "LINUX.xfrm_device-flow-status"
_MESSAGES, _LOST, _STATUS = "NETDEV22-agent-messages", "NETDEV22-agent-lost", "NETDEV22-agent-status"
_METADATA, _HANDED_OVER, _INDEX = "NETDEV22-agent-metadata", "NETDEV22-agent-packets", "NETDEV22-agent-index"
_CLEARED, _RESTORED = "NETDEV22-agent-cleared", "NETDEV22-agent-restored"
_KEY, _MAILBOX, _UNTRUSTED = "NETDEV22-domains-key", "NETDEV22-domains-mailbox", "NETDEV22-domains-untrusted"
_HAIRPIN, _POOL = "NETDEV22-domains-hairpin", "NETDEV22-domains-pool"
_NEXT_HEADER, _AAD, _INCREMENT = "RFC4303-2.6-next-header", "RFC4106-5-aad", "RFC4303-3.3.3-increment"

_AGENT, _DRIVER, _LEDGER, _MAC, _MESSAGE, _PF, _PORT, _QUEUES = (
    f"offload.fortville.{name}" for name in ("agent", "driver", "ledger", "mac", "messages", "pf", "port", "queues")
)

_pf: Callable[..., Defect] = partial(defect, model="fortville")
_vf: Callable[..., Defect] = partial(defect, model="fortville:vf")

DEFECTS = (
    # --------------------------------------------------------------------------------------------------------- messages
    _pf(
        "offload-agent-spi-in-host-order", "D-040", "offload", "the SPI is written into the command with its octets the other way round",
        (_MESSAGE, "                self.domain.vlan, self.spi, self.index,", "                self.domain.vlan, int.from_bytes(self.spi.to_bytes(4, \"little\"), \"big\"), self.index,"),
        (_MESSAGE, "    if command.octets(transaction) != body[: _COMMAND.size]:\n", "    if len(body) < 0:\n"),
        breaks=(_PACKETS,),
    ),
    _pf(
        "offload-agent-status-ignored", "D-041", "offload", "whatever the agent answers, the SA is its",
        (_LEDGER, "        if status is not Status.OK and status not in also:\n", "        if status < 0:\n"),
        breaks=(_STATUS, _WHO),
    ),
    _pf(
        "offload-agent-silence-is-consent", "ours", "offload", "a command that is not answered in time is taken for done",
        (_LEDGER, "        for _ in range(TRIES):\n", "        for _ in range(1):\n"),
        (_LEDGER, "        raise Dead(f\"no answer to {command.operation.name}\")\n", "        return Status.OK\n"),
        breaks=(_LOST, _LEFT),
    ),
    _pf(
        "offload-agent-any-answer-will-do", "ours", "offload", "the answer to an earlier command, which comes late, is taken for that to this one",
        (_LEDGER, "            if answer is not None and answer[0] == self._transaction:\n", "            if answer is not None:\n"),
        breaks=(_WHO,),
    ),
    _pf(
        "offload-agent-asked-anew", "ours", "offload", "a command that is repeated is another one, which finds its SA there",
        (_LEDGER, "            self._post(body)\n", "            self._transaction = (self._transaction + 1) & 0xFFFF\n            self._post(command.octets(self._transaction))\n"),
        breaks=(_LEFT, _WHO),
    ),
    _pf(
        "offload-agent-one-transaction", "ours", "offload", "all commands have the same transaction",
        (_LEDGER, "        self._transaction = (self._transaction + 1) & 0xFFFF\n", "        self._transaction = 1\n"),
        breaks=(_MESSAGES,),
    ),
    _pf(
        "offload-agent-removal-with-the-key", "ours", "offload", "the command that removes an SA still has its key",
        (_MESSAGE, "algorithm=Algorithm.NONE, salt=b\"\", key=b\"\")\n", "algorithm=Algorithm.NONE)\n"),
        breaks=(_MESSAGES, _LEFT),
    ),
    # ---------------------------------------------------------------------------------------------- metadata and packets
    _pf(
        "offload-metadata-in-host-order", "ours", "offload", "metadata stand in the descriptor with their octets the other way round",
        (_QUEUES, "DESCRIPTOR.pack(address, length, flags, metadata)\n", "DESCRIPTOR.pack(address, length, flags, int.from_bytes(metadata.to_bytes(4, \"big\"), \"little\"))\n"),
        breaks=("RFC4303-3.1-packet-well-formed", _METADATA,),
    ),
    _pf(
        "offload-metadata-always", "ours", "offload", "packets of software have a next header in their metadata as well",
        (_DRIVER, "            self.queues.send(head + packet, PLAIN)\n", "            self.queues.send(head + packet, packet[9])\n"),
        breaks=(_METADATA,),
    ),
    _pf(
        "offload-metadata-of-udp", "ours", "offload", "the next header in the metadata is that of UDP, whatever is protected",
        (_DRIVER, "tx_word(next_header))\n", "tx_word(17 if next_header > 60 else next_header))\n"),
        breaks=(_NEXT_HEADER,),
    ),
    _pf(
        "offload-agent-gets-the-trailer", "ours", "offload", "of what the stack appends the ICV alone is cut off",
        (_DRIVER, "self.queues.send(head + packet[: -ICV - 2 - padding], ", "self.queues.send(head + packet[: -ICV - 0 * padding], "),
        breaks=(_HANDED_OVER,),
    ),
    _pf(
        "offload-agent-tells-its-own-index", "D-053", "offload", "with a packet comes the place in the agent's table, not the driver's index",
        (_AGENT, "Slot(place, command.index, command.key, command.salt)", "Slot(place, free, command.key, command.salt)"),
        breaks=(_INDEX,),
    ),
    _pf(
        "offload-agent-failure-forgotten", "D-032", "offload", "what the agent has not authenticated is taken for right, if it is no other error",
        (_PORT, "    done = Done.OPENED if found.decrypted else", "    done = Done.OPENED if not found.error else"),
        breaks=(_ICV_STATUS,),
    ),
    _pf(
        "offload-agent-esn-taken", "ours", "offload", "an inbound SA with extended numbers is given to the agent, which knows nothing of their high half",
        (_PORT, "        if sa.esn:\n", "        if sa.esn and sa.direction == \"out\":\n"),
        breaks=(_WHO,),
    ),
    _pf(
        "offload-agent-extension-headers-taken", "ours", "offload", "packets with extension headers are given to the agent, which loses them",
        (_PORT, "            return packet[6] not in ip.EXTENSION_HEADERS\n", "            return True\n"),
        breaks=(_INCREMENT,),
    ),
    # ------------------------------------------------------------------------------------------------ what is left, resets
    _pf(
        "offload-agent-key-left", "ours", "offload", "the place of an SA that is removed is free, and its key stands there still",
        (_AGENT, "        self.slots[slot] = Slot()\n", "        self.slots[slot].place = None\n"),
        breaks=(_LEFT,),
    ),
    _pf(
        "offload-frame-keeps-the-key", "ours", "offload", "the buffer of a command is given back when the next frame is sent",
        (_QUEUES, "        self._mac.sent(self._number, self._next_tx)\n        self._clean()\n", "        self._mac.sent(self._number, self._next_tx)\n"),
        (_QUEUES, "        address = self.memory.take(len(frame))\n        self.memory.write(address, frame)\n        index,", "        self._clean()\n        address = self.memory.take(len(frame))\n        self.memory.write(address, frame)\n        index,"),
        breaks=(_LEFT,),
    ),
    _pf(
        "offload-reset-removes-nothing", "ours", "offload", "after a reset SAs are added to a table that has them",
        (_LEDGER, "        self._must(empty)\n", ""),
        breaks=(_CLEARED, _RESTORED),
    ),
    _pf(
        "offload-reset-without-salts-of-the-agent", "ours", "offload", "after a reset salts are zero",
        (_LEDGER, "            try:\n                self._must(command)\n            except Declined:", "            try:\n                self._must(replace(command, salt=bytes(4)))\n            except Declined:"),
        (_LEDGER, "from contextlib import suppress\n", "from contextlib import suppress\nfrom dataclasses import replace\n"),
        breaks=(_RESTORED,),
    ),
    _pf(
        "offload-all-of-every-port", "ours", "offload", "the removal of all SAs of a port removes those of every port",
        (_AGENT, "            for place in [one for one in self._found if one.port == number]:\n", "            for place in list(self._found):\n"),
        breaks=(_LEFT,),
    ),
    # ---------------------------------------------------------------------------------------------------- several functions
    _vf(
        "offload-vf-leaves-its-sas", "LO-001", "offload", "the PF forgets the SAs of a VF that has died, and the agent has them still",
        (_PF, "                self.ledger.remove(row)\n\n    def serve", "                del self.ledger.there[row]\n\n    def serve"),
        breaks=(_LEFT, _MAILBOX),
    ),
    _vf(
        "offload-vf-takes-others-along", "ours", "offload", "with a VF that has died go the SAs of those behind it",
        (_PF, "for row in [row for row in self.ledger.there if row[0] == number]:\n", "for row in [row for row in self.ledger.there if row[0] >= number]:\n"),
        breaks=(_LEFT,),
    ),
    _vf(
        "offload-domain-without-vlan", "ours", "offload", "the agent finds an inbound SA by address, whatever the VLAN",
        (_AGENT, "        slot = self._found.get(place)\n        if slot is None:\n            return frame, Found()\n",
         "        alike = [n for p, n in self._found.items() if (p.outbound, p.domain.mac, p.spi, p.destination) == (False, frame[:6], place.spi, place.destination)]\n"
         "        slot = alike[-1] if alike else None\n        if slot is None:\n            return frame, Found()\n"),
        breaks=(_KEY,),
    ),
    _vf(
        "offload-domain-of-the-receiver", "ours", "offload", "the agent looks for an outbound SA by VLAN alone, and takes the last that fits",
        (_AGENT, "        slot = self._found.get(place)\n        if slot is None:\n            self.breaches",
         "        alike = [n for p, n in self._found.items() if p.outbound and (p.spi, p.destination) == (place.spi, place.destination)]\n"
         "        slot = alike[-1] if alike else None\n        if slot is None:\n            self.breaches"),
        breaks=(_AAD,),
    ),
    _vf(
        "offload-forged-bit-passes", "ours", "offload", "the offload bit of a function that is not trusted goes into the metadata",
        (_MAC, "metadata if one.trusted else PLAIN", "metadata"),
        breaks=(_HANDED_OVER,),
    ),
    _vf(
        "offload-forged-command-passes", "ours", "offload", "a frame that a VF says is a control frame goes to the agent as one",
        (_MAC, "        if flags & IS_CONTROL and one.number == PF:\n", "        if flags & IS_CONTROL:\n"),
        breaks=(_UNTRUSTED, _LEFT),
    ),
    _vf(
        "offload-hairpin-without-vlan", "ours", "offload", "the agent is told of local addresses without their VLAN",
        (_PF, "        self._ask(Command(Operation.ADD_LOCAL, domain=domain))\n        self.vfs", "        self._ask(Command(Operation.ADD_LOCAL, domain=replace(domain, vlan=0)))\n        self.vfs"),
        breaks=(_HAIRPIN,),
    ),
    _vf(
        "offload-hairpin-unopened", "ours", "offload", "what turns round behind the agent is not opened on its way back",
        (_AGENT, "            self.from_wire(port, sent)\n", "            self._ports[port].to_mac(with_word(sent, PLAIN))\n"),
        breaks=(_PACKETS,),
    ),
    _vf(
        "offload-pool-without-shares", "ours", "offload", "whoever comes first takes all that there is of the table",
        (_PF, "sum(held.values()) + kept < ", "sum(held.values()) + 0 * kept < "),
        breaks=(_WHO,),
    ),
    _vf(
        "offload-pool-full-and-nobody-told", "ours", "offload", "a VF for whose SA there is no room is told that all is well",
        (_PF, "            return Status.SHARE\n", "            return Status.OK\n"),
        breaks=(_POOL, _LEFT),
    ),
)  # fmt: skip
