"""What is found, and what becomes of it.

signature      when two are the same
record         what the fuzzing process leaves for its parent
result         what a run tells, and one folder for each that was found
regressions    what of it becomes a Case in corpus/regressions/
"""
