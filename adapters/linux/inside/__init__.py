"""What runs beside the kernel that is tested, as its first process or as a process of this host.

    guest_main, host_main    the two programs, started by `kernel/guest.py` and `kernel/host.py`; each serves an `Agent`
    channel                  what is said between the agent and who asks it; who asks imports it too
    agent                    the operations: the SAs of one case
    gateway                  two network devices, and what became of each packet that went in
    stack                    the same with policies of the case, for a host
    entries, ways            other ways into a host, and which of them this kernel has
    senders, streams, kept   sockets as programs have them: of other buffers; connections of TCP; those that stay open
    neighbour                a program behind a cable that sends datagrams
    discards                 what the kernel answers to a program whose packet it has discarded
    later                    ciphers that finish later
    reached                  how often lines of the kernel were reached, where it counts that
    function                 a virtual function of a card, as an administrator makes one
    simulated                two cards of netdevsim and a cable, made the same way
    link, card               the network side of the gateway: a tun device, or a card and the other end of its cable
    measure                  seconds and octets of much of one kind
    modules                  what the gateway needs of user-mode Linux
    needs                    what it needs of a kernel that we did not choose

The standard library alone, and `netlink/`: a guest starts in one and a half seconds, and each import is read through a
file system that is another kernel's. One exception stands in `host_main`, whose sockets are pyroute2's.
"""
