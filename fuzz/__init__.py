"""Coverage-guided fuzzing of everything that reads octets from the network; see README.md in this folder.

Importing this needs no atheris: only `child`, the process that fuzzes, does.
"""
