"""The PF's driver for virtual functions: it alone reaches the tables of SAs, and knows whose each of them is.

    VF ── mailbox ──► PF ── tables, by the PF's own driver
         who may?         handle ──► function

Only functions that are trusted have SAs, and inbound ones alone: what is sent to another pool stays within the chip, where
no IPsec is done. What is deleted must be the function's own. Two SAs with one SPI and destination the chip could not tell
apart: the second is refused, whoever asks. When a function is reset, or the chip, its SAs are gone, until it asks anew.
"""

from errno import EACCES, EEXIST, EINVAL, EIO, ENOENT, ENOSPC, EOPNOTSUPP, EPERM

from espproof.reference.offload.api import Dead, Refused
from espproof.reference.offload.niantic import mailbox
from espproof.reference.offload.niantic import registers as r
from espproof.reference.offload.niantic.driver import Driver
from espproof.reference.offload.niantic.mailbox import Declined, Words
from espproof.reference.offload.niantic.rings import Bus
from espproof.reference.offload.niantic.tables import SAS, Handle
from espproof.reference.offload.registers import Register

_MODE_64 = 3
QUEUES = 2
"""Of each pool, of which there are 64."""


class Pf:
    """`addresses` are Ethernet addresses of functions; `trusted` those that may have SAs. The pool behind the functions'
    is the PF's own."""

    def __init__(self, bus: Bus, driver: Driver, addresses: list[bytes], trusted: frozenset[int]) -> None:
        self._bus, self.driver = bus, driver
        self._addresses, self._trusted = addresses, trusted
        self.owners: dict[int, int] = {}
        """Index of an inbound SA -> function."""
        self._ready: set[int] = set()
        """Functions that have been reset since the chip was."""

    # -------------------------------------------------------------------------------------------------- life of the port

    def start(self) -> None:
        """From power on."""
        self.driver.start()
        self._share()

    def reset(self) -> None:
        """The chip anew; the PF's own SAs stand where they stood."""
        for number in range(len(self._addresses)):
            self._forget(number)
        self.driver.reset()
        self._share()

    def _share(self) -> None:
        pool = len(self._addresses)
        self._put(r.GCR_EXT, VT_MODE=_MODE_64)
        for number, address in enumerate(self._addresses):
            low, high = mailbox.address_of(address)
            self._bus.write(r.RAL.at(number + 1), low)
            self._bus.write(r.RAH.at(number + 1), r.RAH.encode(HIGH=high, AV=1))
            self._bus.write(r.MPSAR.at(2 * (number + 1)), 1 << number)
        self._bus.write(r.MPSAR.at(0), 1 << pool)
        self._bus.write(r.VFRE.offset, 1 << pool)
        self._bus.write(r.VFTE.offset, 1 << pool)
        self._put(r.VT_CTL, VT_ENABLE=1, DEF_PL=pool)
        self._put(r.CTRL_EXT, PFRSTD=1)

    # -------------------------------------------------------------------------------------------------------- mailboxes

    def serve(self) -> None:
        """Functions that were reset, then one message of each that has one."""
        reset = self._bus.read(r.VFLREC.offset)
        self._bus.write(r.VFLREC.offset, reset)
        asked = r.MBVFICR.field("VFREQ").of(self._bus.read(r.MBVFICR.offset))
        for number in range(len(self._addresses)):
            if reset >> number & 1:
                self._forget(number)
            if asked >> number & 1 and self._take(number):
                self._bus.write(r.MBVFICR.offset, 1 << number)
                self._answer(number)

    def _answer(self, number: int) -> None:
        words = tuple(self._bus.read(r.PFMBMEM.at(number * r.MAILBOX + n)) for n in range(r.MAILBOX))
        self._bus.write(r.PFMAILBOX.at(number), r.PFMAILBOX.encode(ACK=1))
        try:
            answer = mailbox.done(words, *self._carried_out(number, words))
        except Declined as reason:
            answer = mailbox.failed(words, reason.error)
        if self._take(number):
            # all of it: what was asked had a key in it
            for n, word in enumerate(answer + (0,) * (r.MAILBOX - len(answer))):
                self._bus.write(r.PFMBMEM.at(number * r.MAILBOX + n), word)
            self._bus.write(r.PFMAILBOX.at(number), r.PFMAILBOX.encode(STS=1))

    def _take(self, number: int) -> bool:
        """Whether the mailbox is ours now."""
        place = r.PFMAILBOX.at(number)
        self._bus.write(place, r.PFMAILBOX.encode(PFU=1))
        return bool(r.PFMAILBOX.field("PFU").of(self._bus.read(place)))

    def _carried_out(self, number: int, words: Words) -> Words:
        """What the answer tells besides. `Declined` with the reason."""
        if mailbox.kind(words) == mailbox.RESET:
            self._ready.add(number)
            for register in (r.VFRE, r.VFTE):
                self._bus.write(register.offset, self._bus.read(register.offset) | 1 << number)
            return mailbox.address_of(self._addresses[number])
        if number not in self._ready:
            raise Declined(EPERM)
        if number not in self._trusted:
            raise Declined(EACCES)
        if mailbox.kind(words) == mailbox.IPSEC_ADD:
            return (self._add(number, words),)
        if mailbox.kind(words) == mailbox.IPSEC_DEL:
            self._delete(number, words[1])
            return ()
        raise Declined(EOPNOTSUPP)

    def _add(self, number: int, words: Words) -> int:
        sa = mailbox.sa_of(words)
        if sa.direction != "in":
            raise Declined(EOPNOTSUPP)
        if self.driver.has_alike(sa):
            raise Declined(EEXIST)
        try:
            handle = self.driver.add(sa)
        except Refused:
            raise Declined(ENOSPC) from None
        except Dead:
            raise Declined(EIO) from None
        self.owners[handle.index] = number
        return handle.index

    def _delete(self, number: int, index: int) -> None:
        """What is not there was deleted already, as with a reset."""
        if index >= SAS:
            raise Declined(EINVAL)
        if not self.driver.has("in", index):
            return
        if self.owners.get(index) != number:
            raise Declined(ENOENT)
        self._remove(index)

    def _remove(self, index: int) -> None:
        del self.owners[index]
        self.driver.delete(Handle("in", index))

    def _forget(self, number: int) -> None:
        self._ready.discard(number)
        for index in [index for index, owner in self.owners.items() if owner == number]:
            self._remove(index)

    def _put(self, register: Register, **values: int) -> None:
        word = self._bus.read(register.offset)
        for name, value in values.items():
            word = register.field(name).put(word, value)
        self._bus.write(register.offset, word)
