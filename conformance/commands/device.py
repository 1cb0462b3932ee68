"""`espproof device`: a simulated network card for a kernel or driver of the user's."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from espproof.adapters.linux.cards import Cards
from espproof.conformance.commands.shell import ERR, EXPECTED, NEWS, OUT, errors
from espproof.reference.errors import Misuse

_LOOK_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    app.command()(device)


def device(
    what: Annotated[Literal["niantic"], typer.Argument(help="niantic: two Intel 82599 with a cable between them.")],
    vhost_user: Annotated[
        list[Path] | None,
        typer.Option(help="The socket of one card, a PCI function by vhost-user; give it twice.", show_default=False),
    ] = None,
) -> None:
    """Simulate cards for a kernel in user mode, and tell what its driver does against the data sheet.

    Start it, then a kernel of `espproof adapters build linux --variant pci` (or with UML_PCI_OVER_VIRTIO) with
    `virtio_uml.device=SOCKET:1234` for each socket. What breaks a rule is told in the words of the rule, as it happens.
    It ends with the kernel, or with Ctrl-C. Exit status: 0 if no rule was broken, 1 if one was.
    """
    with errors():
        if len(vhost_user or ()) != len(Cards.NAMES):
            raise Misuse(f"{what}: two cards, so two sockets: --vhost-user ONE --vhost-user OTHER")
        cards = Cards(vhost_user or ())
        try:
            told = _serve(cards)
        finally:
            cards.close()
        if cards.failure is not None:
            raise Misuse(f"a card has ended: {cards.failure}") from cards.failure
        raise typer.Exit(NEWS if told else EXPECTED)


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
        counts, done = card.chip.counts, sum(card.chip.done.values())
        OUT.print(
            f"{name}: {counts.sent} frames sent, {counts.delivered} delivered, {done} packets of SAs", highlight=False
        )
    return len(told)
