"""User-mode Linux: a kernel that is an ordinary process, with a virtual network card to be asked over.

    espproof ──socket pair (SOCK_SEQPACKET)── vec0 of the guest ── inside/guest_main.py

The guest's root is this machine's file system, read-only: nothing is written anywhere. The kernel's console comes out of
its standard output, and its end is quoted when the guest dies: a kernel panic is an end of file here.

The guest and who asks it take turns, so they are fastest on one processor; see `Processor`.

A guest that travels in time has a clock of its own, which jumps to what is waited for as soon as there is nothing to do.
While nobody asks it anything it is stopped, as its time would fly; and `guest_main` never waits long, so that little time
passes before the signal arrives.
"""

from collections.abc import Sequence
from pathlib import Path

from espproof.adapters.base import AdapterError
from espproof.adapters.linux.inside import channel
from espproof.adapters.linux.kernel import registers
from espproof.adapters.linux.kernel.machine import Machine, program_inside
from espproof.adapters.linux.kernel.processor import Processor

_MEMORY = "160M"
_LOGLEVEL = 5
"""Warnings and worse go to the console."""
_TIME_TRAVEL = ("time-travel=inf-cpu", "initcall_blacklist=jent_mod_init")
"""Computing takes no time; so there is no jitter to make random numbers of, for which the kernel would wait for ever."""

_SEVERAL = ("ncpus=2", "seccomp=on")
"""Processors are threads; without seccomp (which traces processes another way) there can be no more than one."""


_PCI = 1234
"""The virtio device that stands for a PCI function: CONFIG_UML_PCI_OVER_VIRTIO_DEVICE_ID."""
_CARDS = {0: (), 2: ("cards",), 3: ("cards", "virtual")}
"""Words for the program inside, by the number of functions."""
_PATIENT = ("virt_pci.max_delay_us=5000000", "virtio_pcidev.max_delay_us=5000000")
"""How long the kernel waits for an answer: a model in Python can be slower than the 40 ms that it waits by itself."""


class Guest(Machine):
    """A user-mode Linux that runs. With `gro`, packets arrive through the kernel's generic receive offload; with `later`,
    a template of the crypto API, ciphers finish later; with `several`, it has two processors; `devices` are sockets of PCI
    functions (`adapters.pci`): two Ethernet cards with a cable between them, of which the first is given the SAs, or, if
    there is one between them, a virtual function of the first. With `netdevsim` there are two such cards instead."""

    who, dies = "guest", "kernel"

    def __init__(
        self,
        kernel: str,
        processor: Processor,
        seconds: float,
        *,
        time_travel: bool = False,
        gro: bool = False,
        later: str = "",
        memory: str = _MEMORY,
        several: bool = False,
        devices: Sequence[Path] = (),
        netdevsim: bool = False,
    ) -> None:
        self._kernel = kernel
        self._memory = memory
        self._time_travel = time_travel
        self._several = several
        self._devices = devices
        self._arguments = (
            *(("gro",) if gro else ()),
            *((later,) if later else ()),
            *_CARDS[len(devices)],
            *(("netdevsim",) if netdevsim else ()),
        )
        super().__init__(processor, seconds, pauses=time_travel)

    def _command(self, descriptor: int) -> list[str]:
        python, *arguments = map(quoted, program_inside("guest_main.py"))
        return [
            *registers.started(self._kernel),
            f"mem={self._memory}",
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"loglevel={_LOGLEVEL}",
            "panic=-1",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
            f"vec0:transport=fd,fd={descriptor},mtu={channel.MAX_FRAME},depth=128,vec={int(self._several)}",
            "uml_dir=/dev/null/",
            *(_TIME_TRAVEL if self._time_travel else ()),
            *(_SEVERAL if self._several else ()),
            *(f"virtio_uml.device={device}:{_PCI}" for device in self._devices),
            *(_PATIENT if self._devices else ()),
            f"init={python}",
            "--",
            *arguments,
            *self._arguments,
        ]


def quoted(word: str) -> str:
    """A word of a kernel's command line, which knows quotes, but nothing that would keep a quote."""
    if '"' in word:
        raise AdapterError(f"a kernel's command line has no place for the path {word!r}")
    return f'"{word}"' if any(character.isspace() for character in word) else word
