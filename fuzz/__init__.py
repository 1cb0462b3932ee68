"""Coverage-guided fuzzing of everything that reads octets from the network; README.md in this folder tells how it is used.

Rooms and modules, of which each imports from those below it alone (import-linter checks that):

commands    `espproof fuzz …`, one function per command
bench       how fast the targets are
run         one target for some time: an engine runs it, and what comes of it is gone through
engines     what drives a target: libFuzzer, the processes, and the same input again without a fuzzer
seeds       what the targets start from, written to corpus/seeds/
triage      what is found: when two are the same, what is kept of it, and what becomes a regression
targets     the entrances, one module each, and what must hold there whatever the octets are
packets     what goes in: packets behind their ICV, opened, changed and sealed again

Importing this needs no atheris: only `engines.child`, the process that fuzzes, does.
"""
