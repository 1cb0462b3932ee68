"""The Linux kernel's xfrm and ESP: `linux` in user mode, `linux:host` as this machine runs them.

    rooms       modules             what belongs there
    (here)      adapter             a Case to operations for the agent, its results to outcomes
                questions, entering, super_packet    the operations that stand for a step; how a packet is to enter
                answers, events     what the agent's results mean, and what the kernel tells a key manager
                rehearsal           an espproof command as root of a user-mode Linux: `linux:host` without a host for it
                measured            a kernel in user mode that takes policies, SAs and packets by the thousand
                association         an SA of a Case as messages for the kernel
                card_probe          which SAs a card with offload takes
                cards               two simulated cards with a cable between them, for a kernel in user mode
                netdevsim           the cipher behind a card of the kernel's own that has none
    kernel/     images, build       which image a variant boots, and how one is made
                guest, host         the process that is asked: a kernel in user mode, a child of this host's kernel
    inside/     guest_main, …       what that process runs, beside the kernel that is tested
    netlink/    xfrm, …             what is said to the kernel and what it says, as octets: used on both sides

Imports go downwards only, and `inside` and `netlink` live on the standard library alone (import-linter checks both).

Who stands where. The agent is inside: it speaks with the kernel that is tested. Who asks it is outside, and they talk over
a channel. What is started outside has a program inside: `kernel/guest.py` has `inside/guest_main.py` (a guest is user-mode
Linux), `kernel/host.py` has `inside/host_main.py` (this host's kernel: nothing but a process is started). A card is the
Ethernet card that the user names: `inside/card.py` sends packets through it, `card_probe` asks from outside what it takes.
A device is whatever the kernel has a name and an index for, tun devices and cards alike.
"""
