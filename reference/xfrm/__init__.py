"""What a stack does around ESP, as the Linux xfrm framework divides it: policies, states, and the way of a packet through.

    policy      what traffic (a selector), and what is to become of it (bypass, discard, or protect with these templates)
    spd         the policies of a host in their order, and the search for the first that a packet fits (RFC 4301 4.4.1)
    states      the SAs of a host: which one a packet came for, which one a template asks for
    counters    the reasons to drop a packet, as `/proc/net/xfrm_stat` counts them
    path        input, policy check and output, each an ordered table of stages with the counters that they can raise
    protocols   what an SA of ESP does to a packet, and what one of AH does
    mtu         how long packets may be, of links and of paths; what becomes of longer ones
    icmp        errors of routers: what they quote, who makes them, and those that the host makes itself
    events      what a key manager is told and asked for
    held        packets that wait for an SA
    host        the whole: a packet enters at one side, packets emerge
    asynchrony  the same, with several packets at once and ciphers that finish later
    boundary    the same, with two directions of policies: across the boundary between the sides, as RFC 4301 has it
    buffers     where the octets of a packet lie, and who else has them
    segmentation, coalescing    super-packets: the packets that one stands for; packets that are merged into one

Pure, as all of the reference. What a packet on the wire looks like is the affair of the modules above (`endpoint`).
"""
