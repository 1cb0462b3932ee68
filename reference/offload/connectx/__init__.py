"""NVIDIA's (Mellanox') ConnectX and Innova: crypto and packet offload, as the Linux driver mlx5 uses them.

    layouts    messages to the firmware: which bits of them are which field
    esn        which high half of an extended number the device takes: it knows a half window, and nothing more
    device     objects (keys, SAs), steering rules, what is done to a frame, completions
    rules      what the device demands of its driver
    driver     makes and ends objects and rules in their order, and keeps the half windows up to date
    port       the two together as a stack sees them
    full       what the device does of an SA with packet offload: numbers, windows, limits of packets, events
    limits     a limit of packets on a counter of 32 bits
    packet_port    such a port, for transport mode

Sources: "IFC", the messages as Linux 6.12 has them (include/linux/mlx5/mlx5_ifc.h), and "mlx5", its driver
(drivers/net/ethernet/mellanox/mlx5/core/en_accel); "talk", the IPsec workshop of Netdev 2.2. The programmer's manual is
not public: what none of them says is marked *assumed*. Steering is a language of its own there, and here one rule for
each SA.
"""
