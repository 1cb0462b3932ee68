"""What goes into a target: packets that pass their ICV, and how one is made of another.

associations    the SAs that targets install: few, and unlike each other
sealed          a packet behind its ICV, opened and sealed again with the keys that the fuzzer owns
draft           its plaintext taken apart, to be changed at will
inner           small right payloads
changes         the table of what can be done to a draft
mutator         one mutation: open, change, seal
simpler         the other way: less of a packet, for minimising
"""
