"""Intel 82599, X540 and X550 ("Niantic"): the first 10 Gbit/s cards with IPsec in line, driven by ixgbe.

    registers     the rows that matter for IPsec and for packets to come and go
    tables        Tx SA table, and the three Rx tables: addresses, SPIs, keys
    descriptors   what the driver asks for, packet by packet, and what the chip reports
    engine        what the chip does to a frame: checksums, segments, encryption; match, decryption, verdict
    device        the chip as the bus sees it: registers, rings, reset, faults
    rules, engine_rules, packet_rules    what the data sheet demands of a driver: of registers, the engine, and packets
    board         the card around the chip: PCI, interrupts, EEPROM, what other drivers ask for
    pools         which queues are whose, and whom a frame is for, once the chip is shared
    virtual       a virtual function: what its bus sees, and the mailbox; virtual_board    the function on that bus
    words         what stands in the chip and happens to it, in words
    driver, port  a driver that keeps the rules, and the two together as a stack sees them; rings    its queues
    mailbox       what functions and PF say to each other; pf, vf    their drivers; virtual_port    a function among others

Sources: the X550 data sheet 333369-009 ("X550" and a section), of which the 82599's is the elder; where the chips
differ, `device.Personality` says how. What no source says is marked "assumed". The chip has no notion of sequence
numbers, windows, lifetimes or policies, and does not tell which SA a packet was for: that is the driver's work.
"""
