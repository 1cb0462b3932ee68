"""The kernel that this machine runs, instead of one in user mode: `linux:host`, as root.

    linux:host                      tun devices alone
    linux:host=DEV,PEER             packets go through the card DEV, whose cable ends at PEER, without offload
    linux:host=crypto:DEV,PEER      … `offload crypto dev DEV`
    linux:host=packet:DEV,PEER      … `offload packet dev DEV`
    linux:host=crypto:DEV           DEV gets back what it sends (loopback mode)

The same gateway and agent as in a guest run in a child process (`inside/host_main.py`), in network namespaces that it
makes and that end with it. The supervisor ends the child, however we end. What the kernel loads for it (modules) stays
loaded.
"""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from espproof.adapters.base import AdapterError
from espproof.adapters.linux.kernel.machine import Machine, program_inside
from espproof.adapters.linux.kernel.processor import Processor
from espproof.adapters.linux.netlink.offload import KINDS
from espproof.reference.errors import Misuse

VARIANT = "host"
_FORM = re.compile(rf"(?:(?P<kind>{'|'.join(KINDS)}):)?(?P<card>[^:,/\s]{{1,15}})(?:,(?P<peer>[^:,/\s]{{1,15}}))?")
_PARTING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """What stands behind `host`: a card or none, the other end of its cable, the kind of offload (or "")."""

    card: str = ""
    peer: str = ""
    offload: str = ""

    @classmethod
    def of(cls, variant: str) -> "Place | None":
        """What a variant of the adapter says; None if it is another one. `Misuse` for what cannot be understood."""
        name, equals, argument = variant.partition("=")
        if name != VARIANT:
            return None
        if not equals:
            return cls()
        form = _FORM.fullmatch(argument)
        if form is None or form["card"] == form["peer"]:
            raise Misuse(f"linux:host=[{':|'.join(KINDS)}:]DEV[,PEER], not {argument!r}")
        return cls(form["card"], form["peer"] or "", form["kind"] or "")

    def __str__(self) -> str:
        if not self.card:
            return "this host"
        through = f"through {self.card}" + (f" and {self.peer}" if self.peer else "")
        return f"this host, {through}, {self.offload or 'no'} offload"


class Host(Machine):
    """The child process. `AdapterError` if it is not possible here, with what is missing."""

    who, dies = "gateway on this host", "gateway"

    def __init__(self, place: Place, processor: Processor, seconds: float) -> None:
        self._place = place
        super().__init__(processor, seconds)

    def _command(self, descriptor: int) -> list[str]:
        place = self._place
        words = [*program_inside("host_main.py"), _pyroute2()]
        return [*words, str(descriptor), place.offload, place.card, place.peer]

    def close(self) -> None:
        """The child brings the cards back when its channel is closed; whatever is left of it then is killed."""
        if not self._program.is_gone:
            self._ours.close()
            self._program.end(_PARTING_SECONDS)
        super().close()


def _pyroute2() -> str:
    """The folder that pyroute2 is imported from."""
    found = find_spec("pyroute2")
    if found is None or found.origin is None:
        raise AdapterError("linux:host: pyroute2 is missing: pip install 'espproof[linux]'")
    return str(Path(found.origin).parents[1])
