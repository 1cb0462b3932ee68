"""What we have written ourselves as implementations under test: the reference, which must pass everything, and
the models of devices (`device`), each with its driver below the reference: `niantic`, `connectx`, `lookaside` and
`fortville`.

Each turns the operations of a Case into calls of a part of `espproof.reference`, and adds nothing of its own.
"""
