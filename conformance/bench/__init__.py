"""How fast: the reference beside scapy, the bare cipher and bare Hypothesis (`reference`), adapters (`adapters`), policies
and SAs by the thousand (`crowds`, `scale`), and all SAs replaced under traffic (`storm`)."""
