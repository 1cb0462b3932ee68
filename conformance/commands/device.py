"""`espproof device`: a simulated network card for a kernel or driver of the user's; what devices must keep up with."""

from math import log2
from pathlib import Path
from typing import Annotated, Literal

import typer

from espproof.adapters.base import Crashed
from espproof.adapters.driver.serve import serve
from espproof.adapters.driver.twins import written
from espproof.adapters.linux.cards import Cards
from espproof.conformance.commands.shell import ERR, EXPECTED, NEWS, OUT, errors
from espproof.reference.errors import Misuse
from espproof.reference.offload import estimate as arithmetic
from espproof.reference.offload.niantic.device import Niantic

_LOOK_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    app.command()(device)


def device(
    what: Annotated[
        Literal["niantic"], typer.Argument(help="niantic: Intel's 82599, two with a cable between them, or an X550.")
    ] = "niantic",
    vhost_user: Annotated[
        list[Path] | None,
        typer.Option(help="The socket of one card, a PCI function by vhost-user; give it twice.", show_default=False),
    ] = None,
    socket: Annotated[
        Path | None,
        typer.Option(help="The socket of one card for a driver that is a program of yours.", show_default=False),
    ] = None,
    example: Annotated[
        Path | None,
        typer.Option(
            help="A new folder for such a driver in C, wrong twins of it, and the document.", show_default=False
        ),
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="No card: what a device has to keep up with, by arithmetic.")
    ] = False,
    gbit: Annotated[float, typer.Option(help="With --estimate: the link's speed in Gbit/s.")] = 40,
    octets: Annotated[int, typer.Option(help="With --estimate: octets of a frame, with CRC.")] = 90,
    window: Annotated[int, typer.Option(help="With --estimate: packets of the anti-replay window.")] = 64,
) -> None:
    """Simulate cards for a kernel in user mode or a driver of yours, and tell what it does against the data sheet.

    --vhost-user: start it, then a kernel of `espproof adapters build linux --variant pci` (or with UML_PCI_OVER_VIRTIO)
    with `virtio_uml.device=SOCKET:1234` for each socket. What breaks a rule is told in the words of the rule, as it
    happens. It ends with the kernel, or with Ctrl-C. Exit status: 0 if no rule was broken, 1 if one was.

    --socket: a card alone, for a driver in any language. --example writes one in C, and what is spoken over the socket
    (SOCKET.md). Whether packets are right with such a driver: `espproof run niantic:./driver`.

    With --estimate: packets a second, how long sequence numbers last, how soon a device must know of half windows, and
    what crosses the bus.
    """
    with errors():
        if estimate:
            _estimate(gbit, octets, window)
            return
        if example is not None:
            for path in written(example):
                OUT.print(str(path), markup=False, highlight=False, soft_wrap=True)
            return
        if socket is not None:
            _for_a_driver(socket)
        if len(vhost_user or ()) != len(Cards.NAMES):
            raise Misuse(
                f"{what}: two cards, so two sockets: --vhost-user ONE --vhost-user OTHER; one for a driver: --socket PATH"
            )
        cards = Cards(vhost_user or ())
        try:
            told = _serve(cards)
        finally:
            cards.close()
        if cards.failure is not None:
            raise Misuse(f"a card has ended: {cards.failure}") from cards.failure
        raise typer.Exit(NEWS if told else EXPECTED)


def _for_a_driver(path: Path) -> None:
    """Until the driver has gone."""
    ERR.print("waiting for a driver", highlight=False)
    told: list[str] = []

    def tell(breach: str) -> None:
        told.append(breach)
        OUT.print(breach, markup=False, highlight=False, soft_wrap=True)

    try:
        chip = serve(path, tell)
    except Crashed as error:
        OUT.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(NEWS) from error
    except KeyboardInterrupt:
        ERR.print("ended", highlight=False)
    else:
        _count("the card", chip)
    raise typer.Exit(NEWS if told else EXPECTED)


def _count(name: str, chip: Niantic) -> None:
    done = sum(chip.done.values())
    OUT.print(
        f"{name}: {chip.counts.sent} frames sent, {chip.counts.delivered} delivered, {done} packets of its SAs",
        highlight=False,
    )


def _estimate(gbit: float, octets: int, window: int) -> None:
    """A line for each figure."""
    found = arithmetic.estimate(gbit * 1e9, octets, window)
    rows = {
        f"{gbit:g} Gbit/s, frames of {octets} octets": f"{found.packets:,.0f} packets/s, 2^{log2(found.packets):.1f}",
        "32-bit numbers of one SA last": _duration(found.short_lasts),
        "extended numbers": _duration(found.long_lasts),
        "half windows are entered every": _duration(1 / found.updates),
        f"the device must know within (window of {window})": _duration(found.patience),
        "bus, cipher in line": _bus(found.in_line, found.packets),
        "bus, look-aside": _bus(found.beside, found.packets),
    }
    width = max(map(len, rows))
    for name, figure in rows.items():
        OUT.print(f"{name:<{width}}  {figure}", highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    for unit, size in (("years", 365.25 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def _bus(bus: arithmetic.Bus, packets: float) -> str:
    octets = bus.to_device + bus.from_device
    return f"{bus.transfers} transfers and {octets:,} octets a packet, {octets * packets * 8 / 1e9:,.1f} Gbit/s"


def _serve(cards: Cards) -> int:
    """How many things were done against a rule until the kernel has gone; each is told once."""
    ERR.print("waiting for a kernel", highlight=False)
    told: set[str] = set()
    ended = False
    try:
        while not ended:
            ended = cards.wait(_LOOK_SECONDS)
            for breach in cards.breaches:
                if breach not in told:
                    OUT.print(breach, markup=False, highlight=False, soft_wrap=True)
                    told.add(breach)
    except KeyboardInterrupt:
        ERR.print("ended", highlight=False)
    for name, card in zip(cards.NAMES, (cards.first, cards.second), strict=True):
        _count(name, card.chip)
    return len(told)
