"""The Linux kernel's xfrm and ESP: `linux` in user mode, `linux:host` as this machine runs them.

    rooms          modules             what belongs there
    (here)         adapter             a Case to operations for the agent, its results to outcomes
                   rehearsal           an espproof command as root of a user-mode Linux: `linux:host` without a host for it
                   association         an SA of a Case as messages for the kernel
                   device              which SAs a card with offload takes
    kernel/        build, kernels      which kernel image a variant boots, and how it is made
                   machine, onhost     the process that is asked: a kernel in user mode, a child of this host's kernel
    inside/        guest, host         what that process runs, beside the kernel that is tested
                   agent, gateway, …   what both have in common
    netlink/       xfrm, …             what is said to the kernel and what it says, as octets: used on both sides

Imports go downwards only, and `inside` and `netlink` live on the standard library alone (import-linter checks both).
"""
