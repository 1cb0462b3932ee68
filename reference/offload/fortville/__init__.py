"""Intel's XL710 with an IPsec agent as a bump in the wire, as a talk at Netdev 2.2 (Seoul, 2017) describes it.

    messages    control frames and metadata, octet by octet
    rules       what agent and MAC demand of a driver
    agent       the table of SAs, the cipher, the hairpin
    mac         queues of PF and VFs, mailboxes, the switch between them
    device      these together, wires and time
    ledger      asking by messages that may be lost, and what is doubtful then
    queues      a driver's side of the rings
    pf          the driver of a port: SAs of all its functions
    driver      the driver of a function, and its packets
    port        its end for the stack
    machines    devices with neighbours around the function that a stack has

There is no data sheet, no driver and no patch in public: what the parts do for each other is from the talk, and how octets
lie, what a driver may and may not, numbers and times are *assumed*.
"""
