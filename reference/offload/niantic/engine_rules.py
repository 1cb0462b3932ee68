"""What the data sheet demands of whoever switches the engine on or off, judged as its registers are written (`rules`)."""

from collections.abc import Collection, Mapping

from espproof.reference.offload.niantic import registers, rules
from espproof.reference.offload.registers import Register, Values
from espproof.reference.offload.rules import Breaches


def judge_switch(
    values: Values, breaches: Breaches, register: Register, switch: str, stop: str, old: int, *, drained: bool
) -> None:
    """The engine of a direction may have been switched by a write to its control register, which was `old` before."""
    if values.get(register, switch) == register.field(switch).of(old):
        return
    what = f"{register.name} was {old:#x} and is {values.word(register):#x}"
    if not register.field(stop).of(old):
        breaches.note(rules.STOPPED, what)
    elif not drained:
        breaches.note(rules.DRAINED, what)


def judge_running(values: Values, breaches: Breaches, stale: Mapping[str, Collection[int]]) -> None:
    """Of the rules about the engine's surroundings, those that count as soon as the transmit path runs. `stale` are, by
    table, the entries that are from before a reset."""
    get = values.get
    if get(registers.SECTXCTRL, "TX_DIS"):
        return
    forward, threshold = get(registers.SECTXCTRL, "STORE_FORWARD"), get(registers.SECTXBUFFAF, "FULLTHRESH")
    if get(registers.SECTXCTRL, "SECTX_DIS"):
        if forward or threshold != 0x250:
            breaches.note(rules.OFF_AS_BEFORE, f"STORE_FORWARD is {forward}, FULLTHRESH {threshold:#x}")
        return
    if not forward:
        breaches.note(rules.STORE_FORWARD, "it is 0")
    if get(registers.SECTXMINIFG, "MINSECIFG") != 3:
        breaches.note(rules.GAP, f"it is {get(registers.SECTXMINIFG, 'MINSECIFG')}")
    if threshold != 0x15:
        breaches.note(rules.THRESHOLD, f"it is {threshold:#x}")
    if not get(registers.HLREG0, "TXCRCEN") or not get(registers.HLREG0, "RXCRCSTRP"):
        breaches.note(rules.CRC, f"HLREG0 is {values.word(registers.HLREG0):#x}")
    for name, left in stale.items():
        if left:
            breaches.note(rules.SEARCHED_CLEARED, f"{len(left)} entries of the {name} table are from before the reset")
