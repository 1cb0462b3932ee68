"""How fast: the reference beside scapy, the bare cipher and bare Hypothesis (`reference`), and adapters (`adapters`)."""
