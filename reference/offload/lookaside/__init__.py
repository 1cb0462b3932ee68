"""A look-aside crypto device, as Intel's QuickAssist (QAT) is one: packets go to it over the bus, and come back.

    messages   what stands in memory: sessions with keys, requests, responses
    device     rings, engines that finish in an order of their own, what is done to octets
    rules      what the device demands of its driver
    driver     sessions, requests in flight, responses that find their request
    port       the two together as a stack sees them

It knows no packets, SAs or numbers: it is given octets, and what goes into the ICV. Sources: "talk", the IPsec workshop of
Netdev 2.2 (packets cross the bus twice, completions are asynchronous, it pays for big packets); how requests, sessions
("content descriptors") and responses are divided follows icp_qat_fw_la.h of Linux and DPDK. Their octets, and with them
all of `messages`, are *assumed*: ours are simpler.
"""
