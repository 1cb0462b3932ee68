"""A driver's side of the rings of one function: buffers that go out and come back, frames in order."""

from espproof.reference.errors import Misuse
from espproof.reference.offload.fortville.mac import BUFFER, DESCRIPTOR, DONE, IS_CONTROL, RING, Mac
from espproof.reference.offload.fortville.messages import CONTROL, KEY_AT, TYPE
from espproof.reference.offload.memory import Arena

_BODY = 14


class Queues:
    """Of function `number`, in memory of its own. Frames that came are in `controls` and `frames` after `poll`."""

    def __init__(self, mac: Mac, number: int, memory: Arena) -> None:
        self._mac, self._number, self.memory = mac, number, memory
        self._rings: list[int] = []
        self._out: dict[int, int] = {}
        """Descriptor -> the buffer that it points to."""
        self._in: dict[int, int] = {}
        self._next_tx = self._next_rx = 0
        self.controls: list[bytes] = []
        self.frames: list[bytes] = []

    def start(self) -> None:
        """Anew: what was in the rings is lost."""
        self.stop()
        self._rings = [self.memory.take(RING * DESCRIPTOR.size) for _ in range(2)]
        self._next_tx = self._next_rx = 0
        self._mac.start(self._number, self.memory, *self._rings)
        for index in range(RING):
            self._in[index] = self.memory.take(BUFFER)
            self._describe(1, index, self._in[index], BUFFER)
        self._mac.filled(self._number, RING - 1)

    def stop(self) -> None:
        """All buffers are given back."""
        for address in (*self._rings, *self._out.values(), *self._in.values()):
            self.memory.give_back(address)
        for kept in (self._rings, self._out, self._in, self.controls, self.frames):
            kept.clear()

    def send(self, frame: bytes, metadata: int = 0, *, control: bool = False) -> None:
        """One frame; its buffer comes back as soon as it has left. `Misuse` for one that no descriptor can tell of."""
        if len(frame) > BUFFER:
            raise Misuse(f"a frame of {len(frame)} octets")
        address = self.memory.take(len(frame))
        self.memory.write(address, frame)
        index, self._out[self._next_tx] = self._next_tx, address
        self._describe(0, index, address, len(frame), IS_CONTROL * control, metadata)
        self._next_tx = (self._next_tx + 1) % RING
        self._mac.sent(self._number, self._next_tx)
        self._clean()

    def _clean(self) -> None:
        for index, address in list(self._out.items()):
            _, _, flags, _ = self._read(0, index)
            if flags & DONE:
                self.memory.give_back(address)
                del self._out[index]

    def poll(self) -> None:
        """What has come since the last time."""
        while True:
            address, length, flags, _ = self._read(1, self._next_rx)
            if not flags & DONE:
                return
            frame = self.memory.read(address, length)
            (self.controls if frame[TYPE] == CONTROL else self.frames).append(frame)
            self.memory.write(address, bytes(length))
            self._describe(1, self._next_rx, address, BUFFER)
            self._mac.filled(self._number, self._next_rx)
            self._next_rx = (self._next_rx + 1) % RING

    @property
    def left(self) -> int:
        """Octets of keys in buffers of control frames that were sent and not given back."""
        frames = (self.memory.read(address, _BODY + KEY_AT + 32) for address in self._out.values())
        return sum(sum(octet != 0 for octet in one[_BODY + KEY_AT :]) for one in frames if one[TYPE] == CONTROL)

    def _describe(self, ring: int, index: int, address: int, length: int, flags: int = 0, metadata: int = 0) -> None:
        self.memory.write(
            self._rings[ring] + index * DESCRIPTOR.size, DESCRIPTOR.pack(address, length, flags, metadata)
        )

    def _read(self, ring: int, index: int) -> tuple[int, int, int, int]:
        octets = self.memory.read(self._rings[ring] + index * DESCRIPTOR.size, DESCRIPTOR.size)
        address, length, flags, metadata = DESCRIPTOR.unpack(octets)
        return address, length, flags, metadata
