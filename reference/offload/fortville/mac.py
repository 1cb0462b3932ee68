"""The MAC of a port: queues of its functions, the switch between them, and what it puts into frames.

    function 0      the PF, whose driver rules the port; others are VFs, for virtual machines
    transmit        descriptor: frame and 32 bits of metadata ──► port VLAN, metadata ──► agent, or other function
    receive         frame from the agent ──► function of its address and VLAN, without the tag, metadata left in front
    mailbox         messages of up to 80 octets between VFs and PF

Every frame that leaves gets metadata, whatever is in it: what a VM has written there itself is payload behind. Of a
function that is not trusted they are zero. Control frames, which have none, come from the PF alone. A VF sends from its
own address, and no VLAN tags of its own.

    VEB     what is for another function of the port goes there directly; the agent does not see it
    VEPA    all goes out, and what is for another function comes back from outside, or from the agent's hairpin

Descriptors are 16 octets, little-endian: address (8), length (2), flags (2), metadata (4). *Assumed*, as the XL710's data
sheet knows no such metadata; so are the checks of address and tags (it has them) and that group addresses go to all
functions of the VLAN but the sender.
"""

import struct
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from espproof.reference.offload.fortville import rules
from espproof.reference.offload.fortville.messages import (
    CONTROL,
    NOBODY,
    PLAIN,
    TAG,
    TYPE,
    VLAN,
    Domain,
    with_word,
    without_word,
)
from espproof.reference.offload.memory import Memory
from espproof.reference.offload.rules import Breaches

DESCRIPTOR = struct.Struct("<QHHI")
"""Address, length, flags, metadata."""
DONE, IS_CONTROL = 1, 2
"""Flags: written back; a control frame."""
RING = 16
"""Descriptors of each ring."""
BUFFER = 9856
"""Octets of a receive buffer: any frame fits."""
CRC = 4
ETHERNET = 14
VLAN_TAG = 4
LONGEST = rules.LARGEST_FRAME - CRC - ETHERNET - VLAN_TAG - TAG
"""Octets of the longest IP packet, with all that is put into its frame."""
MAILBOX = 32
"""Messages that wait for a PF, of one VF; others are lost."""
PF = 0
_TAGGED = VLAN, b"\x88\xa8"


class Switch(Enum):
    VEB = "veb"
    VEPA = "vepa"


@dataclass(slots=True)
class Function:
    """One set of queues. What a driver sees of it is what `Mac` has for any driver."""

    number: int
    domain: Domain = NOBODY
    trusted: bool = False
    enabled: bool = False
    memory: Memory | None = None
    """None: not started."""
    tx: int = 0
    rx: int = 0
    tx_head: int = 0
    rx_head: int = 0
    rx_tail: int = 0
    to_pf: deque[bytes] = field(default_factory=deque)
    to_vf: deque[bytes] = field(default_factory=deque)


