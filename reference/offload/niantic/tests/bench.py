"""A chip, its driver, and the host between: what the tests of both work on."""

from espproof.reference.offload.memory import Arena
from espproof.reference.offload.niantic.device import X550, Niantic, Personality
from espproof.reference.offload.niantic.driver import Driver, OffloadedSa

KEY, SALT, SPI = bytes(range(16)), b"salt", 0x01020304
ADDRESS = {4: bytes((10, 0, 0, 2)), 6: bytes((0x21,)) * 16}


class Bench:
    """`chip` with `wire`, what has left it; `driver`, which was started; `memory`, what the host has lent."""

    def __init__(self, personality: Personality = X550) -> None:
        self.memory = Arena(1 << 20)
        self.wire: list[bytes] = []
        self.chip = Niantic(self.memory, self.wire.append, personality)
        self.driver = Driver(self, self.memory)
        self.log: list[tuple[int, int]] = []

    def read(self, offset: int) -> int:
        return self.chip.read(offset)

    def write(self, offset: int, word: int) -> None:
        self.log.append((offset, word))
        self.chip.write(offset, word)

    def wait(self, microseconds: int) -> None:
        self.chip.now += microseconds

    @classmethod
    def started(cls, personality: Personality = X550) -> "Bench":
        bench = cls(personality)
        bench.driver.start()
        return bench


def sa(direction: str = "out", version: int = 4, **fields: object) -> OffloadedSa:
    given = {"spi": SPI, "address": ADDRESS[version], "key": KEY, "salt": SALT, **fields}
    return OffloadedSa(direction, **given)  # type: ignore[arg-type]
