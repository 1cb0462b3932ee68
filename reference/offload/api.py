"""What a stack asks of a device that can do the cipher of ESP, and what the device answers.

After Linux's `xfrmdev_ops` for crypto offload (kernel document `xfrm_device`), in the words of the reference: an SA is
added and deleted, a packet goes out with everything but the cipher, a packet comes in with what the device has done to
it. Numbers, windows, lifetimes, padding, policies and headers stay with the stack.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol

from espproof.reference.offload.rules import Breaches
from espproof.reference.sa import SaState, SecurityAssociation

Handle = Any
"""An SA in a device; equal handles are the same SA."""


class Refused(Exception):
    """A device cannot do it: the stack does it in software. Carries the reason in a few words."""


class Dead(Exception):
    """A device does not answer as it should."""


class Done(Enum):
    """What a device has done to a packet that came in."""

    NOTHING = "nothing"
    """No SA of its own was met."""
    OPENED = "opened"
    """The ICV is right, and where there was ciphertext is plaintext. Headers, trailer and ICV stand as they came."""
    FORGED = "forged"
    """The ICV is wrong; nothing else can be said of the payload."""
    UNREADABLE = "unreadable"
    """Too short, or of a length that cannot be."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An IP packet as a device gives it to the stack; `handle` is the SA that it used, None with `NOTHING`.

    `high` is the half of an extended sequence number that is not in the packet, as the device took it to be: what it found
    is about that number. None: the SA has no extended numbers.
    """

    packet: bytes
    done: Done
    handle: Handle = None
    high: int | None = None


class CryptoDevice(Protocol):
    """A port with its driver."""

    def add(self, sa: SecurityAssociation) -> Handle:
        """`Refused` with the reason."""

    def delete(self, handle: Handle) -> None:
        """No octet of its key is left in the device."""

    def has(self, handle: Handle) -> bool:
        """Whether an SA that was added is in it still: a reset may have cost it, and it is software's then."""

    def takes(self, packet: bytes) -> bool:
        """Whether the device can protect this IP packet (Linux: `offload_ok`), of an SA that it has."""

    @property
    def longest(self) -> int:
        """Octets of the longest IP packet that it can send, protected or not."""

    def send(self, packet: bytes, handle: Handle | None, sequence: int = 0) -> list[bytes]:
        """An IP packet of at most `longest` octets; with a handle it has ESP header, IV, plaintext, trailer and a blank
        ICV, and its whole number is `sequence`. What leaves on the wire, as IP packets: nothing, where it waits for a
        link or is lost."""

    def advance(self, handle: Handle, bottom: int) -> None:
        """The window of an SA with extended numbers begins at this one now (Linux: `advance_esn`)."""

    def arrive(self, packet: bytes) -> list[Arrived]:
        """An IP packet from the wire; nothing, if the device has lost it."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a device has made of a packet that came, of whose SA it does all. `handle` is None if it is of no such SA;
    then, and if the ICV is wrong, `packet` is as it came. What was `right` is without ESP, and `next_header` that of the
    trailer; with a trailer that is `broken`, ESP is there still."""

    packet: bytes
    found: Literal["nothing", "right", "replayed", "forged", "broken"]
    handle: Handle = None
    next_header: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an SA has come: the last number sent, or the highest received; the numbers that came, bit n is the number n
    below; and the packets that have passed, None if nobody but the host counts them."""

    number: int
    received: int
    packets: int | None = None


class PacketDevice(Protocol):
    """A port that does all of ESP: numbers, windows, headers and limits of packets too (Linux: packet offload). The host
    sees no number of a packet that passed."""

    def add(self, sa: SecurityAssociation, state: SaState) -> Handle:
        """`Refused` with the reason."""

    def delete(self, handle: Handle) -> None:
        """No octet of its key is left in the device."""

    def takes(self, packet: bytes) -> bool:
        """Whether the device can protect this IP packet."""

    @property
    def longest(self) -> int:
        """Octets of the longest IP packet that it can send."""

    def send(self, packet: bytes, handle: Handle | None) -> list[bytes]:
        """An IP packet, to be protected by an SA or sent as it is; what leaves: nothing, of an SA at its limit."""

    def arrive(self, packet: bytes) -> list[Whole]:
        """An IP packet from the wire; nothing, if the device has lost it."""

    def state(self, handle: Handle) -> Progress:
        """Of an SA, as it is now."""

    def set_state(self, handle: Handle, progress: Progress) -> None:
        """The same, after software has done packets of the SA."""

    def look(self) -> None:
        """See to what the device should have told; once a second."""


class Engine(Protocol):
    """A device beside the way of packets: it is given octets, and what comes of them is asked for later."""

    @property
    def least(self) -> int:
        """Octets of the shortest IP packet for which that pays."""

    def add(self, sa: SecurityAssociation) -> Handle:
        """A session for the keys of an SA. `Refused` with the reason."""

    def delete(self, session: Handle) -> None:
        """No octet of its keys is left, once what is under way has been done."""

    def seal(self, session: Handle, covered: bytes, iv: bytes, plaintext: bytes) -> int | None:
        """A ticket for ciphertext and ICV; None if there is no room. `covered` are SPI and low half of the number, and
        the high half, if there is one, where the algorithm has it."""

    def open(self, session: Handle, covered: bytes, iv: bytes, octets: bytes) -> int | None:
        """A ticket for the plaintext of ciphertext and ICV; the same."""

    def result(self, ticket: int) -> bytes | None:
        """What came of it, once; None if the ICV is wrong. `Dead` if nothing comes."""

    def forget(self, ticket: int) -> None:
        """It will not be asked for."""


class Inspected(Protocol):
    """What whoever runs a model can see and do besides."""

    @property
    def entries(self) -> int:
        """Of the device's tables of SAs, how many are taken, by what the device itself has."""

    @property
    def left(self) -> int:
        """Octets in it of keys, and of what is searched, that are of no SA which its driver has."""

    @property
    def breaches(self) -> Breaches:
        """What the driver has done against the rules."""

    def reset(self) -> None:
        """The device loses what it loses, and its driver puts everything where it stood."""

    def set_link(self, up: bool) -> None:
        """A cable is plugged in or out. What waited for it leaves unseen."""

    def befalls(self, event: str) -> None:
        """Something else befalls the device soon: one of the events that it is declared to have."""

    def calm(self) -> None:
        """Nothing more does."""


class Port(CryptoDevice, Inspected, Protocol):
    """A device in the way of packets, with its driver."""


class PacketPort(PacketDevice, Inspected, Protocol):
    """A device that does all, with its driver."""


class EnginePort(Engine, Inspected, Protocol):
    """A device beside it, with its driver."""