class Mac:
    """Of one port. `to_agent` takes frames; `functions` is how many there are, the PF among them."""

    def __init__(self, to_agent: Callable[[bytes], None], breaches: Breaches, functions: int = 4) -> None:
        self._to_agent = to_agent
        self.breaches = breaches
        self.functions = [Function(number) for number in range(functions)]
        self.switch = Switch.VEPA
        self.lost: Counter[str] = Counter()
        """Frames that went nowhere, by reason."""
        self.died: list[int] = []
        """VFs that were reset, which the PF has not been told of."""
        self.faults: Counter[str] = Counter()
        """"mail-lost", "reply-lost": so many messages to the PF, or from it, are lost next."""

    # --------------------------------------------------------------------------------------------------------- for the PF

    def configure(self, number: int, domain: Domain, *, trusted: bool, enabled: bool = True) -> None:
        """What a function is. Its queues start with its driver."""
        one = self.functions[number]
        one.domain, one.trusted, one.enabled = domain, trusted, enabled

    def disable(self, number: int) -> None:
        """No packet goes in or out, and what its mailbox had is gone."""
        self.functions[number] = Function(number)

    def reset(self) -> None:
        """All functions: rings, configuration, mailboxes. VFs are not told; they notice that nothing works."""
        self.functions = [Function(number) for number in range(len(self.functions))]
        self.died.clear()

    # ------------------------------------------------------------------------------------------------------ for any driver

    def start(self, number: int, memory: Memory, tx: int, rx: int) -> None:
        """Rings of `RING` descriptors at these addresses."""
        one = self.functions[number]
        one.memory, one.tx, one.rx = memory, tx, rx
        one.tx_head = one.rx_head = one.rx_tail = 0

    def reset_function(self, number: int) -> None:
        """A VF's own reset, or the death of its VM: queues and mailbox are gone. The PF finds it in `died`."""
        old = self.functions[number]
        self.functions[number] = Function(number, old.domain, old.trusted, old.enabled)
        if number != PF:
            self.died.append(number)

    def sent(self, number: int, tail: int) -> None:
        """Descriptors in front of `tail` are filled: their frames leave, and they are written back."""
        one = self.functions[number]
        while one.memory is not None and one.tx_head != tail:
            at, memory = one.tx + one.tx_head * DESCRIPTOR.size, one.memory
            address, length, flags, metadata = DESCRIPTOR.unpack(memory.read(at, DESCRIPTOR.size))
            frame = memory.read(address, length)
            memory.write(at, DESCRIPTOR.pack(address, length, flags | DONE, metadata))
            one.tx_head = (one.tx_head + 1) % RING
            self._transmit(one, frame, flags, metadata)

    def filled(self, number: int, tail: int) -> None:
        """Descriptors in front of `tail` have buffers."""
        self.functions[number].rx_tail = tail

    def post(self, number: int, message: bytes) -> None:
        """A message from a VF to the PF."""
        box = self.functions[number].to_pf
        if len(box) < MAILBOX and not self._is_lost("mail-lost"):
            box.append(message)

    def reply(self, number: int, message: bytes) -> None:
        """One from the PF to a VF."""
        box = self.functions[number].to_vf
        if len(box) < MAILBOX and not self._is_lost("reply-lost"):
            box.append(message)

    def _is_lost(self, fault: str) -> bool:
        if not self.faults[fault]:
            return False
        self.faults[fault] -= 1
        return True

    # ----------------------------------------------------------------------------------------------------------- transmit

    def _transmit(self, one: Function, frame: bytes, flags: int, metadata: int) -> None:
        if len(frame) < ETHERNET or not one.enabled:
            self.lost["not enabled"] += 1
            return
        if flags & IS_CONTROL and one.number == PF:
            self._to_agent(frame)
            return
        if len(frame) > LONGEST + ETHERNET:
            self.breaches.note(rules.LARGEST, f"{len(frame)} octets")
            self.lost["too long"] += 1
            return
        if one.number != PF and (frame[6:12] != one.domain.mac or frame[TYPE] in _TAGGED):
            self.lost["spoofed"] += 1
            return
        if one.domain.vlan:
            frame = frame[:12] + VLAN + one.domain.vlan.to_bytes(2, "big") + frame[12:]
        if self.switch is Switch.VEB and (there := self._addressed(frame, one)):
            for other in there:
                self._put(other, with_word(_without_tag(frame, other), PLAIN))
            if not frame[0] & 1:
                return
        self._to_agent(with_word(frame, metadata if one.trusted else PLAIN))

    # ------------------------------------------------------------------------------------------------------------ receive

    def from_agent(self, frame: bytes) -> None:
        """A control frame, or a frame with metadata in front."""
        if frame[TYPE] == CONTROL:
            self._put(self.functions[PF], frame)
            return
        parts = without_word(frame)
        if parts is None:
            self.lost["no metadata"] += 1
            return
        plain, word = parts
        if len(plain) > rules.LARGEST_FRAME - CRC - TAG:
            self.lost["too long"] += 1
            return
        sent_by = Domain(plain[6:12], _vlan(plain))
        there = self._addressed(plain, next((one for one in self.functions if one.domain == sent_by), None))
        for one in there:
            self._put(one, with_word(_without_tag(plain, one), word))
        if not there:
            self.lost["nobody's"] += 1

    def _addressed(self, frame: bytes, sender: Function | None) -> list[Function]:
        """The functions that a frame is for: by address and VLAN; of a group's address all but the sender."""
        vlan = _vlan(frame)
        if frame[0] & 1:
            return [one for one in self.functions if one.enabled and one.domain.vlan == vlan and one is not sender]
        return [one for one in self.functions if one.enabled and one.domain == Domain(frame[:6], vlan)]

    def _put(self, one: Function, frame: bytes) -> None:
        if one.memory is None or one.rx_head == one.rx_tail:
            self.lost["no buffer"] += 1
            return
        at = one.rx + one.rx_head * DESCRIPTOR.size
        address, *_ = DESCRIPTOR.unpack(one.memory.read(at, DESCRIPTOR.size))
        one.memory.write(address, frame)
        one.memory.write(at, DESCRIPTOR.pack(address, len(frame), DONE, 0))
        one.rx_head = (one.rx_head + 1) % RING


def _vlan(frame: bytes) -> int:
    return int.from_bytes(frame[14:16], "big") & 0xFFF if frame[TYPE] == VLAN else 0


def _without_tag(frame: bytes, one: Function) -> bytes:
    """The tag of a function's port is not for its VM."""
    return frame[:12] + frame[16:] if one.domain.vlan else frame
