"""Network cards that do part of ESP, as their data sheets and public drivers describe them, and a good driver for each.

    registers   rows of a data sheet: one per register, from which reading, writing, reset and the map are derived
    pci         a function on a bus: configuration space, and interrupts that are messages
    memory      what the host lends to a device: octets at bus addresses, and nothing outside of them
    rules       what a data sheet demands of a driver; a device that is treated otherwise says which it was
    api         what a stack asks of a device, and what it answers
    stack       the host half: an endpoint that leaves the cipher to a device where it can
    whole       the same in front of a device that does all of ESP
    estimate    what a device has to keep up with, by arithmetic
    accounts    what both can tell: who does the cipher of which SA, and how often
    aside       the same in front of a device that stands beside the way of packets
    fortville/  Intel XL710 with an IPsec agent in the wire: messages, agent, MAC with its functions, drivers of PF and VF
    niantic/    Intel 82599, X540 and X550: registers, tables, descriptors, engine, device, driver
    lookaside/  a crypto device with rings, as Intel's QAT: messages, device, driver
    connectx/   NVIDIA ConnectX and Innova: messages to the firmware, half windows, device, driver

A model is the device, not the way it is used here: it does what its data sheet says also where a driver is wrong. What
no public source says is marked *assumed* where it stands. The packages of the devices do not know each other. Pure, as
all of the reference: time and faults are arguments.
"""
