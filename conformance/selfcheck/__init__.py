"""`espproof check`: is this adapter a correct adapter?

Not "is the implementation right?", which is what `run` finds out. Here it is asked whether what an implementation does
travels faithfully into a verdict: the adapter starts and says who it is (`start`), behaves at every step (`behaviour`),
refuses what it does not know (`refusals`), can do what it declares and declares what it can do (`probes`), and neither
echoes nor makes up outcomes (`honesty`). `rig` makes the small cases and executes them, `item` is one answer,
`session` walks through all of them.

Probes of what is declared of a host stand in `host_probes`, `policy_probes` and `key_manager`, on the hosts of `gateways`;
of a device in `device_probes`; `probe` is what all have in common. `faults` and `memory` are checks of their own, which
look at the adapter's `processes`.
"""
