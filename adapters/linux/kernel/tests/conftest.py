"""A program in the kernel's place that speaks, or does not speak, the protocol of the guest."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import espproof
from espproof.adapters.linux.kernel.guest import Guest
from espproof.adapters.linux.kernel.processor import Processor

_BEGINNING = """#!{python}
import os, socket, sys, time
sys.path.insert(0, {folder!r})
from espproof.adapters.linux.inside import channel

(card,) = [word for word in sys.argv if word.startswith("vec0:")]
asker = socket.socket(fileno=int(card.partition("fd,fd=")[2].partition(",")[0]))
put = lambda content: asker.send(channel.ASKER + channel.AGENT + channel.ETHERTYPE.to_bytes(2, "big") + content)
take = lambda: asker.recv(1 << 16)[14:]
say = lambda text: print(text, flush=True)
last = lambda octets: channel._HEAD.pack(channel._LAST, len(octets)) + octets
more = lambda octets: channel._HEAD.pack(channel._MORE, len(octets)) + octets

def long(message):
    for at in range(0, len(message), 50000):
        put(more(message[at : at + 50000]))
        take()
    put(last(b""))

say("it starts")
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    """Starts a guest whose kernel is a Python program, with what `_BEGINNING` has. Nothing may be left of it."""
    before = os.listdir("/proc/self/fd")
    processor = Processor()
    guests: list[Guest] = []

    def started(program: str, seconds: float = 60) -> Guest:
        kernel = tmp_path / "kernel"
        folder = str(Path(espproof.__file__).parents[1])
        kernel.write_text(_BEGINNING.format(python=sys.executable, folder=folder) + program, encoding="utf-8")
        kernel.chmod(0o700)
        guests.append(Guest(str(kernel), processor, seconds))
        return guests[-1]

    yield started
    for guest in guests:
        guest.close()
        assert not Path(f"/proc/{guest.process}").exists()
    processor.release()
    assert os.listdir("/proc/self/fd") == before
