"""The driver of a virtual function: queues of its own, and SAs that it asks the PF for.

The chip does not say which SA it has used, so it is looked up here: if it was nobody's of ours, nothing was done for us.
"""

from contextlib import suppress
from dataclasses import dataclass

from espproof.reference.errors import Misuse
from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.memory import Arena
from espproof.reference.offload.niantic import mailbox, virtual
from espproof.reference.offload.niantic.descriptors import Data
from espproof.reference.offload.niantic.driver import ETHERTYPE, Lookup, OffloadedSa, Received
from espproof.reference.offload.niantic.mailbox import Words
from espproof.reference.offload.niantic.registers import MAILBOX
from espproof.reference.offload.niantic.rings import VIRTUAL, Bus, Rings
from espproof.reference.offload.niantic.tables import Handle

POLLS, POLL_MICROSECONDS = 100, 500
_PEER = bytes.fromhex("0282599000ee")


@dataclass(slots=True)
class _Entry:
    """An SA, and where the PF has put it; None: a reset has cost it that place."""

    sa: OffloadedSa
    place: int | None = None


class VirtualDriver:
    """From `start` on. Handles are the driver's own numbers: the PF's change with a reset."""

    def __init__(self, bus: Bus, memory: Arena) -> None:
        self._bus = bus
        self._rings = Rings(bus, memory, VIRTUAL)
        self._lookup = Lookup()
        self.sas: dict[int, _Entry] = {}
        self._doubtful: list[int] = []
        """Places of SAs that were to be deleted when the PF did not answer."""
        self.mac = bytes(6)

    def start(self) -> None:
        """`Dead` if the PF does not answer."""
        self._bus.write(virtual.VFCTRL.offset, virtual.VFCTRL.encode(RST=1))
        self._wait_for(RSTI=0)
        words = self._asked((mailbox.RESET,))
        self.mac = b"".join(word.to_bytes(4, "little") for word in words[1:3])[:6]
        self._rings.make()

    def reset(self) -> None:
        """The function anew, with the same SAs, as far as the PF takes them again."""
        self._rings.drop()
        self._doubtful.clear()
        for index, entry in self.sas.items():
            self._is_gone(index, entry)
        self.start()
        for index, entry in self.sas.items():
            with suppress(Refused):
                self._is_placed(index, entry, self._asked(mailbox.words_of(entry.sa))[1])

    # --------------------------------------------------------------------------------------------------------------- SAs

    def add(self, sa: OffloadedSa) -> Handle:
        """`Refused` with the PF's reason; `Dead` if it does not answer: what it has done then, the next reset undoes."""
        self._settle()
        place = self._asked(mailbox.words_of(sa))[1]
        index = next(n for n in range(len(self.sas) + 1) if n not in self.sas)
        self.sas[index] = _Entry(sa)
        self._is_placed(index, self.sas[index], place)
        return Handle(sa.direction, index)

    def delete(self, handle: Handle) -> None:
        """It is gone, or goes with the first request that the PF answers. `Misuse` for an SA that is not there."""
        entry = self.sas.pop(handle.index, None)
        if entry is None:
            raise Misuse(f"no SA {handle.index}")
        if entry.place is not None:
            self._doubtful.append(entry.place)
            self._is_gone(handle.index, entry)
            with suppress(Dead):
                self._settle()

    def _settle(self) -> None:
        """What was to be deleted is; a place that is not ours any more is none of our business."""
        while self._doubtful:
            with suppress(Refused):
                self.ask_to_delete(self._doubtful[0])
            del self._doubtful[0]

    def _is_placed(self, index: int, entry: _Entry, place: int) -> None:
        entry.place = place
        self._lookup.note(index, entry.sa)

    def _is_gone(self, index: int, entry: _Entry) -> None:
        if entry.place is not None:
            self._lookup.forget(index, entry.sa)
        entry.place = None

    def ask_to_delete(self, place: int) -> None:
        """Whatever stands at a place of the PF's. `Refused` if that is not ours."""
        self._asked((mailbox.IPSEC_DEL, place))

    def has(self, handle: Handle) -> bool:
        """Whether the SA is in the chip."""
        entry = self.sas.get(handle.index)
        return entry is not None and entry.place is not None

    # ------------------------------------------------------------------------------------------------------------ packets

    def send(self, packet: bytes, to: bytes = _PEER) -> None:
        """As it is."""
        frame = to + self.mac + ETHERTYPE[packet[0] >> 4] + packet
        self._rings.send(frame, Data(0, len(frame), len(frame), report=True))

    def received(self) -> list[Received]:
        """What has come since the last time, in order."""
        return self._lookup.told(self._rings)

    # ------------------------------------------------------------------------------------------------------------ mailbox

    def _asked(self, words: Words) -> Words:
        """The answer. `Refused` if it says no, `Dead` if there is none."""
        self._wait_for(PFU=0)
        self._post(VFU=1)
        for n, word in enumerate(words + (0,) * (MAILBOX - len(words))):
            self._bus.write(virtual.VFMBMEM.at(n), word)
        self._post(REQ=1)
        self._wait_for(PFSTS=1)
        self._post(VFU=1)
        answer = tuple(self._bus.read(virtual.VFMBMEM.at(n)) for n in range(MAILBOX))
        self._post(ACK=1)
        if not answer[0] & mailbox.SUCCESS:
            raise Refused(f"the PF refuses it: error {-answer[1] & 0xFFFFFFFF}")
        return answer

    def _post(self, **values: int) -> None:
        self._bus.write(virtual.VFMAILBOX.offset, virtual.VFMAILBOX.encode(**values))

    def _wait_for(self, **wanted: int) -> None:
        """Until a bit of the mailbox's register is so. Reading takes some of them away."""
        ((name, value),) = wanted.items()
        for _ in range(POLLS):
            if virtual.VFMAILBOX.field(name).of(self._bus.read(virtual.VFMAILBOX.offset)) == value:
                return
            self._bus.wait(POLL_MICROSECONDS)
        raise Dead(f"{name} of the mailbox does not become {value}")
