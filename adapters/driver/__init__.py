"""Drivers that are programs of anybody's, in any language, on our model of the card: SOCKET.md is what they speak.

messages   what goes over the socket
card       the card's end of it: registers, memory that is lent, interrupts
port       a program and its card, as the stack sees them; `adapter` has it under test
serve      a card alone, for `espproof device --socket`
twins      wrong twins of the example in `c/`
"""
