"""Is a mistake in the oracle itself found? The reference with one change at a time, against all that confirms it.

change     every single change of a module, made by the operators of cosmic-ray
trial      one changed reference against its unit tests, the vectors, and a real implementation
verdict    what was killed, what survived, and which survivors are explained (`explained.toml`)

`tox -e mutants`, or `python -m espproof.conformance.mutants` where cosmic-ray is installed. Nothing of it is needed to
use the suite, and no file of the reference is changed: a trial is a process of its own that imports a changed module.
"""
