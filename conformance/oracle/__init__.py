"""What is right, and what a right packet shows.

judge, judgement, verdict    a case: outcome by outcome, what is said of it, and the closed set of verdicts
compare                      two outcomes of one step
outbound, outbound_ah        what was sent, field by field
limits                       what is left open of hard limits
bursts                       why a burst went wrong: because it was one, or because its packets do
host, host_bursts            packets and counters of a host; packets that entered together
held, own, too_long          what waited for an SA; parts of the host's own super-packets; what is too long
events, device               what a key manager was told; what a device says
shown                        which requirements a right outcome shows
"""
