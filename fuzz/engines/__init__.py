"""What drives a target: the fuzzer, the processes that it needs, and the same input again without it.

process      children that may hang, die or babble: started, watched, never left behind
libfuzzer    what libFuzzer is told, and what it says
child        the process that fuzzes: libFuzzer with a target in it
empty        targets with no fuzzing in them, for `bench`
reproduce    the process that executes one input again, and makes it smaller

Nothing is imported here: `child` decides what is instrumented by what it imports first.
"""
