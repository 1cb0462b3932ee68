"""Every implementation's outbound packets into every other's inbound side, without the reference in between.

Two implementations that are right by themselves may still not understand each other, and two that are wrong in the same
way do. So nobody is asked what a packet should look like. The expectation comes from plain facts: what went in at the
sender comes out at the receiver, octet for octet and in order (TTL one less for each side that forwards), and what was
received before, or is older than the window, does not.

Per ordered pair the combinations are a pairwise cover of what both declare; each is tried with every `Course`, a history
of sequence numbers. What a sender has sent is kept and used for all receivers whose SA has the same octets.
"""
